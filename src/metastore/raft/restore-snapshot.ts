import { restoreConfig } from './config-switch.ts';
import type { RaftCore } from './core.ts';
import { NO_NODE, type Snapshot } from './messages.ts';
import { becomeFollower } from './roles.ts';

/**
 * Starts the log anew after the snapshot. False when that would lose something: it is not ahead of what
 * is committed (bug 21), it is not for this node, or the log holds its last entry and only commits it.
 */
export function restoreSnapshot(core: RaftCore, snapshot: Snapshot): boolean {
  const { log } = core;
  if (snapshot.index <= log.commit) return false;
  if (core.role !== 'follower') {
    core.trace?.({ kind: 'snapshotForNonFollower' });
    becomeFollower(core, core.term + 1, NO_NODE);
    return false;
  }
  const { confState, index, term } = snapshot;
  if (!namesNode(snapshot, core.id)) {
    core.trace?.({ kind: 'snapshotWithoutThisNode', confState });
    return false;
  }
  if (log.hasTerm(index, term)) {
    core.trace?.({ kind: 'snapshotFastForwarded', ...restoredLog(core, snapshot) });
    log.commitTo(index);
    return false;
  }
  log.restore(snapshot);
  restoreConfig(core, confState);
  core.trace?.({ kind: 'snapshotInstalled', ...restoredLog(core, snapshot) });
  return true;
}

/** In whichever part: a voter that was made a learner must take the snapshot that says so (bug 6). */
function namesNode({ confState }: Snapshot, id: number): boolean {
  const { voters, learners, votersOutgoing } = confState;
  return voters.includes(id) || learners.includes(id) || votersOutgoing.includes(id);
}

function restoredLog(core: RaftCore, { index, term }: Snapshot) {
  const last = core.log.lastEntry();
  return { commit: core.log.commit, lastIndex: last.index, lastTerm: last.term, index, term };
}
