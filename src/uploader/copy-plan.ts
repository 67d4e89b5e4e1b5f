// Which closed local segments still need a copy (pure). "Already copied" is a cover, never a maximum (rule 7).
import type { OffsetRange } from '../kafka/lineage.ts';
import { coverOf } from '../kafka/segment-cover.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';
import type { ClosedSegment } from './closed-segments.ts';

export interface CopyPlanInput {
  readonly snapshot: PartitionSnapshot;
  /** Ascending. */
  readonly closed: readonly ClosedSegment[];
  /** Our broker: only its own intents are taken up again. */
  readonly brokerId: number;
}

export interface PlannedCopy {
  readonly segment: ClosedSegment;
  /** An open intent of ours for exactly this range (rule 11); undefined: a new one. */
  readonly resumes: SegmentRecord | undefined;
}

/**
 * A segment is needed as long as FINISHED segments, each cut to the lineage, leave a hole in it. What lies
 * below the remote start was erased on purpose, or closed before tiering began (`from: now`), and is not copied.
 */
export function planCopies(input: CopyPlanInput): PlannedCopy[] {
  const { snapshot } = input;
  const finished = finishedOf(snapshot);
  return input.closed
    .filter((segment) => {
      const asked = wanted(segment, input);
      if (asked.startOffset >= asked.nextOffset) return false;
      return coverOf(finished, snapshot.lineage, asked).holes.length > 0;
    })
    .map((segment) => ({ segment, resumes: openIntent(segment, input) }));
}

export function finishedOf(snapshot: PartitionSnapshot): SegmentRecord[] {
  return snapshot.segments.filter((segment) => segment.state === 'COPY_SEGMENT_FINISHED');
}

/** Ours and under the newest claim: the claim re-stamps what may go on. */
export function isOwnIntent(
  record: SegmentRecord,
  snapshot: PartitionSnapshot,
  brokerId: number,
): boolean {
  const { claim } = snapshot;
  return (
    record.state === 'COPY_SEGMENT_STARTED' &&
    record.brokerId === brokerId &&
    claim !== undefined &&
    record.fenceToken.incarnation === claim.token.incarnation &&
    record.fenceToken.index === claim.token.index
  );
}

function wanted(segment: ClosedSegment, input: CopyPlanInput): OffsetRange {
  const { remoteStart } = input.snapshot;
  const startOffset = segment.startOffset > remoteStart ? segment.startOffset : remoteStart;
  return { startOffset, nextOffset: segment.nextOffset };
}

/** The oldest one when there are several; the others are orphans (orphans.ts). */
function openIntent(segment: ClosedSegment, input: CopyPlanInput): SegmentRecord | undefined {
  return input.snapshot.segments.find(
    (record) =>
      isOwnIntent(record, input.snapshot, input.brokerId) &&
      record.startOffset === segment.startOffset &&
      record.nextOffset === segment.nextOffset,
  );
}
