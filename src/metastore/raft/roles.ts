//                  ┌──────────── higher term, leader found, election lost ────────────┐
//                  ▼                                                                  │
//   follower ──► preCandidate ──► candidate ──► leader ───────────────────────────────┤
//      └──────────(transfer)──────────▲                                               │
//
// Invariant: at most one leader a term; a node votes once a term.
import { assert } from '../../base/assert.ts';
import type { RaftCore } from './core.ts';
import { Inflights } from './inflights.ts';
import { NO_NODE } from './messages.ts';
import { Progress } from './progress.ts';
import { ReadIndexQueue } from './read-index.ts';

export function becomeFollower(core: RaftCore, term: number, lead: number): void {
  reset(core, term);
  core.lead = lead;
  core.role = 'follower';
  core.trace?.({ kind: 'becameFollower', term: core.term });
}

/** Raises the term and votes for itself; both must be durable before anybody hears of it. */
export function becomeCandidate(core: RaftCore): void {
  assert(core.role !== 'leader', 'a leader does not become candidate');
  reset(core, core.term + 1);
  core.vote = core.id;
  core.role = 'candidate';
  core.trace?.({ kind: 'becameCandidate', term: core.term });
}

/** Changes neither term nor vote: an election that cannot be won disrupts nobody. */
export function becomePreCandidate(core: RaftCore): void {
  assert(core.role !== 'leader', 'a leader does not become pre-candidate');
  core.tracker.resetVotes();
  core.lead = NO_NODE;
  core.role = 'preCandidate';
  core.trace?.({ kind: 'becamePreCandidate', term: core.term });
}

/** The state of a leader before its first entry. */
export function enterLeadership(core: RaftCore): void {
  assert(core.role !== 'follower', 'a follower does not become leader');
  reset(core, core.term);
  core.lead = core.id;
  core.role = 'leader';
  const own = core.tracker.of(core.id);
  own.becomeReplicate();
  own.isRecentlyActive = true;
  // Whether older entries hold a conf change is not looked up: all of them must be applied first.
  core.pendingConfIndex = core.log.lastIndex();
}

/** Whether this node may become leader: a voter that is not just being restored. */
export function isPromotable(core: RaftCore): boolean {
  const own = core.tracker.progress.get(core.id);
  return own !== undefined && !own.isLearner && core.log.unstable.snapshot === undefined;
}

function reset(core: RaftCore, term: number): void {
  if (core.term !== term) {
    core.term = term;
    core.vote = NO_NODE;
  }
  core.lead = NO_NODE;
  core.electionElapsed = 0;
  core.heartbeatElapsed = 0;
  core.randomizedElectionTicks = core.randomTimeout();
  core.transferee = NO_NODE;
  core.pendingConfIndex = 0;
  core.uncommittedBytes = 0;
  core.reads = new ReadIndexQueue();
  core.tracker.resetVotes();
  resetProgress(core);
}

function resetProgress(core: RaftCore): void {
  const { maxInflightMessages, maxInflightBytes } = core.settings;
  const lastIndex = core.log.lastIndex();
  const fresh = new Map<number, Progress>();
  for (const [id, { isLearner }] of core.tracker.progress) {
    const match = id === core.id ? lastIndex : 0;
    const inflights = new Inflights(maxInflightMessages, maxInflightBytes);
    const start = { match, next: lastIndex + 1, isLearner, isRecentlyActive: false, inflights };
    fresh.set(id, new Progress(start));
  }
  core.tracker.install(core.tracker.config, fresh);
}
