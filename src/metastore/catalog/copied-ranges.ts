// Which offsets of an epoch were ever copied: ranges in order, neither touching nor overlapping (rule 7).
import type { OffsetRange } from '../../gen/logtier/v1/catalog_command.ts';

/** A partition with so many holes is broken. What lies above them counts as not copied: that is only work. */
const MAX_RANGES = 1024;

export function addRange(ranges: readonly OffsetRange[], added: OffsetRange): OffsetRange[] {
  const below = ranges.filter(({ nextOffset }) => nextOffset < added.startOffset);
  const above = ranges.filter(({ startOffset }) => startOffset > added.nextOffset);
  const joined = ranges.slice(below.length, ranges.length - above.length);
  const startOffset = smaller(joined[0]?.startOffset ?? added.startOffset, added.startOffset);
  const nextOffset = larger(joined.at(-1)?.nextOffset ?? added.nextOffset, added.nextOffset);
  return [...below, { startOffset, nextOffset }, ...above].slice(0, MAX_RANGES);
}

export function cutRange(ranges: readonly OffsetRange[], cut: OffsetRange): OffsetRange[] {
  return ranges
    .flatMap(({ startOffset, nextOffset }) => [
      { startOffset, nextOffset: smaller(nextOffset, cut.startOffset) },
      { startOffset: larger(startOffset, cut.nextOffset), nextOffset },
    ])
    .filter(({ startOffset, nextOffset }) => startOffset < nextOffset)
    .slice(0, MAX_RANGES);
}

/** Where the range that holds `offset` ends; undefined when none does. */
export function copiedTo(ranges: readonly OffsetRange[], offset: bigint): bigint | undefined {
  return ranges.find((it) => it.startOffset <= offset && offset < it.nextOffset)?.nextOffset;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
