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

function isNotEmpty(range: OffsetRange): boolean {
  return range.startOffset < range.nextOffset;
}

/** What of `asked` the FINISHED segments given cover, each cut to the lineage, and what they leave open. */
export function coverOf(
  segments: Iterable<EpochedRange>,
  lineage: Lineage,
  asked: OffsetRange,
): Cover {
  const covered = coveredRanges(segments, lineage)
    .map((range) => cut(range, asked))
    .filter(isNotEmpty);
  const starts = [asked.startOffset, ...covered.map((range) => range.nextOffset)];
  const holes = starts.map((startOffset, index) => ({
    startOffset,
    nextOffset: covered[index]?.startOffset ?? asked.nextOffset,
  }));
  return { covered, holes: holes.filter(isNotEmpty) };
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
