// What a leader does with proposals, conf changes among them.
import { asV2, type ConfChange, decodeConfChange } from './conf-change.ts';
import type { RaftCore, StepRefusal } from './core.ts';
import { type Entry, NO_BYTES, NO_NODE } from './messages.ts';
import { appendOwn, broadcastAppend } from './replication.ts';
import type { ConfChangeObjection } from './trace.ts';

/** Takes all of them or none. */
export function leaderPropose(core: RaftCore, proposed: readonly Entry[]): StepRefusal | undefined {
  // Removed itself, but is still to learn that it does not lead.
  if (proposed.length === 0 || !core.tracker.progress.has(core.id)) return 'proposalDropped';
  if (core.transferee !== NO_NODE) {
    const { term, transferee } = core;
    core.trace?.({ kind: 'droppedProposalInTransfer', term, transferee });
    return 'proposalDropped';
  }
  if (!appendOwn(core, withCheckedConfChanges(core, proposed))) return 'proposalDropped';
  broadcastAppend(core);
  return undefined;
}

/** A refused conf change stays in its place as an empty entry: the proposer sees it committed as nothing. */
function withCheckedConfChanges(core: RaftCore, proposed: readonly Entry[]): readonly Entry[] {
  if (proposed.every((entry) => entry.type === 'normal')) return proposed;
  return proposed.map((entry, place) => checkedConfChange(core, entry, place));
}

function checkedConfChange(core: RaftCore, entry: Entry, place: number): Entry {
  const change = decodeConfChange(entry);
  if (change === undefined) return entry;
  const objection = objectionTo(core, change);
  if (objection !== undefined && core.settings.checksConfChanges) {
    core.trace?.({ kind: 'ignoredConfChange', change, config: core.tracker.config, objection });
    return { term: 0, index: 0, type: 'normal', data: NO_BYTES };
  }
  core.pendingConfIndex = core.log.lastIndex() + place + 1;
  return entry;
}

function objectionTo(core: RaftCore, change: ConfChange): ConfChangeObjection | undefined {
  const isJoint = core.tracker.config.votersOutgoing.length > 0;
  const wantsToLeave = asV2(change).changes.length === 0;
  const pendingIndex = core.pendingConfIndex;
  const appliedIndex = core.log.applied;
  if (pendingIndex > appliedIndex) return { kind: 'possiblyUnapplied', pendingIndex, appliedIndex };
  if (isJoint && !wantsToLeave) return { kind: 'mustLeaveJointFirst' };
  return !isJoint && wantsToLeave ? { kind: 'notJoint' } : undefined;
}
