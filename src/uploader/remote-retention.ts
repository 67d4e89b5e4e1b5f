// What retention erases of one partition's remote part (pure). Kafka's rules for whole segments
// (RemoteLogManager.cleanupExpiredRemoteLogSegments), under Logtier's own remote start (safety rule 2).
import { clipToLineage, contradiction } from '../kafka/lineage.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';
import { finishedOf } from './copy-plan.ts';
import type { DeleteReason, SegmentDelete } from './segment-ledger.ts';

export interface RetentionLimits {
  /** Segments whose newest record is older go; undefined: no such limit. */
  readonly timeMs: number | undefined;
  /** Log bytes kept; undefined: no such limit. */
  readonly bytes: number | undefined;
}

/** The three clocks of rule 8, read at the same moment. */
export interface RetentionClocks {
  readonly sidecarMs: number;
  readonly metastoreMs: number;
  /** A jump of the replicated clock waits for an operator. */
  readonly metastoreHeld: boolean;
  readonly storeMs: number;
}

/** What a planner remembers of a partition between two passes; it is lost at a restart, and waits anew. */
export interface RetentionMemory {
  readonly limits: RetentionLimits;
  /** An operator changed the limits while we looked: a large pass is what they wanted. */
  readonly isIntended: boolean;
  /** By Clock.uptimeMs, when a pass first wanted more than half of the partition. */
  readonly largeSinceMs: number | undefined;
}

export interface RetentionInput {
  readonly snapshot: PartitionSnapshot;
  readonly limits: RetentionLimits;
  readonly clocks: RetentionClocks;
  /** Undefined at the first pass. */
  readonly memory: RetentionMemory | undefined;
  readonly uptimeMs: number;
  readonly graceMs: number;
}

export type RetentionPlan =
  | { readonly kind: 'nothing' }
  | {
      readonly kind: 'erase';
      readonly remoteStart: bigint;
      /** At most MOST_DELETES; the next pass takes the rest. */
      readonly segments: readonly SegmentDelete[];
    }
  | {
      readonly kind: 'held';
      readonly reason: 'CLOCK_SKEW' | 'CLOCK_HELD' | 'MORE_THAN_HALF';
      /** What would go; by the earliest clock it may be none. */
      readonly segments: number;
      readonly logBytes: number;
    };

export interface PlannedRetention {
  readonly plan: RetentionPlan;
  readonly memory: RetentionMemory;
}

/** Clocks further apart delete nothing (rule 8). */
export const CLOCK_TOLERANCE_MS = 5 * 60_000;

/** In one command of at most 1,024 changes. */
export const MOST_DELETES = 500;

export function planRetention(input: RetentionInput): PlannedRetention {
  const doomed = doomedSegments(input);
  const logBytes = sumBytes(doomed.map(({ record }) => record));
  const isLarge = logBytes * 2 > sumBytes(finishedOf(input.snapshot));
  const memory = nextMemory(input, isLarge);
  const hasLimit = input.limits.timeMs !== undefined || input.limits.bytes !== undefined;
  if (doomed.length === 0 && !hasLimit) return { plan: { kind: 'nothing' }, memory };
  const reason = holdReason(input, memory);
  if (reason !== undefined) {
    return { plan: { kind: 'held', reason, segments: doomed.length, logBytes }, memory };
  }
  if (doomed.length === 0) return { plan: { kind: 'nothing' }, memory };
  return { plan: erasePlan(input.snapshot, doomed.slice(0, MOST_DELETES)), memory };
}

interface Doomed {
  readonly record: SegmentRecord;
  readonly remove: SegmentDelete;
}

/** In the order in which they go: what is garbage already, then the oldest. */
function doomedSegments(input: RetentionInput): Doomed[] {
  const { snapshot } = input;
  const finished = finishedOf(snapshot);
  const diverged = finished.flatMap((record) => divergedOf(record, snapshot));
  const gone = new Set(diverged.map(({ record }) => record));
  const rest = finished.filter((record) => !gone.has(record));
  const below = rest.filter((record) => record.nextOffset <= snapshot.remoteStart);
  const offered = rest.filter((record) => record.nextOffset > snapshot.remoteStart);
  return [
    ...diverged,
    ...below.map((record) => doom(record, 'OPERATOR')),
    ...expired(offered, input),
  ];
}

function doom(record: SegmentRecord, reason: DeleteReason): Doomed {
  return { record, remove: { segmentId: record.segmentId, reason } };
}

/** Nothing of it is in the lineage, and an entry says so: only then (rule 1). */
function divergedOf(record: SegmentRecord, { lineage }: PartitionSnapshot): Doomed[] {
  const entry = contradiction(record, lineage);
  if (entry === undefined || clipToLineage(record, lineage).length > 0) return [];
  const remove: SegmentDelete = {
    segmentId: record.segmentId,
    reason: 'DIVERGED',
    contradiction: { epoch: entry.epoch, startOffset: entry.startOffset },
  };
  return [{ record, remove }];
}

/** Whole segments from the start, up to the first one that breaches nothing. */
function expired(offered: readonly SegmentRecord[], input: RetentionInput): Doomed[] {
  const { limits } = input;
  const nowMs = earliestMs(input.clocks);
  const doomed: Doomed[] = [];
  let excessBytes = limits.bytes === undefined ? -1 : sumBytes(offered) - limits.bytes;
  for (const record of offered.toSorted(byEnd)) {
    const isTooMuch = excessBytes >= record.logBytes;
    if (!isTooMuch && !isTooOld(record, limits.timeMs, nowMs)) break;
    doomed.push(doom(record, isTooMuch ? 'RETENTION_BYTES' : 'RETENTION_TIME'));
    excessBytes -= record.logBytes;
  }
  return doomed;
}

/** A segment without any timestamp has no age. */
function isTooOld(record: SegmentRecord, timeMs: number | undefined, nowMs: number): boolean {
  return (
    timeMs !== undefined && record.maxTimestampMs >= 0 && nowMs - record.maxTimestampMs > timeMs
  );
}

/** By where they end: an overlapping one that reaches further stays longer. */
function byEnd(left: SegmentRecord, right: SegmentRecord): number {
  if (left.nextOffset !== right.nextOffset) return left.nextOffset < right.nextOffset ? -1 : 1;
  if (left.startOffset === right.startOffset) return 0;
  return left.startOffset < right.startOffset ? -1 : 1;
}

function sumBytes(records: readonly SegmentRecord[]): number {
  return records.reduce((sum, record) => sum + record.logBytes, 0);
}

function earliestMs({ sidecarMs, metastoreMs, storeMs }: RetentionClocks): number {
  return Math.min(sidecarMs, metastoreMs, storeMs);
}

function nextMemory(input: RetentionInput, isLarge: boolean): RetentionMemory {
  const { limits, memory, uptimeMs } = input;
  const isChanged =
    memory !== undefined &&
    (memory.limits.timeMs !== limits.timeMs || memory.limits.bytes !== limits.bytes);
  return {
    limits,
    isIntended: isLarge && (isChanged || (memory?.isIntended ?? false)),
    largeSinceMs: isLarge ? (memory?.largeSinceMs ?? uptimeMs) : undefined,
  };
}

function holdReason(
  { clocks, uptimeMs, graceMs }: RetentionInput,
  memory: RetentionMemory,
): 'CLOCK_SKEW' | 'CLOCK_HELD' | 'MORE_THAN_HALF' | undefined {
  const latestMs = Math.max(clocks.sidecarMs, clocks.metastoreMs, clocks.storeMs);
  if (latestMs - earliestMs(clocks) > CLOCK_TOLERANCE_MS) return 'CLOCK_SKEW';
  if (clocks.metastoreHeld) return 'CLOCK_HELD';
  const { largeSinceMs, isIntended } = memory;
  const isWaiting = largeSinceMs !== undefined && uptimeMs - largeSinceMs < graceMs;
  return isWaiting && !isIntended ? 'MORE_THAN_HALF' : undefined;
}

/**
 * The start moves to where the erased ones end, but never over what a kept segment still holds of them: an
 * overlapping one goes on serving.
 */
function erasePlan(snapshot: PartitionSnapshot, doomed: readonly Doomed[]): RetentionPlan {
  const segments = doomed.map(({ remove }) => remove);
  const gone = new Set(doomed.map(({ record }) => record));
  const kept = finishedOf(snapshot).filter(
    (record) => !gone.has(record) && record.nextOffset > snapshot.remoteStart,
  );
  const ends = doomed
    .filter(({ remove }) => remove.reason !== 'DIVERGED')
    .map(({ record }) => record.nextOffset);
  const end = ends.reduce((most, offset) => (offset > most ? offset : most), snapshot.remoteStart);
  const start = kept.reduce((least, record) => smaller(least, servedFrom(record, snapshot)), end);
  const remoteStart = start > snapshot.remoteStart ? start : snapshot.remoteStart;
  return { kind: 'erase', remoteStart, segments };
}

/** First offset above the remote start that the segment serves. */
function servedFrom(record: SegmentRecord, snapshot: PartitionSnapshot): bigint {
  const [first] = clipToLineage(record, snapshot.lineage).filter(
    (range) => range.nextOffset > snapshot.remoteStart,
  );
  return first?.startOffset ?? record.nextOffset;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
