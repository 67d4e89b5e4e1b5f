// Which closed local segments still need a copy (pure). "Already copied" is a cover, never a maximum (rule 7).
import type { OffsetRange } from '../kafka/lineage.ts';
import { coveredRanges, coverWithin } from '../kafka/segment-cover.ts';
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
  const intents = snapshot.segments.filter((record) =>
    isOwnIntent(record, snapshot, input.brokerId),
  );
  return input.closed
    .filter((segment) => {
      const asked = wanted(segment, input);
      if (asked.startOffset >= asked.nextOffset) return false;
      return finishedHoles(snapshot, asked).length > 0;
    })
    .map((segment) => ({ segment, resumes: openIntent(segment, intents) }));
}

/** Of each snapshot, which is asked about every local segment of its partition. */
const finishedCovers = new WeakMap<PartitionSnapshot, readonly OffsetRange[]>();

/** What the FINISHED segments of a snapshot leave open in `asked`. */
export function finishedHoles(
  snapshot: PartitionSnapshot,
  asked: OffsetRange,
): readonly OffsetRange[] {
  const known = finishedCovers.get(snapshot);
  const covered = known ?? coveredRanges(finishedOf(snapshot), snapshot.lineage);
  if (known === undefined) finishedCovers.set(snapshot, covered);
  return coverWithin(covered, asked).holes;
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
function openIntent(
  segment: ClosedSegment,
  intents: readonly SegmentRecord[],
): SegmentRecord | undefined {
  return intents.find(
    (record) =>
      record.startOffset === segment.startOffset && record.nextOffset === segment.nextOffset,
  );
}
