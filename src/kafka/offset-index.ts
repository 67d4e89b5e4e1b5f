// The `.index` file of a segment: from an offset to the byte position of a batch in the `.log`.
//
//   0 offset - base, i32   4 position, i32        8 bytes an entry, both strictly ascending, no header
//
// An entry names the LAST offset of what was appended at `position`. While the segment is active the file
// is preallocated with zeros; Kafka trims it on roll.
// Layout: apache/kafka storage/src/main/java/org/apache/kafka/storage/internals/log/OffsetIndex.java
import { viewOf } from './big-endian.ts';
import { corrupt, truncated } from './file-errors.ts';

export const OFFSET_ENTRY_BYTES = 8;

const damaged = corrupt('offset index');
const torn = truncated('offset index');

export interface OffsetPosition {
  readonly offset: bigint;
  readonly position: number;
}

/** What the segment's `.log` allows an index to name. */
export interface LogBounds {
  readonly baseOffset: bigint;
  /** Exclusive. */
  readonly nextOffset: bigint;
  readonly logBytes: number;
}

function entryAtIndex(view: DataView, baseOffset: bigint, index: number): OffsetPosition {
  const at = index * OFFSET_ENTRY_BYTES;
  return {
    offset: baseOffset + BigInt(view.getInt32(at)),
    position: view.getInt32(at + 4),
  };
}

/**
 * Checks a closed segment's index and answers its entries. TRUNCATED_FILE for a torn file or a zero tail
 * (still active), CORRUPT_FILE for everything the log cannot be the reason of.
 */
export function parseOffsetIndex(bytes: Uint8Array, bounds: LogBounds): OffsetPosition[] {
  const view = viewOf(bytes);
  const entries: OffsetPosition[] = [];
  let last: OffsetPosition = { offset: bounds.baseOffset - 1n, position: 0 };
  for (let at = 0; at < bytes.length; at += OFFSET_ENTRY_BYTES) {
    if (at + OFFSET_ENTRY_BYTES > bytes.length) throw torn('ends inside an entry', at);
    if (isZeroTail(bytes, at)) throw torn('its preallocated tail is not trimmed', at);
    const entry = entryAtIndex(view, bounds.baseOffset, at / OFFSET_ENTRY_BYTES);
    if (entry.offset <= last.offset || entry.position <= last.position) {
      throw damaged('entries do not ascend', at);
    }
    if (entry.offset >= bounds.nextOffset || entry.position >= bounds.logBytes) {
      throw damaged(`offset ${entry.offset}, byte ${entry.position}: not in the log`, at);
    }
    entries.push(entry);
    last = entry;
  }
  return entries;
}

/** No entry is all zeros: Kafka never indexes the first batch. */
function isZeroTail(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 7] === 0 && bytes.subarray(at).every((byte) => byte === 0);
}

/**
 * The last entry at or below `target`; the segment's start when there is none. By binary search over the
 * bytes themselves: `index` is a checked one, as an object of ours holds it.
 */
export function floorPosition(
  index: Uint8Array,
  baseOffset: bigint,
  target: bigint,
): OffsetPosition {
  const view = viewOf(index);
  let low = 0;
  let high = Math.floor(index.length / OFFSET_ENTRY_BYTES);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (entryAtIndex(view, baseOffset, middle).offset <= target) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? { offset: baseOffset, position: 0 } : entryAtIndex(view, baseOffset, low - 1);
}

export function printOffsetIndex(
  entries: readonly OffsetPosition[],
  baseOffset: bigint,
): Uint8Array {
  const bytes = new Uint8Array(entries.length * OFFSET_ENTRY_BYTES);
  const view = viewOf(bytes);
  entries.forEach((entry, index) => {
    view.setInt32(index * OFFSET_ENTRY_BYTES, Number(entry.offset - baseOffset));
    view.setInt32(index * OFFSET_ENTRY_BYTES + 4, entry.position);
  });
  return bytes;
}
