// The first record at or after a time: which segment by its largest timestamp, then its time index, then its batches.
import { decompress, LARGEST_DECOMPRESSED_BYTES } from '../base/decompress.ts';
import { LogtierError } from '../base/errors.ts';
import { epochAt, type Lineage } from '../kafka/lineage.ts';
import { floorPosition } from '../kafka/offset-index.ts';
import {
  BATCH_HEADER_BYTES,
  checkBatchCrc,
  readBatchHeader,
  type RecordBatchHeader,
} from '../kafka/record-batch.ts';
import { decodeRecords } from '../kafka/records.ts';
import type { RemoteHit } from '../kafka/fetch-decision.ts';
import { floorOffset } from '../kafka/time-index.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { DecideDeps } from './decide.ts';
import type { IndexReader, OpenSegment } from './index-reader.ts';
import { viewOfPartition, type PartitionView } from './partition-view.ts';
import { readRange, type ReadDeps } from './read-range.ts';

/** Headers are looked at in steps of this size. */
const WINDOW_BYTES = 64 * 2 ** 10;

export interface ResolveDeps extends DecideDeps {
  readonly indexes: IndexReader;
  readonly reads: ReadDeps;
}

export interface TimestampQuestion {
  readonly topic: string;
  readonly partition: number;
  readonly timestampMs: number;
}

export type ResolvedTimestamp =
  | { readonly kind: 'found'; readonly offset: bigint; readonly timestampMs: number }
  /** The remote tier holds nothing so young: the broker may, from `offset` on. */
  | { readonly kind: 'ask-broker'; readonly offset: bigint }
  | { readonly kind: 'not-ready'; readonly why: 'local-start-unknown' };

/** What is local too is the broker's to answer. "Not here" is said only after a read with a barrier. */
export async function resolveTimestamp(
  deps: ResolveDeps,
  question: TimestampQuestion,
  signal: AbortSignal,
): Promise<ResolvedTimestamp> {
  const { topic, partition } = question;
  const { localStart } = await deps.local.ask(topic, partition, signal);
  const known = viewOfPartition(await deps.lookup.find(topic, partition, signal));
  const early = await search(deps, { view: known, localStart, question }, signal);
  if (early !== undefined) return early;
  const view = viewOfPartition(await deps.lookup.findLinearizable(topic, partition, signal));
  const found = await search(deps, { view, localStart, question }, signal);
  if (found !== undefined) return found;
  if (localStart === undefined) return { kind: 'not-ready', why: 'local-start-unknown' };
  return { kind: 'ask-broker', offset: localStart };
}

interface Search {
  readonly view: PartitionView;
  readonly localStart: bigint | undefined;
  readonly question: TimestampQuestion;
}

async function search(
  deps: ResolveDeps,
  { view, localStart, question }: Search,
  signal: AbortSignal,
): Promise<ResolvedTimestamp | undefined> {
  const { timestampMs } = question;
  for (const { hit, from } of remoteParts(view)) {
    if (!isRemote(from, localStart)) return undefined;
    if (hit.segment.maxTimestampMs < timestampMs) continue;
    const part = { hit, from, lineage: view.snapshot.lineage, timestampMs };
    const found = await searchSegment(deps, part, signal);
    if (found !== undefined && isRemote(found.offset, localStart)) {
      return { kind: 'found', ...found };
    }
  }
  return undefined;
}

interface RemotePart {
  readonly hit: RemoteHit<SegmentRecord>;
  /** Records below are not offered. */
  readonly from: bigint;
}

/** What the remote tier serves from its start, in order, over holes. */
function* remoteParts({ snapshot, remote }: PartitionView): Generator<RemotePart> {
  let at: bigint | undefined = snapshot.remoteStart;
  while (at !== undefined) {
    const hit = remote.find(at);
    if (hit !== undefined) yield { hit, from: at };
    at = hit === undefined ? remote.nextCovered(at) : hit.nextOffset;
  }
}

function isRemote(offset: bigint, localStart: bigint | undefined): boolean {
  return localStart === undefined || offset < localStart;
}

interface Part extends RemotePart {
  readonly lineage: Lineage;
  readonly timestampMs: number;
}

interface FoundRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
}

async function searchSegment(
  deps: ResolveDeps,
  part: Part,
  signal: AbortSignal,
): Promise<FoundRecord | undefined> {
  const { startOffset, logBytes } = part.hit.segment;
  const segment = await deps.indexes.open(part.hit.segment, signal);
  const times = await deps.indexes.section(segment, 'timeIndex', signal);
  const offsets = await deps.indexes.section(segment, 'offsetIndex', signal);
  const none = new Uint8Array(0);
  const byTime = floorOffset(times ?? none, startOffset, part.timestampMs);
  const from = byTime > part.from ? byTime : part.from;
  let { position } = floorPosition(offsets ?? none, startOffset, from);
  while (position < logBytes) {
    const window = await readWindow(deps, segment, position, signal);
    const step = await searchWindow(deps, { segment, position, window }, part, signal);
    if (step.isOver) return step.found;
    if (step.bytes === 0) throw cutLog(segment, position);
    position += step.bytes;
  }
  return undefined;
}

interface Window {
  readonly segment: OpenSegment;
  readonly position: number;
  readonly window: Uint8Array;
}

type Step =
  | { readonly isOver: true; readonly found: FoundRecord | undefined }
  /** Length of the batches that begin in the window. */
  | { readonly isOver: false; readonly bytes: number };

async function searchWindow(
  deps: ResolveDeps,
  { segment, position, window }: Window,
  part: Part,
  signal: AbortSignal,
): Promise<Step> {
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= window.length) {
    const header = readBatchHeader(window, at, position + at);
    if (header.baseOffset >= part.hit.nextOffset) return { isOver: true, found: undefined };
    const batch = { segment, position: position + at, header };
    const found = isCandidate(header, part)
      ? await searchBatch(deps, batch, part, signal)
      : undefined;
    if (found !== undefined) return { isOver: true, found };
    at += header.batchBytes;
  }
  return { isOver: false, bytes: at };
}

function isCandidate(header: RecordBatchHeader, { lineage, from, timestampMs }: Part): boolean {
  const epoch = epochAt(lineage, header.baseOffset);
  const isInForce =
    epoch === undefined ||
    header.partitionLeaderEpoch === -1 ||
    header.partitionLeaderEpoch === epoch;
  return isInForce && header.lastOffset >= from && header.maxTimestampMs >= timestampMs;
}

async function searchBatch(
  deps: ResolveDeps,
  place: {
    readonly segment: OpenSegment;
    readonly position: number;
    readonly header: RecordBatchHeader;
  },
  { from, timestampMs }: Part,
  signal: AbortSignal,
): Promise<FoundRecord | undefined> {
  const { segment, position, header } = place;
  const end = position + header.batchBytes;
  const isTooLarge = header.batchBytes > LARGEST_DECOMPRESSED_BYTES;
  if (isTooLarge || end > segment.record.logBytes) throw cutLog(segment, position);
  const into = Buffer.allocUnsafe(header.batchBytes);
  await readRange(deps.reads, segment, { range: { start: position, end }, into }, signal);
  checkBatchCrc(into, 0, header);
  const records = await decodeRecords(decompress, { header, bytes: into });
  const found = records.find(
    (record) => record.offset >= from && record.timestampMs >= timestampMs,
  );
  return found === undefined ? undefined : { offset: found.offset, timestampMs: found.timestampMs };
}

async function readWindow(
  deps: ResolveDeps,
  segment: OpenSegment,
  position: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const end = Math.min(position + WINDOW_BYTES, segment.record.logBytes);
  const into = Buffer.allocUnsafe(end - position);
  await readRange(deps.reads, segment, { range: { start: position, end }, into }, signal);
  return into;
}

function cutLog({ record }: OpenSegment, position: number): LogtierError {
  return new LogtierError('OBJECT_CORRUPT', `the log holds no whole batch at byte ${position}`, {
    details: { objectKey: record.objectKey },
  });
}
