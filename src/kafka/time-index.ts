// The `.timeindex` file of a segment: the largest timestamp up to an offset.
//
//   0 timestamp, i64   8 offset - base, i32       12 bytes an entry, timestamps strictly ascending
//
// On roll a last entry with the segment's largest timestamp is added and the zero tail trimmed.
// Layout: apache/kafka storage/src/main/java/org/apache/kafka/storage/internals/log/TimeIndex.java
import { readMs, viewOf } from './big-endian.ts';
import { corrupt, truncated } from './file-errors.ts';

export const TIME_ENTRY_BYTES = 12;

const damaged = corrupt('time index');
const torn = truncated('time index');

export interface TimestampOffset {
  readonly timestampMs: number;
  readonly offset: bigint;
}

/** Offsets the segment's `.log` allows the index to name: [baseOffset, nextOffset). */
export interface OffsetBounds {
  readonly baseOffset: bigint;
  readonly nextOffset: bigint;
}

interface RawEntry {
  readonly timestamp: bigint;
  readonly offset: bigint;
}

function rawEntry(view: DataView, baseOffset: bigint, at: number): RawEntry {
  return { timestamp: view.getBigInt64(at), offset: baseOffset + BigInt(view.getInt32(at + 8)) };
}

/**
 * Checks a closed segment's index and answers its entries. TRUNCATED_FILE for a torn file or a zero tail
 * (still active), CORRUPT_FILE for everything the log cannot be the reason of.
 */
export function parseTimeIndex(bytes: Uint8Array, bounds: OffsetBounds): TimestampOffset[] {
  const view = viewOf(bytes);
  const entries: TimestampOffset[] = [];
  let last: RawEntry = { timestamp: -1n, offset: bounds.baseOffset };
  for (let at = 0; at < bytes.length; at += TIME_ENTRY_BYTES) {
    if (at + TIME_ENTRY_BYTES > bytes.length) throw torn('ends inside an entry', at);
    if (isZeroTail(bytes, at)) throw torn('its preallocated tail is not trimmed', at);
    const entry = rawEntry(view, bounds.baseOffset, at);
    if (entry.timestamp <= last.timestamp || entry.offset < last.offset) {
      throw damaged('entries do not ascend', at);
    }
    if (entry.offset >= bounds.nextOffset)
      throw damaged(`offset ${entry.offset} is not in the log`, at);
    entries.push({ timestampMs: readMs(view, at), offset: entry.offset });
    last = entry;
  }
  return entries;
}

/** One entry of zeros alone is real: a first record at the base offset, stamped 1970. */
function isZeroTail(bytes: Uint8Array, at: number): boolean {
  if (bytes[at + 11] !== 0 || bytes.length === TIME_ENTRY_BYTES) return false;
  return bytes.subarray(at).every((byte) => byte === 0);
}

/**
 * The offset to start looking from for the first record at or after `timestampMs`: that of the last entry
 * with a smaller timestamp; the segment's start when there is none. `index` is a checked one.
 */
export function floorOffset(index: Uint8Array, baseOffset: bigint, timestampMs: number): bigint {
  const view = viewOf(index);
  let low = 0;
  let high = Math.floor(index.length / TIME_ENTRY_BYTES);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (readMs(view, middle * TIME_ENTRY_BYTES) < timestampMs) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? baseOffset : rawEntry(view, baseOffset, (low - 1) * TIME_ENTRY_BYTES).offset;
}

/** A number near 2^63 rounds up to it, which int64 does not hold. */
function toInt64(timestampMs: number): bigint {
  const exact = BigInt(timestampMs);
  return exact < 2n ** 63n ? exact : 2n ** 63n - 1n;
}

export function printTimeIndex(
  entries: readonly TimestampOffset[],
  baseOffset: bigint,
): Uint8Array {
  const bytes = new Uint8Array(entries.length * TIME_ENTRY_BYTES);
  const view = viewOf(bytes);
  entries.forEach((entry, index) => {
    view.setBigInt64(index * TIME_ENTRY_BYTES, toInt64(entry.timestampMs));
    view.setInt32(index * TIME_ENTRY_BYTES + 8, Number(entry.offset - baseOffset));
  });
  return bytes;
}
