// Kafka's questions about one leader epoch of a partition (RemoteLogMetadataCache), asked of the engine.
import {
  EpochRow,
  RemoteStartRow,
  SegmentRecord,
  StoredLineage,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { Lineage } from '../../kafka/lineage.ts';
import type { SegmentId } from '../../segment/ids.ts';
import type { KvReader } from '../engine/kv-engine.ts';
import { copiedTo } from './copied-ranges.ts';
import {
  byTimeUpTo,
  epochKey,
  epochOf,
  epochsOf,
  type EpochStart,
  epochStartOf,
  epochStartsOf,
  epochStartsUpTo,
  lastIdOf,
  segmentIdOf,
  transactionsAfter,
  unreferencedOf,
} from './index-keys.ts';
import { lineageKey, type PartitionAddress, remoteStartKey, segmentKey } from './keys.ts';
import { decodeRow } from './row.ts';

/** An offset under one leader epoch. */
export interface EpochOffset {
  readonly epoch: number;
  readonly offset: bigint;
}

/** The finished segment that holds the offset within the epoch. */
export async function findSegment(
  reader: KvReader,
  address: PartitionAddress,
  at: EpochOffset,
): Promise<SegmentRecord | undefined> {
  const start = await findStart(reader, address, at);
  return start === undefined ? undefined : await recordOf(reader, address, start.id);
}

export async function findStart(
  reader: KvReader,
  address: PartitionAddress,
  { epoch, offset }: EpochOffset,
): Promise<EpochStart | undefined> {
  const upTo = epochStartsUpTo(address, { epoch, startOffset: offset });
  for await (const { key, value } of reader.range({ ...upTo, reverse: true, limit: 1 })) {
    const start = epochStartOf(key, value);
    return offset < start.nextOffset ? start : undefined;
  }
  return undefined;
}

/**
 * The first segment at or after the offset that knows of aborted transactions, over holes too: Kafka's own
 * cache stops at a hole, and what is asked for too early costs a read only.
 */
export async function nextWithTransactions(
  reader: KvReader,
  address: PartitionAddress,
  at: EpochOffset,
): Promise<SegmentRecord | undefined> {
  const holding = await findSegment(reader, address, at);
  if (holding !== undefined && !holding.txnIndexEmpty) return holding;
  const after = transactionsAfter(address, { epoch: at.epoch, startOffset: at.offset });
  for await (const { value } of reader.range({ ...after, limit: 1 })) {
    return await recordOf(reader, address, segmentIdOf(value));
  }
  return undefined;
}

export interface EpochFacts {
  /** Inclusive, as Kafka counts; undefined when nothing of the epoch was copied. */
  readonly highestOffset: bigint | undefined;
  /** Every record that holds offsets of the epoch, in any state. */
  readonly segments: bigint;
  readonly logBytes: bigint;
}

export async function epochFacts(
  reader: KvReader,
  address: PartitionAddress,
  epoch: number,
): Promise<EpochFacts> {
  const bytes = await reader.get(epochKey(address, epoch));
  if (bytes === undefined) return { highestOffset: undefined, segments: 0n, logBytes: 0n };
  const { segments, logBytes, copied } = decodeRow(EpochRow, bytes);
  const end = await safeEnd(reader, address, { epoch, copied });
  return { highestOffset: end === undefined ? undefined : end - 1n, segments, logBytes };
}

/**
 * Never beyond the first offset above the remote start that was not copied, nor beyond the epoch's end in
 * the stored lineage (rule 7): told too low costs work, told too high costs data.
 */
async function safeEnd(
  reader: KvReader,
  address: PartitionAddress,
  { epoch, copied }: { readonly epoch: number } & Pick<EpochRow, 'copied'>,
): Promise<bigint | undefined> {
  const [lineageBytes, startBytes] = await reader.getMany([
    lineageKey(address),
    remoteStartKey(address),
  ]);
  const lineage = lineageBytes === undefined ? [] : decodeRow(StoredLineage, lineageBytes).entries;
  const own = lineage.findIndex((entry) => entry.epoch === epoch);
  if (own === -1) return undefined;
  const start = startBytes === undefined ? 0n : decodeRow(RemoteStartRow, startBytes).remoteStart;
  const hole = firstHole(lineage, await copiedOf(reader, address), start);
  const end = smaller(hole, lineage[own + 1]?.startOffset ?? hole);
  const from = lineage[own]?.startOffset ?? 0n;
  return copied
    .filter(({ startOffset }) => startOffset < end)
    .map(({ nextOffset }) => smaller(nextOffset, end))
    .filter((nextOffset) => nextOffset > from)
    .at(-1);
}

type CopiedOf = ReadonlyMap<number, EpochRow['copied']>;

async function copiedOf(reader: KvReader, address: PartitionAddress): Promise<CopiedOf> {
  const copied = new Map<number, EpochRow['copied']>();
  for await (const { key, value } of reader.range(epochsOf(address))) {
    copied.set(epochOf(key), decodeRow(EpochRow, value).copied);
  }
  return copied;
}

/** The first offset from `start` up that no segment of the lineage's own epoch ever held. */
export function firstHole(lineage: Lineage, copied: CopiedOf, start: bigint): bigint {
  const [first] = lineage;
  if (first === undefined) return start;
  let at = first.startOffset > start ? first.startOffset : start;
  for (const [index, { epoch, startOffset }] of lineage.entries()) {
    const end = lineage[index + 1]?.startOffset;
    if (end !== undefined && end <= at) continue;
    if (startOffset > at) return at;
    const reached = copiedTo(copied.get(epoch) ?? [], at) ?? at;
    if (end === undefined || reached < end) return reached;
    at = end;
  }
  return at;
}

/** Every segment that holds offsets of the epoch, replaced and ending ones too, by start offset. */
export async function segmentIdsOfEpoch(
  reader: KvReader,
  address: PartitionAddress,
  epoch: number,
): Promise<readonly SegmentId[]> {
  const found: { readonly id: SegmentId; readonly startOffset: bigint }[] = [];
  for await (const { key, value } of reader.range(epochStartsOf(address, epoch))) {
    found.push(epochStartOf(key, value));
  }
  for await (const { key, value } of reader.range(unreferencedOf(address, epoch))) {
    found.push({ id: lastIdOf(key), startOffset: Buffer.from(value).readBigUInt64BE() });
  }
  return found.toSorted(byStart).map(({ id }) => id);
}

function byStart(
  left: { readonly startOffset: bigint },
  right: { readonly startOffset: bigint },
): number {
  if (left.startOffset === right.startOffset) return 0;
  return left.startOffset < right.startOffset ? -1 : 1;
}

/** Finished segments with no record younger than `upToMs`, oldest first. */
export async function segmentsUpToTime(
  reader: KvReader,
  address: PartitionAddress,
  { upToMs, limit }: { readonly upToMs: bigint; readonly limit: number },
): Promise<SegmentRecord[]> {
  const keys: Uint8Array[] = [];
  for await (const { key } of reader.range({ ...byTimeUpTo(address, upToMs), limit })) {
    keys.push(segmentKey(address, lastIdOf(key)));
  }
  const rows = await reader.getMany(keys);
  return rows.flatMap((row) => (row === undefined ? [] : [decodeRow(SegmentRecord, row)]));
}

async function recordOf(
  reader: KvReader,
  address: PartitionAddress,
  id: SegmentId,
): Promise<SegmentRecord | undefined> {
  const bytes = await reader.get(segmentKey(address, id));
  return bytes === undefined ? undefined : decodeRow(SegmentRecord, bytes);
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
