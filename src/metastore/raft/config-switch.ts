// A configuration takes force when it is applied, on every node at the same index.
import { assert } from '../../base/assert.ts';
import type { ConfChange } from './conf-change.ts';
import type { RaftCore } from './core.ts';
import type { Membership, NewcomerSettings } from './membership-draft.ts';
import { changeMembership, restoreMembership } from './membership.ts';
import { type ConfState, NO_NODE } from './messages.ts';
import { allVoters } from './quorum.ts';
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.ts';
import { becomeFollower } from './roles.ts';

export function applyConfChange(core: RaftCore, change: ConfChange): ConfState {
  const { config, progress } = core.tracker;
  const changed = changeMembership({ config, progress }, newcomerSettings(core), change);
  assert(!('refused' in changed), 'a committed conf change can be applied');
  switchConfig(core, changed);
  return core.tracker.config;
}

/** Takes over what a restart or a snapshot names. */
export function restoreConfig(core: RaftCore, saved: ConfState): void {
  switchConfig(core, restoreMembership(newcomerSettings(core), saved));
}

function newcomerSettings(core: RaftCore): NewcomerSettings {
  const { maxInflightMessages, maxInflightBytes } = core.settings;
  return { lastIndex: core.log.lastIndex(), maxInflightMessages, maxInflightBytes };
}

function switchConfig(core: RaftCore, { config, progress }: Membership): void {
  core.tracker.install(config, progress);
  core.trace?.({ kind: 'configSwitched', config });
  if (core.role !== 'leader') return;
  const own = progress.get(core.id);
  if (own === undefined || own.isLearner) {
    // Otherwise it leads on until it stops hearing a quorum, which is not its own any more.
    if (core.settings.stepsDownOnRemoval) becomeFollower(core, core.term, NO_NODE);
    return;
  }
  if (config.voters.length > 0) leadConfig(core, config);
}

/** The quorum may have shrunk; newcomers shall hear of the log at once. */
function leadConfig(core: RaftCore, config: ConfState): void {
  if (maybeCommit(core)) broadcastAppend(core);
  else {
    for (const id of core.tracker.ids) if (id !== core.id) maybeSendAppend(core, id, false);
  }
  if (!allVoters(config).includes(core.transferee)) core.transferee = NO_NODE;
}
