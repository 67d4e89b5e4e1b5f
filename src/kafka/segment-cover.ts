// "Already copied" is a cover, never a maximum (safety rule 7).
import {
  clipToLineage,
  joinRanges,
  type EpochedRange,
  type Lineage,
  type OffsetRange,
} from './lineage.ts';

export interface Cover {
  /** Ascending, apart from each other, within the asked range. */
  readonly covered: readonly OffsetRange[];
  readonly holes: readonly OffsetRange[];
}

function byStart(left: OffsetRange, right: OffsetRange): number {
  if (left.startOffset === right.startOffset) return 0;
  return left.startOffset < right.startOffset ? -1 : 1;
}

/** Every offset that some segment holds under the epoch the lineage names for it. */
export function coveredRanges(segments: Iterable<EpochedRange>, lineage: Lineage): OffsetRange[] {
  const parts = Array.from(segments, (segment) => clipToLineage(segment, lineage)).flat();
  return joinRanges(parts.toSorted(byStart));
}

function cut(range: OffsetRange, within: OffsetRange): OffsetRange {
  const { startOffset, nextOffset } = range;
  return {
    startOffset: startOffset > within.startOffset ? startOffset : within.startOffset,
    nextOffset: nextOffset < within.nextOffset ? nextOffset : within.nextOffset,
  };
}

/** Index of the first of `ranges`, ascending and apart, that ends above `offset`. */
function firstEndingAbove(ranges: readonly OffsetRange[], offset: bigint): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range.nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What of `asked` lies in `ranges`, which coveredRanges made: for many questions about the same segments. */
export function coverWithin(ranges: readonly OffsetRange[], asked: OffsetRange): Cover {
  const covered: OffsetRange[] = [];
  const holes: OffsetRange[] = [];
  let reached = asked.startOffset;
  for (let at = firstEndingAbove(ranges, reached); reached < asked.nextOffset; at += 1) {
    const range = ranges[at];
    const next = range === undefined || range.startOffset >= asked.nextOffset ? undefined : range;
    const holeEnd = next?.startOffset ?? asked.nextOffset;
    if (reached < holeEnd) holes.push({ startOffset: reached, nextOffset: holeEnd });
    if (next === undefined) break;
    const part = cut(next, asked);
    covered.push(part);
    reached = part.nextOffset;
  }
  return { covered, holes };
}

/** What of `asked` the FINISHED segments given cover, each cut to the lineage, and what they leave open. */
export function coverOf(
  segments: Iterable<EpochedRange>,
  lineage: Lineage,
  asked: OffsetRange,
): Cover {
  return coverWithin(coveredRanges(segments, lineage), asked);
}

/** Exclusive end of the cover that begins at `from` and has no hole; `from` itself when it is not covered. */
export function coveredEnd(
  segments: Iterable<EpochedRange>,
  lineage: Lineage,
  from: bigint,
): bigint {
  const around = coveredRanges(segments, lineage).find(
    (range) => range.startOffset <= from && from < range.nextOffset,
  );
  return around?.nextOffset ?? from;
}
