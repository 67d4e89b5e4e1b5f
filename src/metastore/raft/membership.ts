// Pure: from one configuration to the next. Any two configurations in force one after the other have
// overlapping quorums: at most one voter changes at once, or both halves of a joint one decide.
import { assert } from '../../base/assert.ts';
import { asV2, type ConfChange, type ConfChangeSingle } from './conf-change.ts';
import type { ConfState } from './messages.ts';
import { type Membership, MembershipDraft, type NewcomerSettings } from './membership-draft.ts';
import { EMPTY_CONFIG } from './tracker.ts';

export type MembershipRefusal =
  | 'alreadyJoint'
  | 'noVotersToJoin'
  | 'notJoint'
  | 'simpleWhileJoint'
  | 'removedAllVoters'
  | 'severalVotersChanged';

export type Changed = Membership | { readonly refused: MembershipRefusal };

/** Picks the way a change asks for: leaving, entering a joint configuration, or a simple step. */
export function changeMembership(
  current: Membership,
  newcomers: NewcomerSettings,
  change: ConfChange,
): Changed {
  const { transition, changes } = asV2(change);
  if (transition === 'auto' && changes.length === 0) return leaveJoint(current, newcomers);
  if (transition !== 'auto' || changes.length > 1) {
    const autoLeave = transition !== 'jointExplicit';
    return enterJoint(current, newcomers, { changes, autoLeave });
  }
  return simpleChange(current, newcomers, changes);
}

/** Changes at most one voter. */
export function simpleChange(
  current: Membership,
  newcomers: NewcomerSettings,
  changes: readonly ConfChangeSingle[],
): Changed {
  const draft = new MembershipDraft(current, newcomers);
  if (draft.isJoint()) return { refused: 'simpleWhileJoint' };
  draft.apply(changes);
  if (draft.incoming.size === 0) return { refused: 'removedAllVoters' };
  if (difference(current.config.voters, draft.incoming) > 1) {
    return { refused: 'severalVotersChanged' };
  }
  return draft.finish();
}

/** The voters so far become the outgoing half. */
export function enterJoint(
  current: Membership,
  newcomers: NewcomerSettings,
  input: { readonly changes: readonly ConfChangeSingle[]; readonly autoLeave: boolean },
): Changed {
  const draft = new MembershipDraft(current, newcomers);
  if (draft.isJoint()) return { refused: 'alreadyJoint' };
  if (draft.incoming.size === 0) return { refused: 'noVotersToJoin' };
  draft.enterJoint(input.autoLeave);
  draft.apply(input.changes);
  return draft.incoming.size === 0 ? { refused: 'removedAllVoters' } : draft.finish();
}

export function leaveJoint(current: Membership, newcomers: NewcomerSettings): Changed {
  const draft = new MembershipDraft(current, newcomers);
  if (!draft.isJoint()) return { refused: 'notJoint' };
  draft.leaveJoint();
  return draft.finish();
}

/** The membership a snapshot or a restart names, everybody's progress at its start. */
export function restoreMembership(newcomers: NewcomerSettings, saved: ConfState): Membership {
  let current: Membership = { config: EMPTY_CONFIG, progress: new Map() };
  const take = (changed: Changed): void => {
    assert(!('refused' in changed), `a saved configuration can be restored: ${named(changed)}`);
    current = changed;
  };
  for (const id of saved.votersOutgoing) take(simpleChange(current, newcomers, [voter(id)]));
  const changes = incomingChanges(saved);
  if (saved.votersOutgoing.length === 0) {
    for (const change of changes) take(simpleChange(current, newcomers, [change]));
  } else take(enterJoint(current, newcomers, { changes, autoLeave: saved.autoLeave }));
  return current;
}

function incomingChanges(saved: ConfState): ConfChangeSingle[] {
  const learners = [...saved.learners, ...saved.learnersNext];
  return [
    ...saved.votersOutgoing.map((nodeId) => ({ type: 'removeNode' as const, nodeId })),
    ...saved.voters.map(voter),
    ...learners.map((nodeId) => ({ type: 'addLearnerNode' as const, nodeId })),
  ];
}

function voter(nodeId: number): ConfChangeSingle {
  return { type: 'addNode', nodeId };
}

function named(changed: Changed): string {
  return 'refused' in changed ? changed.refused : 'taken';
}

/** How many are in one but not in the other. */
function difference(before: readonly number[], after: ReadonlySet<number>): number {
  const kept = before.filter((id) => after.has(id)).length;
  return before.length + after.size - 2 * kept;
}
