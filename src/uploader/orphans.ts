// What becomes of intents that stand open when a partition is claimed: a fenced writer's object may be the only
// copy (safety rule 10), and a claim renewed by the same broker must not undo its own work (rule 11).
import { LogtierError, hasCode } from '../base/errors.ts';
import type { ByteRange } from '../base/byte-range.ts';
import type { OffsetRange } from '../kafka/lineage.ts';
import { rangeBytes } from '../base/byte-range.ts';
import { differences } from '../segment/manifest-record.ts';
import { verifySegmentObject } from '../segment/segment-object-verifier.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { ClosedSegment } from './closed-segments.ts';
import { finishedHoles, planCopies } from './copy-plan.ts';
import type { Claim, SegmentLedger } from './segment-ledger.ts';

export type OrphanDecision =
  /** Ours, and its segment is still here and needed: the copy plan takes it up again. */
  | { readonly kind: 'resume'; readonly record: SegmentRecord }
  /** The records are remote already, or on our own disk: nothing is lost by erasing its object. */
  | { readonly kind: 'abort'; readonly record: SegmentRecord; readonly why: AbortReason }
  /** Its object may be the only copy: look at it. */
  | { readonly kind: 'verify'; readonly record: SegmentRecord };

export type AbortReason = 'COVERED' | 'ON_OWN_DISK';

export interface OrphanInput {
  readonly snapshot: PartitionSnapshot;
  readonly closed: readonly ClosedSegment[];
  readonly brokerId: number;
  /** Segment ids that a copy works on right now; left alone. */
  readonly inFlight: ReadonlySet<string>;
}

/** One decision for each open intent that nobody works on (pure). */
export function decideOrphans(input: OrphanInput): OrphanDecision[] {
  const { snapshot, closed } = input;
  const resumed = new Set(planCopies(input).map(({ resumes }) => resumes?.segmentId));
  const open = snapshot.segments.filter(
    ({ state, segmentId }) => state === 'COPY_SEGMENT_STARTED' && !input.inFlight.has(segmentId),
  );
  return open.map((record): OrphanDecision => {
    if (resumed.has(record.segmentId)) return { kind: 'resume', record };
    const holes = finishedHoles(snapshot, aboveStart(record, snapshot));
    if (holes.length === 0) return { kind: 'abort', record, why: 'COVERED' };
    const isHere = holes.every(({ startOffset, nextOffset }) =>
      isOnDisk(startOffset, nextOffset, closed),
    );
    return isHere ? { kind: 'abort', record, why: 'ON_OWN_DISK' } : { kind: 'verify', record };
  });
}

/** What lies below the remote start was erased on purpose. */
function aboveStart(
  { startOffset, nextOffset }: OffsetRange,
  { remoteStart }: PartitionSnapshot,
): OffsetRange {
  return { startOffset: startOffset > remoteStart ? startOffset : remoteStart, nextOffset };
}

/**
 * Closed segments only: what is still in the active one is decided when that closes. A leader's own log is the
 * lineage, and its closed segments follow each other.
 */
function isOnDisk(
  startOffset: bigint,
  nextOffset: bigint,
  closed: readonly ClosedSegment[],
): boolean {
  let reached = startOffset;
  for (const segment of closed) {
    if (segment.startOffset <= reached && segment.nextOffset > reached)
      reached = segment.nextOffset;
  }
  return reached >= nextOffset;
}

export interface OrphanDeps {
  readonly ledger: Pick<SegmentLedger, 'abortCopy' | 'adoptIntent'>;
  readonly store: Pick<ObjectStore, 'stat' | 'get'>;
}

export type OrphanOutcome =
  | { readonly kind: 'left' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'adopted' }
  /** Neither lost nor safe: an operator is told, and the next claim or pass looks again. */
  | { readonly kind: 'reported'; readonly findings: readonly string[] };

/** Does what was decided. Store errors are thrown: a store that does not answer decides nothing. */
export async function settleOrphan(
  deps: OrphanDeps,
  claim: Claim,
  decision: OrphanDecision,
  signal: AbortSignal,
): Promise<OrphanOutcome> {
  const { record } = decision;
  switch (decision.kind) {
    case 'resume':
      return { kind: 'left' };
    case 'abort':
      return { kind: await deps.ledger.abortCopy(claim, record.segmentId, decision.why, signal) };
    case 'verify': {
      const findings = await findingsOf(deps.store, record, signal);
      if (findings.length > 0) return { kind: 'reported', findings };
      await deps.ledger.adoptIntent(claim, record.segmentId, signal);
      return { kind: 'adopted' };
    }
  }
}

/** Empty: the object is whole and is what the record says. */
async function findingsOf(
  store: OrphanDeps['store'],
  record: SegmentRecord,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    const { sizeBytes } = await store.stat(record.objectKey, signal);
    if (sizeBytes !== record.objectBytes) {
      return [`the object has ${sizeBytes} bytes, the intent says ${record.objectBytes}`];
    }
    const readRange = (range: ByteRange, by: AbortSignal): Promise<Uint8Array> =>
      readWholeRange(store, record.objectKey, range, by);
    const { manifest, findings } = await verifySegmentObject(sizeBytes, readRange, signal);
    const faults = findings.map(({ where, what }) => `${where}: ${what}`);
    if (manifest === undefined) return faults;
    const differing = differences(record, manifest);
    return differing.length === 0
      ? faults
      : [...faults, `record and object disagree in ${differing.join(', ')}`];
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
    return ['no object was stored, and the records are neither remote nor on this broker'];
  }
}

/** A range in memory: at most a chunk or a section. */
export async function readWholeRange(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(rangeBytes(range));
  if (bytes.length === 0) return bytes;
  let at = 0;
  for await (const piece of store.get(key, range, signal)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes.length) throw new LogtierError('STORE_UNAVAILABLE', `${key}: ${at} bytes came`);
  return bytes;
}
