// Bytes by where they lie. Local and remote overlap, and their segments may have other borders, so neither is
// added to the other: offsets are cut into what both have and what one has.
//
//   remote   ├────────┤├────────┤├─────┤            each offset once: of segments that overlap, the earlier one
//   local                  ├─────────┤├──────┤├──▶  the active segment has no end
//            remote only   │ both     │ local only
//
// Bytes of a segment that is cut are shared out by its offsets; what is whole is exact.
import {
  clipToLineage,
  entryEndAt,
  epochAt,
  type EpochedRange,
  type Lineage,
  type OffsetRange,
} from '../kafka/lineage.ts';

export interface LocalExtent {
  readonly startOffset: bigint;
  /** Exclusive; undefined for the active segment. */
  readonly nextOffset: bigint | undefined;
  readonly logBytes: number;
}

export type RemoteExtent = EpochedRange & { readonly logBytes: number };

/** What the FINISHED segments hold from the remote start up, each offset once. */
export interface RemoteShape {
  /** Ascending and apart. */
  readonly parts: readonly SizedPart[];
  /** Joined: ascending, with holes between. */
  readonly covered: readonly OffsetRange[];
  readonly bytes: number;
}

export interface SizedPart extends OffsetRange {
  readonly bytes: number;
}

export interface TierSizes {
  readonly remoteOnlyBytes: number;
  readonly bothBytes: number;
  readonly localOnlyBytes: number;
}

export function remoteShape(
  segments: readonly RemoteExtent[],
  lineage: Lineage,
  remoteStart: bigint,
): RemoteShape {
  const clipped = segments.flatMap((segment) =>
    validParts(segment, lineage).map(({ startOffset, nextOffset }) => ({
      startOffset,
      nextOffset,
      segment,
    })),
  );
  const parts: SizedPart[] = [];
  const covered: OffsetRange[] = [];
  let end = remoteStart;
  for (const { startOffset, nextOffset, segment } of clipped.toSorted(byStart)) {
    const from = larger(startOffset, end);
    if (from >= nextOffset) continue;
    parts.push({ startOffset: from, nextOffset, bytes: shareOf(segment, from, nextOffset) });
    const last = covered.at(-1);
    if (last?.nextOffset === from) covered[covered.length - 1] = { ...last, nextOffset };
    else covered.push({ startOffset: from, nextOffset });
    end = nextOffset;
  }
  return { parts, covered, bytes: sumOf(parts) };
}

/** As clipToLineage; most segments lie whole in one entry, and a broker has many of them. */
function validParts(segment: RemoteExtent, lineage: Lineage): readonly OffsetRange[] {
  const { startOffset, nextOffset, epochs } = segment;
  const end = entryEndAt(lineage, startOffset);
  const isWhole =
    epochs.length === 1 &&
    epochs[0]?.epoch === epochAt(lineage, startOffset) &&
    (end === undefined || end >= nextOffset);
  return isWhole ? [segment] : clipToLineage(segment, lineage);
}

/** `local` ascends and has no holes, as one broker's segments do. */
export function tierSizes(local: readonly LocalExtent[], remote: RemoteShape): TierSizes {
  const localBytes = local.reduce((bytes, { logBytes }) => bytes + logBytes, 0);
  const bothBytes = local.reduce((bytes, segment) => bytes + bothOf(segment, remote), 0);
  const start = local[0]?.startOffset;
  const isOpen = local.at(-1)?.nextOffset === undefined;
  const end = isOpen ? undefined : local.at(-1)?.nextOffset;
  const outside = (part: SizedPart): number =>
    start === undefined ? part.bytes : part.bytes - partWithin(part, start, end);
  const remoteOnlyBytes = remote.parts.reduce((bytes, part) => bytes + outside(part), 0);
  return { remoteOnlyBytes, bothBytes, localOnlyBytes: localBytes - bothBytes };
}

/** Local bytes of a segment whose offsets the remote tier covers. */
function bothOf(segment: LocalExtent, { covered }: RemoteShape): number {
  const { startOffset, nextOffset, logBytes } = segment;
  if (nextOffset === undefined || nextOffset <= startOffset) return 0;
  let offsets = 0n;
  for (let index = firstEndingAbove(covered, startOffset); index < covered.length; index += 1) {
    const range = covered[index];
    if (range === undefined || range.startOffset >= nextOffset) break;
    offsets += smaller(range.nextOffset, nextOffset) - larger(range.startOffset, startOffset);
  }
  return scaled(logBytes, offsets, nextOffset - startOffset);
}

function partWithin(part: SizedPart, start: bigint, end: bigint | undefined): number {
  const from = larger(part.startOffset, start);
  const to = end === undefined ? part.nextOffset : smaller(part.nextOffset, end);
  return from >= to ? 0 : scaled(part.bytes, to - from, part.nextOffset - part.startOffset);
}

function shareOf(segment: RemoteExtent, from: bigint, to: bigint): number {
  return scaled(segment.logBytes, to - from, segment.nextOffset - segment.startOffset);
}

/** Whole bytes; exact for all and for nothing. */
function scaled(bytes: number, part: bigint, whole: bigint): number {
  return part === whole ? bytes : Number((BigInt(bytes) * part) / whole);
}

/** Index of the first range whose end lies above `offset`. */
export function firstEndingAbove(ranges: readonly OffsetRange[], offset: bigint): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range.nextOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sumOf(parts: readonly SizedPart[]): number {
  return parts.reduce((bytes, part) => bytes + part.bytes, 0);
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}

function byStart(left: OffsetRange, right: OffsetRange): number {
  if (left.startOffset === right.startOffset) return 0;
  return left.startOffset < right.startOffset ? -1 : 1;
}
