// Keys of the rows that look-ups go by, as Kafka's RemoteLogMetadataCache keeps them per leader epoch.
import type { SegmentId } from '../../segment/ids.ts';
import { segmentId } from '../../segment/ids.ts';
import {
  following,
  key,
  type KeyRange,
  type PartitionAddress,
  partitionFields,
  TABLE,
  TABLES_OF_INDEX,
  under,
  uuid,
} from './keys.ts';

const UUID_BYTES = 16;
/** Cluster, topic id, partition. */
const PARTITION_BYTES = 4 + UUID_BYTES + 4;
const EPOCH_AT = 1 + PARTITION_BYTES;
const START_AT = EPOCH_AT + 4;

/** Segment `id` is what an epoch's offsets [startOffset, nextOffset) are read from. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly id: SegmentId;
}

type Referenced = Pick<EpochStart, 'epoch' | 'startOffset'>;

export function epochStartKey(address: PartitionAddress, at: Referenced): Uint8Array {
  return key(TABLE.epochStart, ...partitionFields(address), at.epoch, at.startOffset);
}

export function epochStartValue(id: SegmentId, nextOffset: bigint): Uint8Array {
  const bytes = Buffer.alloc(UUID_BYTES + 8);
  bytes.set(uuid(id));
  bytes.writeBigUInt64BE(nextOffset, UUID_BYTES);
  return bytes;
}

export function epochStartOf(rowKey: Uint8Array, value: Uint8Array): EpochStart {
  const keyBytes = Buffer.from(rowKey.buffer, rowKey.byteOffset, rowKey.byteLength);
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return {
    epoch: keyBytes.readUInt32BE(EPOCH_AT),
    startOffset: keyBytes.readBigUInt64BE(START_AT),
    nextOffset: bytes.readBigUInt64BE(UUID_BYTES),
    id: segmentIdOf(bytes.subarray(0, UUID_BYTES)),
  };
}

export function segmentIdOf(bytes: Uint8Array): SegmentId {
  return segmentId(Buffer.from(bytes).toString('base64url'));
}

/** Of a key of `epochStarts`; undefined for a key of any other table. */
export function partitionNameOf(rowKey: Uint8Array): string | undefined {
  if (rowKey[0] !== TABLE.epochStart) return undefined;
  return Buffer.from(rowKey.buffer, rowKey.byteOffset + 1, PARTITION_BYTES).toString('latin1');
}

export function partitionName(address: PartitionAddress): string {
  return partitionNameOf(key(TABLE.epochStart, ...partitionFields(address))) ?? '';
}

/** Partitions whose rows of `epochStarts` lie in the range, by how their name begins. */
export function partitionPrefixOf({ from }: KeyRange): string | undefined {
  if (from[0] !== TABLE.epochStart) return undefined;
  return Buffer.from(from.subarray(1, 1 + PARTITION_BYTES)).toString('latin1');
}

export function epochStarts(address: PartitionAddress): KeyRange {
  return under(key(TABLE.epochStart, ...partitionFields(address)));
}

export function epochStartsOf(address: PartitionAddress, epoch: number): KeyRange {
  return under(key(TABLE.epochStart, ...partitionFields(address), epoch));
}

export function epochStartsFrom(address: PartitionAddress, from: Referenced): KeyRange {
  return { from: epochStartKey(address, from), to: epochStartsOf(address, from.epoch).to };
}

export function epochStartsUpTo(address: PartitionAddress, upTo: Referenced): KeyRange {
  const all = epochStartsOf(address, upTo.epoch);
  return { from: all.from, to: following(epochStartKey(address, upTo)) };
}

/** Referenced segments with a transaction index; the value is the segment's id. */
export function transactionsKey(address: PartitionAddress, at: Referenced): Uint8Array {
  return key(TABLE.transactions, ...partitionFields(address), at.epoch, at.startOffset);
}

export function transactionsAfter(address: PartitionAddress, after: Referenced): KeyRange {
  const all = under(key(TABLE.transactions, ...partitionFields(address), after.epoch));
  return { from: following(transactionsKey(address, after)), to: all.to };
}

/** Segments that hold offsets of the epoch and are read from for none of them. */
export function unreferencedKey(
  address: PartitionAddress,
  epoch: number,
  id: SegmentId,
): Uint8Array {
  return key(TABLE.unreferenced, ...partitionFields(address), epoch, uuid(id));
}

export function unreferencedOf(address: PartitionAddress, epoch: number): KeyRange {
  return under(key(TABLE.unreferenced, ...partitionFields(address), epoch));
}

/** An unreferenced row's key ends with the segment's id. */
export function lastIdOf(rowKey: Uint8Array): SegmentId {
  return segmentIdOf(rowKey.subarray(rowKey.length - UUID_BYTES));
}

export function epochKey(address: PartitionAddress, epoch: number): Uint8Array {
  return key(TABLE.epoch, ...partitionFields(address), epoch);
}

export function epochsOf(address: PartitionAddress): KeyRange {
  return under(key(TABLE.epoch, ...partitionFields(address)));
}

export function epochOf(epochRowKey: Uint8Array): number {
  return Buffer.from(epochRowKey).readUInt32BE(EPOCH_AT);
}

/** So that times before 1970, which producers may write, sort below the others. */
const SIGN = 2n ** 63n;

export function byTimeKey(
  address: PartitionAddress,
  maxTimestampMs: bigint,
  id: SegmentId,
): Uint8Array {
  return key(TABLE.byTime, ...partitionFields(address), maxTimestampMs + SIGN, uuid(id));
}

/** Finished segments whose newest record is not younger. */
export function byTimeUpTo(address: PartitionAddress, maxTimestampMs: bigint): KeyRange {
  const fields = partitionFields(address);
  const { from } = under(key(TABLE.byTime, ...fields));
  return { from, to: following(key(TABLE.byTime, ...fields, maxTimestampMs + SIGN)) };
}

const INDEX_TABLES: ReadonlySet<number> = new Set(TABLES_OF_INDEX);

/** Whether a row follows from others: members of different state versions compare themselves without it. */
export function isIndexKey(rowKey: Uint8Array): boolean {
  return INDEX_TABLES.has(rowKey[0] ?? 0);
}

export const allIndexRows = (): readonly KeyRange[] =>
  TABLES_OF_INDEX.map((table) => under(key(table)));
