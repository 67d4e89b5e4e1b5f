import type { RaftCore } from './core.ts';
import { entriesBytes, payloadBytes } from './entry-size.ts';
import { type Entry, NO_BYTES, type Snapshot } from './messages.ts';
import { leaderPropose } from './proposals.ts';

/** The state machine has applied `entries`. */
export function entriesApplied(core: RaftCore, entries: readonly Entry[]): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  appliedTo(core, last.index, entriesBytes(entries));
  core.uncommittedBytes = Math.max(core.uncommittedBytes - payloadBytes(entries), 0);
}

/** The snapshot is durable, and the state machine stands where it stands. */
export function snapshotApplied(core: RaftCore, snapshot: Snapshot): void {
  core.log.unstable.stableSnapshotTo(snapshot.index);
  appliedTo(core, snapshot.index, 0);
}

function appliedTo(core: RaftCore, index: number, bytes: number): void {
  const applied = Math.max(index, core.log.applied);
  core.log.appliedTo(applied, bytes);
  const { config } = core.tracker;
  if (config.autoLeave && applied >= core.pendingConfIndex && core.role === 'leader') {
    const leave: Entry = { term: 0, index: 0, type: 'confChangeV2', data: NO_BYTES };
    const refusal = leaderPropose(core, [leave]);
    core.trace?.({ kind: refusal === undefined ? 'autoLeaveStarted' : 'autoLeaveDropped', config });
  }
}
