// The records inside a batch of format v2, and the markers inside a control batch.
//
//   record: length varint │ attributes i8 │ timestampDelta varlong │ offsetDelta varint │ key │ value │
//           headers count varint │ headers        key, value, header: length varint (-1 null), bytes
//
// Layout: apache/kafka clients/src/main/java/org/apache/kafka/common/record/DefaultRecord.java
import { LARGEST_DECOMPRESSED_BYTES, type Decompress } from '../base/decompress.ts';
import { LogtierError } from '../base/errors.ts';
import { BATCH_HEADER_BYTES, batchError, type RecordBatchHeader } from './record-batch.ts';

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

export interface KafkaRecord {
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array | undefined;
  readonly headers: readonly RecordHeader[];
}

/** One batch, whole, whose CRC has been checked. */
export interface WholeBatch {
  readonly header: RecordBatchHeader;
  readonly bytes: Uint8Array;
}

/**
 * All records of a batch, in offset order; keys and values are views into the (decompressed) bytes. A
 * compacted batch has gaps between offsets. CORRUPT_BATCH when the records are not exactly what the header
 * counts, UNSUPPORTED_FORMAT for an unknown codec.
 */
export async function decodeRecords(
  decompress: Decompress,
  batch: WholeBatch,
  limitBytes: number = LARGEST_DECOMPRESSED_BYTES,
): Promise<KafkaRecord[]> {
  const { header } = batch;
  if (header.recordsCount === 0) return [];
  if (header.codec === 'unknown') {
    const place = { position: header.position, offset: header.baseOffset };
    throw batchError('UNSUPPORTED_FORMAT', 'its codec is unknown', place);
  }
  const body = batch.bytes.subarray(BATCH_HEADER_BYTES, header.batchBytes);
  const records = await decompress(header.codec, body, limitBytes);
  return readRecords(new RecordReader(records, header.baseOffset), header);
}

function readRecords(reader: RecordReader, header: RecordBatchHeader): KafkaRecord[] {
  const records: KafkaRecord[] = [];
  let lastOffset = header.baseOffset - 1n;
  for (let index = 0; index < header.recordsCount; index += 1) {
    const record = readRecord(reader, header);
    if (record.offset <= lastOffset || record.offset > header.lastOffset) {
      throw reader.damaged(`offset ${record.offset} is out of order`);
    }
    lastOffset = record.offset;
    records.push(record);
  }
  if (reader.at !== reader.bytes.length) throw reader.damaged('bytes follow the last record');
  return records;
}

function readRecord(reader: RecordReader, header: RecordBatchHeader): KafkaRecord {
  const sizeBytes = reader.int32();
  const end = reader.at + sizeBytes;
  reader.skip(1); // attributes: none is defined
  const timestamp = BigInt(header.baseTimestampMs) + reader.varlong();
  const offset = header.baseOffset + BigInt(reader.int32());
  const [key, value] = [reader.field(), reader.field()];
  const headers = readHeaders(reader);
  if (reader.at !== end) throw reader.damaged('a record is not as long as it says');
  const timestampMs = header.isLogAppendTime ? header.maxTimestampMs : Number(timestamp);
  return { offset, timestampMs, key, value, headers };
}

function readHeaders(reader: RecordReader): RecordHeader[] {
  const count = reader.int32();
  if (count < 0) throw reader.damaged(`it counts ${count} headers`);
  const headers: RecordHeader[] = [];
  while (headers.length < count) {
    const key = reader.field();
    if (key === undefined) throw reader.damaged('a header without a key');
    headers.push({ key: new TextDecoder().decode(key), value: reader.field() });
  }
  return headers;
}

const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;

/** Reads forward through the records of one batch; nothing is read past their end. */
class RecordReader {
  readonly bytes: Uint8Array;
  at = 0;
  private readonly baseOffset: bigint;

  constructor(bytes: Uint8Array, baseOffset: bigint) {
    this.bytes = bytes;
    this.baseOffset = baseOffset;
  }

  damaged(what: string): LogtierError {
    const message = `records of the batch at offset ${this.baseOffset}: ${what}`;
    return new LogtierError('CORRUPT_BATCH', message, {
      details: { position: this.at, offset: this.baseOffset },
    });
  }

  skip(count: number): void {
    if (count > this.bytes.length - this.at) throw this.damaged('they are cut');
    this.at += count;
  }

  /** Zigzag varint, at most 32 bits. */
  int32(): number {
    const value = this.varlong();
    if (value < INT32_MIN || value > INT32_MAX) throw this.damaged(`${value} is no 32-bit number`);
    return Number(value);
  }

  /** Zigzag varint, at most 64 bits in 10 bytes. */
  varlong(): bigint {
    let low = 0;
    for (let index = 0; index < 4; index += 1) {
      const byte = this.byte();
      low += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2);
    }
    return this.longVarint(BigInt(low));
  }

  private longVarint(low: bigint): bigint {
    let raw = low;
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (raw >= 2n ** 64n) break;
      return (raw >> 1n) ^ -(raw & 1n);
    }
    throw this.damaged('a number has more than 64 bits');
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw this.damaged('they are cut');
    this.at += 1;
    return byte;
  }

  /** Bytes behind their length; -1 is null. */
  field(): Uint8Array | undefined {
    const length = this.int32();
    if (length === -1) return undefined;
    if (length < 0) throw this.damaged(`a length of ${length}`);
    const start = this.at;
    this.skip(length);
    return this.bytes.subarray(start, this.at);
  }
}

export type ControlMarkerKind = 'abort' | 'commit' | 'other';

/** Kafka's ControlRecordType: 0 and 1 end a transaction; the rest belong to KRaft. */
export function controlMarkerKind(record: KafkaRecord): ControlMarkerKind {
  const { key } = record;
  if (key === undefined || key.length < 4) {
    const message = `the control record at offset ${record.offset} has no type`;
    throw new LogtierError('CORRUPT_BATCH', message, { details: { offset: record.offset } });
  }
  const type = new DataView(key.buffer, key.byteOffset, key.length).getInt16(2);
  if (type === 0) return 'abort';
  return type === 1 ? 'commit' : 'other';
}
