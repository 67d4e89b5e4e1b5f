// A RemoteView over segments held in memory: which one serves an offset.
import type { RemoteHit, RemoteView } from './fetch-decision.ts';
import { clipToLineage, type EpochedRange, type Lineage, type OffsetRange } from './lineage.ts';

interface Part<Segment> extends OffsetRange {
  readonly segment: Segment;
}

function byStart(left: OffsetRange, right: OffsetRange): number {
  if (left.startOffset === right.startOffset) return 0;
  return left.startOffset < right.startOffset ? -1 : 1;
}

/**
 * Of segments that overlap, the one that reaches farthest serves: fewer lookups. The parts are cut once;
 * a lookup is a binary search.
 */
export function remoteView<Segment extends EpochedRange>(
  segments: Iterable<Segment>,
  lineage: Lineage,
): RemoteView<Segment> {
  const parts = Array.from(segments, (segment) =>
    clipToLineage(segment, lineage).map((range) => ({ ...range, segment })),
  );
  const farthest = onlyFarthest(parts.flat().toSorted(byStart));
  return {
    find: (offset) => findPart(farthest, offset),
    nextCovered: (offset) => {
      const next = farthest[firstAbove(farthest, offset)];
      return next?.startOffset;
    },
  };
}

/** Drops parts that another one holds whole: then both starts and ends ascend. */
function onlyFarthest<Segment>(parts: readonly Part<Segment>[]): Part<Segment>[] {
  const kept: Part<Segment>[] = [];
  for (const part of parts) {
    const last = kept.at(-1);
    if (last !== undefined && part.nextOffset <= last.nextOffset) continue;
    if (last !== undefined && part.startOffset === last.startOffset) kept.pop();
    kept.push(part);
  }
  return kept;
}

/** Index of the first part that starts above `offset`. */
function firstAbove(parts: readonly OffsetRange[], offset: bigint): number {
  let low = 0;
  let high = parts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const part = parts[middle];
    if (part !== undefined && part.startOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function findPart<Segment>(
  parts: readonly Part<Segment>[],
  offset: bigint,
): RemoteHit<Segment> | undefined {
  const part = parts[firstAbove(parts, offset) - 1];
  if (part === undefined || offset >= part.nextOffset) return undefined;
  return { segment: part.segment, nextOffset: part.nextOffset };
}
