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
  const message = `record batch at byte ${place.position}: ${what}`;
  return new LogtierError(code, message, { details: { ...place } });
}

/** The bytes after which `batchLength` and `magic` are known, and the checks that need no more. */
function requireSize(view: DataView, at: number, place: Place): number {
  const length = view.getInt32(at + 8);
  const magic = view.getInt8(at + 16);
  if (place.offset < 0n) throw batchError('CORRUPT_BATCH', 'its base offset is negative', place);
  if (length < SMALLEST_LEGACY_LENGTH) {
    throw batchError('CORRUPT_BATCH', `its length is ${length}`, place);
  }
  if (magic === 0 || magic === 1) {
    throw batchError('UNSUPPORTED_FORMAT', `message format ${magic} is not tiered`, place);
  }
  if (magic !== 2) throw batchError('CORRUPT_BATCH', `its magic is ${magic}`, place);
  if (length < BATCH_HEADER_BYTES - LENGTH_OVERHEAD) {
    throw batchError('CORRUPT_BATCH', `its length is ${length}`, place);
  }
  return length + LENGTH_OVERHEAD;
}

function requireBounds(header: RecordBatchHeader, place: Place): void {
  const isOrdered = header.lastOffset >= header.baseOffset && header.lastOffset <= LARGEST_OFFSET;
  if (!isOrdered) throw batchError('CORRUPT_BATCH', 'its last offset is out of bounds', place);
  if (header.recordsCount < 0) {
    throw batchError('CORRUPT_BATCH', `it counts ${header.recordsCount} records`, place);
  }
  if (header.partitionLeaderEpoch < -1) {
    throw batchError('CORRUPT_BATCH', `leader epoch ${header.partitionLeaderEpoch}`, place);
  }
}

/**
 * Reads the header at `position` of `bytes`; does not check the CRC. TRUNCATED_FILE when the bytes end
 * inside the header, UNSUPPORTED_FORMAT for magic 0 and 1, else CORRUPT_BATCH.
 *
 * @param filePosition where `position` lies in the file, for messages.
 */
export function readBatchHeader(
  bytes: Uint8Array,
  position: number,
  filePosition: number = position,
): RecordBatchHeader {
  const view = viewOf(bytes);
  if (position + BATCH_HEADER_BYTES > bytes.length) {
    const offset = position + 8 <= bytes.length ? view.getBigInt64(position) : -1n;
    throw batchError('TRUNCATED_FILE', 'ends inside the header', {
      position: filePosition,
      offset,
    });
  }
  const baseOffset = view.getBigInt64(position);
  const place = { position: filePosition, offset: baseOffset };
  const batchBytes = requireSize(view, position, place);
  const attributes = view.getInt16(position + 21);
  const header: RecordBatchHeader = {
    baseOffset,
    batchBytes,
    partitionLeaderEpoch: view.getInt32(position + 12),
    magic: 2,
    crc: view.getUint32(position + 17),
    codec: CODECS[attributes & 0x07] ?? 'unknown',
    isLogAppendTime: (attributes & 0x08) !== 0,
    isTransactional: (attributes & 0x10) !== 0,
    isControl: (attributes & 0x20) !== 0,
    hasDeleteHorizon: (attributes & 0x40) !== 0,
    lastOffset: baseOffset + BigInt(view.getInt32(position + 23)),
    baseTimestampMs: readMs(view, position + 27),
    maxTimestampMs: readMs(view, position + 35),
    producerId: view.getBigInt64(position + 43),
    producerEpoch: view.getInt16(position + 51),
    baseSequence: view.getInt32(position + 53),
    recordsCount: view.getInt32(position + 57),
  };
  requireBounds(header, place);
  return header;
}

/** CORRUPT_BATCH unless the whole batch lies in `bytes` with the checksum its header names. */
export function checkBatchCrc(
  bytes: Uint8Array,
  position: number,
  header: RecordBatchHeader,
): void {
  const place = { position, offset: header.baseOffset };
  const end = position + header.batchBytes;
  if (end > bytes.length) throw batchError('TRUNCATED_FILE', 'ends inside the batch', place);
  requireCrc(crc32c(bytes.subarray(position + CRC_START, end)), header, place);
}

export function requireCrc(computed: number, header: RecordBatchHeader, place: Place): void {
  if (computed !== header.crc) {
    throw batchError('CORRUPT_BATCH', `CRC-32C is ${computed}, not ${header.crc}`, place);
  }
}
