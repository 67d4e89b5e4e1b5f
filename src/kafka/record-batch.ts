// The header of a record batch, format v2 (magic 2), 61 bytes, big-endian:
//
//    0 baseOffset i64     │ 16 magic i8          │ 27 baseTimestamp i64 │ 51 producerEpoch i16
//    8 batchLength i32    │ 17 crc u32           │ 35 maxTimestamp i64  │ 53 baseSequence i32
//   12 leaderEpoch i32    │ 21 attributes i16    │ 43 producerId i64    │ 57 recordsCount i32
//                         │ 23 lastOffsetDelta i32                      │ 61 records
//
// The CRC-32C covers [21, end): offset, length and leader epoch lie outside, because the broker sets them.
// Layout: apache/kafka clients/src/main/java/org/apache/kafka/common/record/DefaultRecordBatch.java
import { crc32c } from '../base/checksum.ts';
import type { Codec } from '../base/decompress.ts';
import { LogtierError, type ErrorCode } from '../base/errors.ts';
import { readMs, viewOf } from './big-endian.ts';

export const BATCH_HEADER_BYTES = 61;
/** First byte under the CRC. */
export const CRC_START = 21;
/** Base offset and length field, which `batchLength` does not count. */
const LENGTH_OVERHEAD = 12;
/** `batchLength` of the smallest message of magic 0 (LegacyRecord.RECORD_OVERHEAD_V0). */
const SMALLEST_LEGACY_LENGTH = 14;
const LARGEST_OFFSET = 2n ** 63n - 1n;

/** By the attribute's value. */
const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface RecordBatchHeader {
  /** Where the batch begins in its file. */
  readonly position: number;
  readonly baseOffset: bigint;
  /** Whole batch, header included. */
  readonly batchBytes: number;
  /** -1 when the batch was written before leader epochs were. Not under the CRC. */
  readonly partitionLeaderEpoch: number;
  readonly magic: 2;
  readonly crc: number;
  readonly codec: Codec | 'unknown';
  /** Every record carries `maxTimestampMs`. */
  readonly isLogAppendTime: boolean;
  readonly isTransactional: boolean;
  /** Holds markers, never data; they occupy offsets and are not delivered. */
  readonly isControl: boolean;
  /** `baseTimestampMs` is the time from which compaction may drop tombstones. */
  readonly hasDeleteHorizon: boolean;
  /** Inclusive: compaction keeps it even when the last record is gone. */
  readonly lastOffset: bigint;
  readonly baseTimestampMs: number;
  /** -1 when no record has a timestamp. */
  readonly maxTimestampMs: number;
  /** -1 when not idempotent, as are epoch and sequence. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  /** 0 is legal after compaction. */
  readonly recordsCount: number;
}

/** Where in its file a batch lies, for error messages. */
interface Place {
  readonly position: number;
  readonly offset: bigint;
}

export function batchError(code: ErrorCode, what: string, place: Place): LogtierError {
  const { position, offset } = place;
  const message = `record batch at byte ${position}: ${what}`;
  return new LogtierError(code, message, { details: { position, offset } });
}

/**
 * Reads the header at `position` of `bytes`; does not check the CRC. TRUNCATED_FILE when the bytes end
 * inside the header, UNSUPPORTED_FORMAT for magic 0 and 1, else CORRUPT_BATCH.
 *
 * @param filePosition where `position` lies in the file.
 */
export function readBatchHeader(
  bytes: Uint8Array,
  position: number,
  filePosition: number = position,
): RecordBatchHeader {
  const view = viewOf(bytes);
  if (position + BATCH_HEADER_BYTES > bytes.length) {
    const offset = position + 8 <= bytes.length ? view.getBigInt64(position) : -1n;
    const place = { position: filePosition, offset };
    throw batchError('TRUNCATED_FILE', 'ends inside the header', place);
  }
  return readHeaderAt(view, position, filePosition);
}

/** As `readBatchHeader`, for bytes that hold the whole header. */
export function readHeaderAt(view: DataView, at: number, filePosition: number): RecordBatchHeader {
  const baseOffset = view.getBigInt64(at);
  const length = view.getInt32(at + 8);
  const fault = sizeFault(baseOffset, length, view.getInt8(at + 16));
  if (fault !== undefined) {
    throw batchError(fault.code, fault.what, { position: filePosition, offset: baseOffset });
  }
  const attributes = view.getInt16(at + 21);
  const header: RecordBatchHeader = {
    position: filePosition,
    baseOffset,
    batchBytes: length + LENGTH_OVERHEAD,
    partitionLeaderEpoch: view.getInt32(at + 12),
    magic: 2,
    crc: view.getUint32(at + 17),
    codec: CODECS[attributes & 0x07] ?? 'unknown',
    isLogAppendTime: (attributes & 0x08) !== 0,
    isTransactional: (attributes & 0x10) !== 0,
    isControl: (attributes & 0x20) !== 0,
    hasDeleteHorizon: (attributes & 0x40) !== 0,
    lastOffset: baseOffset + BigInt(view.getInt32(at + 23)),
    baseTimestampMs: readMs(view, at + 27),
    maxTimestampMs: readMs(view, at + 35),
    producerId: view.getBigInt64(at + 43),
    producerEpoch: view.getInt16(at + 51),
    baseSequence: view.getInt32(at + 53),
    recordsCount: view.getInt32(at + 57),
  };
  requireBounds(header);
  return header;
}

interface Fault {
  readonly code: ErrorCode;
  readonly what: string;
}

/** Length before magic: the zeros of a preallocated tail are no batch of magic 0. */
function sizeFault(baseOffset: bigint, length: number, magic: number): Fault | undefined {
  if (baseOffset < 0n) return { code: 'CORRUPT_BATCH', what: 'its base offset is negative' };
  if (magic === 2) {
    const isWhole = length >= BATCH_HEADER_BYTES - LENGTH_OVERHEAD;
    return isWhole ? undefined : { code: 'CORRUPT_BATCH', what: `its length is ${length}` };
  }
  if ((magic === 0 || magic === 1) && length >= SMALLEST_LEGACY_LENGTH) {
    return { code: 'UNSUPPORTED_FORMAT', what: `message format ${magic} is not tiered` };
  }
  return { code: 'CORRUPT_BATCH', what: `its length is ${length}, its magic ${magic}` };
}

function requireBounds(header: RecordBatchHeader): void {
  const isOrdered = header.lastOffset >= header.baseOffset && header.lastOffset <= LARGEST_OFFSET;
  if (!isOrdered) throw damaged(header, 'its last offset is out of bounds');
  if (header.recordsCount < 0) throw damaged(header, `it counts ${header.recordsCount} records`);
  if (header.partitionLeaderEpoch < -1) {
    throw damaged(header, `its leader epoch is ${header.partitionLeaderEpoch}`);
  }
}

/** CORRUPT_BATCH at the place of `header`. */
export function damaged(header: RecordBatchHeader, what: string): LogtierError {
  const place = { position: header.position, offset: header.baseOffset };
  return batchError('CORRUPT_BATCH', what, place);
}

/** CORRUPT_BATCH unless the whole batch lies in `bytes` with the checksum its header names. */
export function checkBatchCrc(
  bytes: Uint8Array,
  position: number,
  header: RecordBatchHeader,
): void {
  const end = position + header.batchBytes;
  if (end > bytes.length) {
    const place = { position: header.position, offset: header.baseOffset };
    throw batchError('TRUNCATED_FILE', 'ends inside the batch', place);
  }
  requireCrc(crc32c(bytes.subarray(position + CRC_START, end)), header);
}

export function requireCrc(computed: number, header: RecordBatchHeader): void {
  if (computed !== header.crc) {
    throw damaged(header, `its CRC-32C is ${computed}, not ${header.crc}`);
  }
}
