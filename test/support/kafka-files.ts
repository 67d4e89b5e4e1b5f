// Builds Kafka's files byte by byte, apart from src/: what the parsers must read back.
import { gzipSync } from 'node:zlib';
import { compress as zstdCompress } from '@mongodb-js/zstd';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as snappyCompress } from 'snappy';
import { crc32c } from '../../src/base/checksum.ts';
import type { Codec } from '../../src/base/decompress.ts';

export interface HeaderSpec {
  readonly key: string;
  readonly value: string | undefined;
}

export interface RecordSpec {
  readonly key?: string | Uint8Array | undefined;
  readonly value?: string | Uint8Array | undefined;
  readonly timestampMs: number;
  readonly headers?: readonly HeaderSpec[];
}

export interface BatchSpec {
  readonly epoch: number;
  readonly records: readonly RecordSpec[];
  readonly codec?: Codec;
  readonly transactional?: boolean;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  /** Default: right after the batch before. Set it to leave a hole. */
  readonly baseOffset?: bigint;
  /** Default: the last record's. Set it higher as compaction does. */
  readonly lastOffsetDelta?: number;
  readonly isControl?: boolean;
  /** Every record's timestamp becomes this, as with message.timestamp.type=LogAppendTime. */
  readonly logAppendTimeMs?: number;
}

export interface SegmentSpec {
  readonly baseOffset: bigint;
  readonly batches: readonly BatchSpec[];
  /** Default 4096, as Kafka's. */
  readonly indexIntervalBytes?: number;
}

export interface BuiltBatch {
  readonly position: number;
  readonly bytes: Buffer;
  readonly baseOffset: bigint;
  readonly lastOffset: bigint;
  readonly maxTimestampMs: number;
}

export interface BuiltSegment {
  readonly baseOffset: bigint;
  /** Exclusive. */
  readonly nextOffset: bigint;
  readonly maxTimestampMs: number;
  readonly log: Buffer;
  readonly index: Buffer;
  readonly timeindex: Buffer;
  /** Only if a transaction is aborted in it. */
  readonly txnindex: Buffer | undefined;
  readonly batches: readonly BuiltBatch[];
}

/** Zigzag, base 128, low bits first. */
export function varint(value: number | bigint): Buffer {
  const wide = BigInt(value);
  let rest = BigInt.asUintN(64, wide < 0n ? -wide * 2n - 1n : wide * 2n);
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

function field(value: string | Uint8Array | undefined): Buffer {
  if (value === undefined) return varint(-1);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function encodeRecord(record: RecordSpec, index: number, baseTimestampMs: number): Buffer {
  const headers = record.headers ?? [];
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestampMs - baseTimestampMs),
    varint(index),
    field(record.key),
    field(record.value),
    varint(headers.length),
    ...headers.flatMap((header) => [field(header.key), field(header.value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** snappy-java's stream in blocks of 32 KiB, as Kafka's Java clients write. */
export function xerialSnappy(bytes: Uint8Array, blockBytes = 32 * 1024): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e41505059000000000100000001', 'hex')];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = snappyCompress(Buffer.from(bytes.subarray(at, at + blockBytes)));
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

export async function compressWith(codec: Codec, bytes: Buffer): Promise<Buffer> {
  switch (codec) {
    case 'none':
      return bytes;
    case 'gzip':
      return gzipSync(bytes);
    case 'snappy':
      return xerialSnappy(bytes);
    case 'lz4':
      return compressFrameSync(bytes);
    case 'zstd':
      return zstdCompress(bytes);
  }
}

const CODEC_IDS: Record<Codec, number> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

function attributesOf(spec: BatchSpec): number {
  return (
    CODEC_IDS[spec.codec ?? 'none'] |
    (spec.logAppendTimeMs === undefined ? 0 : 0x08) |
    (spec.transactional === true ? 0x10 : 0) |
    (spec.isControl === true ? 0x20 : 0)
  );
}

/** Sets the CRC-32C of a batch after its bytes were changed on purpose. */
export function repairCrc(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

export async function buildBatch(spec: BatchSpec, baseOffset: bigint): Promise<Buffer> {
  const baseTimestampMs = spec.records[0]?.timestampMs ?? -1;
  const records = spec.records.map((record, index) => encodeRecord(record, index, baseTimestampMs));
  const body = await compressWith(spec.codec ?? 'none', Buffer.concat(records));
  const header = Buffer.alloc(61);
  const maxTimestampMs =
    spec.logAppendTimeMs ?? Math.max(-1, ...spec.records.map((record) => record.timestampMs));
  header.writeBigInt64BE(baseOffset, 0);
  header.writeInt32BE(49 + body.length, 8);
  header.writeInt32BE(spec.epoch, 12);
  header.writeInt8(2, 16);
  header.writeInt16BE(attributesOf(spec), 21);
  header.writeInt32BE(spec.lastOffsetDelta ?? Math.max(0, spec.records.length - 1), 23);
  header.writeBigInt64BE(BigInt(baseTimestampMs), 27);
  header.writeBigInt64BE(BigInt(maxTimestampMs), 35);
  header.writeBigInt64BE(spec.producerId ?? -1n, 43);
  header.writeInt16BE(spec.producerEpoch ?? -1, 51);
  header.writeInt32BE(spec.baseSequence ?? -1, 53);
  header.writeInt32BE(spec.records.length, 57);
  return repairCrc(Buffer.concat([header, body]));
}

/** The end of a transaction: a control batch with one marker. */
export function endTransaction(
  type: 'commit' | 'abort',
  end: { epoch: number; producerId: bigint; producerEpoch?: number; timestampMs: number },
): BatchSpec {
  return {
    epoch: end.epoch,
    transactional: true,
    isControl: true,
    producerId: end.producerId,
    producerEpoch: end.producerEpoch ?? 0,
    records: [
      {
        key: Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]),
        value: Buffer.from([0, 0, 0, 0, 0, 0]),
        timestampMs: end.timestampMs,
      },
    ],
  };
}

export async function buildSegment(spec: SegmentSpec): Promise<BuiltSegment> {
  const batches: BuiltBatch[] = [];
  let position = 0;
  let nextOffset = spec.baseOffset;
  for (const batch of spec.batches) {
    const baseOffset = batch.baseOffset ?? nextOffset;
    const bytes = await buildBatch(batch, baseOffset);
    const lastOffset = baseOffset + BigInt(bytes.readInt32BE(23));
    const maxTimestampMs = Number(bytes.readBigInt64BE(35));
    batches.push({ position, bytes, baseOffset, lastOffset, maxTimestampMs });
    position += bytes.length;
    nextOffset = lastOffset + 1n;
  }
  const indexes = buildIndexes(batches, spec.baseOffset, spec.indexIntervalBytes ?? 4096);
  return {
    baseOffset: spec.baseOffset,
    nextOffset,
    maxTimestampMs: Math.max(-1, ...batches.map((batch) => batch.maxTimestampMs)),
    log: Buffer.concat(batches.map((batch) => batch.bytes)),
    ...indexes,
    txnindex: buildTransactionIndex(spec, batches),
    batches,
  };
}

function offsetEntry(relativeOffset: bigint, position: number): Buffer {
  const entry = Buffer.alloc(8);
  entry.writeInt32BE(Number(relativeOffset), 0);
  entry.writeInt32BE(position, 4);
  return entry;
}

function timeEntry(timestampMs: number, relativeOffset: bigint): Buffer {
  const entry = Buffer.alloc(12);
  entry.writeBigInt64BE(BigInt(timestampMs), 0);
  entry.writeInt32BE(Number(relativeOffset), 8);
  return entry;
}

/** As a broker does that appends one batch at a time (LogSegment.append), then rolls. */
function buildIndexes(
  batches: readonly BuiltBatch[],
  baseOffset: bigint,
  intervalBytes: number,
): { index: Buffer; timeindex: Buffer } {
  const index: Buffer[] = [];
  const timeindex: Buffer[] = [];
  let bytesSinceEntry = 0;
  let [newestMs, newestOffset, writtenMs] = [-1, -1n, -1];
  const addTime = () => {
    if (newestMs > writtenMs) timeindex.push(timeEntry(newestMs, newestOffset - baseOffset));
    writtenMs = Math.max(writtenMs, newestMs);
  };
  for (const batch of batches) {
    if (batch.maxTimestampMs > newestMs) {
      [newestMs, newestOffset] = [batch.maxTimestampMs, batch.lastOffset];
    }
    if (bytesSinceEntry > intervalBytes) {
      index.push(offsetEntry(batch.lastOffset - baseOffset, batch.position));
      addTime();
      bytesSinceEntry = 0;
    }
    bytesSinceEntry += batch.bytes.length;
  }
  addTime();
  return { index: Buffer.concat(index), timeindex: Buffer.concat(timeindex) };
}

export interface AbortedSpec {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  readonly lastStableOffset: bigint;
}

export function encodeAborted(aborted: AbortedSpec): Buffer {
  const entry = Buffer.alloc(34);
  entry.writeBigInt64BE(aborted.producerId, 2);
  entry.writeBigInt64BE(aborted.firstOffset, 10);
  entry.writeBigInt64BE(aborted.lastOffset, 18);
  entry.writeBigInt64BE(aborted.lastStableOffset, 26);
  return entry;
}

/** Of transactions that begin and end in this segment. */
function buildTransactionIndex(
  spec: SegmentSpec,
  batches: readonly BuiltBatch[],
): Buffer | undefined {
  const open = new Map<bigint, bigint>();
  const entries: Buffer[] = [];
  spec.batches.forEach((batch, index) => {
    const { baseOffset, lastOffset } = batches[index]!;
    const producerId = batch.producerId ?? -1n;
    if (batch.transactional !== true) return;
    if (batch.isControl !== true) {
      if (!open.has(producerId)) open.set(producerId, baseOffset);
      return;
    }
    const firstOffset = open.get(producerId) ?? baseOffset;
    open.delete(producerId);
    const isAbort = Buffer.from(batch.records[0]?.key ?? '').readInt16BE(2) === 0;
    const undecided = [...open.values()].toSorted((a, b) => (a < b ? -1 : 1))[0];
    const lastStableOffset = undecided ?? lastOffset + 1n;
    if (isAbort) {
      entries.push(encodeAborted({ producerId, firstOffset, lastOffset, lastStableOffset }));
    }
  });
  return entries.length === 0 ? undefined : Buffer.concat(entries);
}

export interface ProducerSpec {
  readonly producerId: bigint;
  readonly producerEpoch?: number;
  readonly lastSequence?: number;
  readonly lastOffset: bigint;
  readonly offsetDelta?: number;
  readonly timestampMs?: number;
  readonly coordinatorEpoch?: number;
  /** -1n: none. */
  readonly openTransactionStart?: bigint;
}

export function buildProducerSnapshot(producers: readonly ProducerSpec[]): Buffer {
  const bytes = Buffer.alloc(10 + 46 * producers.length);
  bytes.writeInt16BE(1, 0);
  bytes.writeInt32BE(producers.length, 6);
  producers.forEach((producer, index) => {
    const at = 10 + 46 * index;
    bytes.writeBigInt64BE(producer.producerId, at);
    bytes.writeInt16BE(producer.producerEpoch ?? 0, at + 8);
    bytes.writeInt32BE(producer.lastSequence ?? 0, at + 10);
    bytes.writeBigInt64BE(producer.lastOffset, at + 14);
    bytes.writeInt32BE(producer.offsetDelta ?? 0, at + 22);
    bytes.writeBigInt64BE(BigInt(producer.timestampMs ?? 0), at + 26);
    bytes.writeInt32BE(producer.coordinatorEpoch ?? 0, at + 34);
    bytes.writeBigInt64BE(producer.openTransactionStart ?? -1n, at + 38);
  });
  bytes.writeUInt32BE(crc32c(bytes.subarray(6)), 2);
  return bytes;
}

export function buildCheckpoint(
  entries: readonly (readonly (string | number | bigint)[])[],
): string {
  return `0\n${entries.length}\n${entries.map((entry) => `${entry.join(' ')}\n`).join('')}`;
}

/** `recordsCount` plain records from `firstMs`, one every `stepMs`, in batches of `batchRecords`. */
export function plainBatches(
  recordsCount: number,
  options: {
    epoch?: number;
    firstMs?: number;
    stepMs?: number;
    batchRecords?: number;
    valueBytes?: number;
    codec?: Codec;
  } = {},
): BatchSpec[] {
  const { epoch = 0, firstMs = 1_700_000_000_000, stepMs = 1000 } = options;
  const { batchRecords = 10, valueBytes = 100, codec = 'none' } = options;
  const records = Array.from({ length: recordsCount }, (_, index) => ({
    key: `key-${index}`,
    value: `value-${index}-`.padEnd(valueBytes, 'abcdefghij'),
    timestampMs: firstMs + index * stepMs,
  }));
  const batches: BatchSpec[] = [];
  for (let at = 0; at < records.length; at += batchRecords) {
    batches.push({ epoch, codec, records: records.slice(at, at + batchRecords) });
  }
  return batches;
}
