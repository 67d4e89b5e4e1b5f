// What this broker still owes the remote tier: closed local segments that are to be copied and are not yet.
import type { LocalPartitionStatus, LocalSegmentStatus } from '../uploader/uploader-status.ts';
import type { Waiting, WaitingReason } from '../uploader/waiting-reason.ts';

/** With these a segment is never copied from here; everything else is lag. */
const NOT_OWED: ReadonlySet<WaitingReason> = new Set<WaitingReason>([
  'ACTIVE',
  'TOPIC_NOT_MATCHED',
  'TOPIC_INTERNAL',
  'TOPIC_COMPACTED',
  'TOPIC_TIERED_BY_BROKER',
  'BEFORE_FROM',
  'NOT_LEADER',
]);

export interface Lag {
  readonly segments: readonly LocalSegmentStatus[];
  readonly bytes: number;
  /** Wall clock: when local retention may delete the first of them; undefined: none is at risk. */
  readonly deletableAtMs: number | undefined;
}

/** Its own reason, or that of the whole partition. */
export function waitingOf(
  partition: LocalPartitionStatus,
  segment: LocalSegmentStatus,
): Waiting | undefined {
  return segment.state === 'remote' ? undefined : (segment.waiting ?? partition.blocked);
}

export function lagOf(partition: LocalPartitionStatus): Lag {
  const segments = partition.segments.filter((segment) => isOwed(partition, segment));
  const deletableAtMs = Math.min(...segments.map((segment) => segment.deletableAtMs));
  return {
    segments,
    bytes: segments.reduce((bytes, { logBytes }) => bytes + logBytes, 0),
    deletableAtMs: Number.isFinite(deletableAtMs) ? deletableAtMs : undefined,
  };
}

function isOwed(partition: LocalPartitionStatus, segment: LocalSegmentStatus): boolean {
  if (!partition.isLeader || partition.rule === undefined) return false;
  if (segment.state === 'remote' || segment.state === 'active') return false;
  const reason = waitingOf(partition, segment)?.reason;
  return reason === undefined || !NOT_OWED.has(reason);
}
