// Which segment an epoch's offset is read from: the rules of Kafka's RemoteLogLeaderEpochState, row by row
// (org.apache.kafka.server.log.remote.metadata.storage). A segment that another one replaced stays listed.
import {
  DeleteReason,
  EpochRow,
  type SegmentRecord,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { SegmentId } from '../../segment/ids.ts';
import { addRange, cutRange } from './copied-ranges.ts';
import type { Draft, DraftEntry } from './draft.ts';
import {
  byTimeKey,
  epochKey,
  epochStartKey,
  epochStartOf,
  epochStartsFrom,
  epochStartValue,
  transactionsKey,
  unreferencedKey,
} from './index-keys.ts';
import type { PartitionAddress } from './keys.ts';
import { parseSegmentId } from './names.ts';

/** What a segment holds of one leader epoch: offsets [startOffset, nextOffset). */
export interface EpochPart {
  readonly epoch: number;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
}

/** A segment whose facts were checked when its intent came. */
export interface IndexedSegment {
  readonly address: PartitionAddress;
  readonly id: SegmentId;
  readonly record: SegmentRecord;
}

const NO_EPOCH: EpochRow = {
  copied: [],
  highestNext: 0n,
  highestStart: undefined,
  segments: 0n,
  logBytes: 0n,
};

export function partsOf({ epochs, nextOffset }: SegmentRecord): EpochPart[] {
  return epochs.map(({ epoch, startOffset }, at) => ({
    epoch,
    startOffset,
    nextOffset: epochs[at + 1]?.startOffset ?? nextOffset,
  }));
}

/** COPY_SEGMENT_STARTED. */
export async function indexIntent(draft: Draft, segment: IndexedSegment): Promise<void> {
  const { record } = segment;
  for (const part of partsOf(record)) {
    putUnreferenced(draft, segment, part);
    await changeEpoch(draft, segment.address, part.epoch, (row) => ({
      ...row,
      segments: row.segments + 1n,
      logBytes: row.logBytes + record.logBytes,
    }));
  }
}

/** COPY_SEGMENT_FINISHED: from here on its offsets are read from it. */
export async function indexFinished(draft: Draft, segment: IndexedSegment): Promise<void> {
  for (const part of partsOf(segment.record)) await refer(draft, segment, part);
  const { address, id, record } = segment;
  draft.putBytes(byTimeKey(address, record.maxTimestampMs, id), new Uint8Array(0));
}

async function refer(draft: Draft, segment: IndexedSegment, part: EpochPart): Promise<void> {
  const { address, id, record } = segment;
  const row = await readEpoch(draft, address, part.epoch);
  // Nothing is referenced above the highest start: an ordinary copy looks nothing up.
  const mayOverlap = row.highestStart !== undefined && part.startOffset <= row.highestStart;
  if (mayOverlap) await replaceBy(draft, segment, part, row);
  draft.putBytes(epochStartKey(address, part), epochStartValue(id, part.nextOffset));
  draft.delete(unreferencedKey(address, part.epoch, id));
  if (!record.txnIndexEmpty) draft.putBytes(transactionsKey(address, part), idBytes(id));
  putEpoch(draft, address, part.epoch, {
    ...row,
    copied: addRange(row.copied, part),
    highestNext: larger(row.highestNext, part.nextOffset),
    highestStart: larger(row.highestStart ?? 0n, part.startOffset),
  });
}

/**
 * A new leader's copy replaces all that begins in it when nothing reaches beyond it; else only what begins
 * at the same offset.
 */
async function replaceBy(
  draft: Draft,
  { address, id }: IndexedSegment,
  part: EpochPart,
  row: EpochRow,
): Promise<void> {
  const isWider = row.highestNext <= part.nextOffset;
  const from = epochStartsFrom(address, part);
  const at = epochStartKey(address, part);
  const replaced = isWider ? await draft.entries(from) : await entryAt(draft, at);
  for (const entry of replaced) {
    const old = epochStartOf(entry.key, entry.value);
    draft.delete(entry.key);
    draft.delete(transactionsKey(address, old));
    if (old.id === id) continue;
    draft.putBytes(unreferencedKey(address, old.epoch, old.id), offsetBytes(old.startOffset));
  }
}

async function entryAt(draft: Draft, key: Uint8Array): Promise<readonly DraftEntry[]> {
  const value = await draft.get(key);
  return value === undefined ? [] : [{ key, value }];
}

export interface Ending {
  readonly wasFinished: boolean;
  /** Its offsets count as not copied any more (rule 7). */
  readonly isLost: boolean;
}

/** Neither retention nor the broker took it. */
export function isLostWith(reason: DeleteReason): boolean {
  return reason === DeleteReason.DIVERGED || reason === DeleteReason.OPERATOR;
}

/** DELETE_SEGMENT_STARTED: listed still, read no more. */
export async function indexDeleting(
  draft: Draft,
  segment: IndexedSegment,
  { wasFinished, isLost }: Ending,
): Promise<void> {
  if (!wasFinished) return;
  const { address, id, record } = segment;
  for (const part of partsOf(record)) {
    const at = epochStartKey(address, part);
    const value = await draft.get(at);
    if (value !== undefined && epochStartOf(at, value).id === id) {
      draft.delete(at);
      draft.delete(transactionsKey(address, part));
    }
    putUnreferenced(draft, segment, part);
    if (!isLost) continue;
    await changeEpoch(draft, address, part.epoch, (row) => ({
      ...row,
      copied: cutRange(row.copied, part),
    }));
  }
  draft.delete(byTimeKey(address, record.maxTimestampMs, id));
}

/** DELETE_SEGMENT_FINISHED: the record ends. What was copied once stays known. */
export async function indexEnded(draft: Draft, segment: IndexedSegment): Promise<void> {
  const { address, id, record } = segment;
  for (const { epoch } of partsOf(record)) {
    draft.delete(unreferencedKey(address, epoch, id));
    await changeEpoch(draft, address, epoch, (row) => ({
      ...row,
      segments: row.segments - 1n,
      logBytes: row.logBytes - record.logBytes,
    }));
  }
}

/** Finished once, by what an older state version still knows of it. */
export async function indexOnceFinished(draft: Draft, segment: IndexedSegment): Promise<void> {
  for (const part of partsOf(segment.record)) {
    await changeEpoch(draft, segment.address, part.epoch, (row) => ({
      ...row,
      copied: addRange(row.copied, part),
      highestNext: larger(row.highestNext, part.nextOffset),
    }));
  }
}

async function readEpoch(
  draft: Draft,
  address: PartitionAddress,
  epoch: number,
): Promise<EpochRow> {
  return (await draft.row(EpochRow, epochKey(address, epoch))) ?? NO_EPOCH;
}

function putEpoch(draft: Draft, address: PartitionAddress, epoch: number, row: EpochRow): void {
  draft.put(EpochRow, epochKey(address, epoch), row);
}

async function changeEpoch(
  draft: Draft,
  address: PartitionAddress,
  epoch: number,
  change: (row: EpochRow) => EpochRow,
): Promise<void> {
  putEpoch(draft, address, epoch, change(await readEpoch(draft, address, epoch)));
}

function putUnreferenced(draft: Draft, { address, id }: IndexedSegment, part: EpochPart): void {
  const key = unreferencedKey(address, part.epoch, id);
  draft.putBytes(key, offsetBytes(part.startOffset));
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

function idBytes(id: SegmentId): Uint8Array {
  return Buffer.from(id, 'base64url');
}

function offsetBytes(offset: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(offset);
  return bytes;
}

/** A record of ours always names one; undefined for what no intent could have brought. */
export function indexedSegment(
  address: PartitionAddress,
  record: SegmentRecord,
): IndexedSegment | undefined {
  const id = parseSegmentId(record.segmentId);
  return id === undefined ? undefined : { address, id, record };
}
