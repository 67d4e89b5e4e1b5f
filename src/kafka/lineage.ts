// Which leader epoch owns which offsets: Logtier's own list per partition (safety rules 1, 7 and 14).

/** From `startOffset` up to the next entry's start, records were appended under `epoch`. */
export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: bigint;
}

/**
 * Ascending by start offset; the last entry is open upwards. Epochs ascend too, in what one broker tells
 * and in one segment; in a merged list they may fall once, after an unclean election, where the stored
 * part ends and the broker's begins.
 */
export type Lineage = readonly EpochEntry[];

/** Offsets [startOffset, nextOffset). */
export interface OffsetRange {
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
}

/** A segment as the lineage sees it; `epochs` come from its batches (rule 15). A SegmentRecord fits. */
export interface EpochedRange extends OffsetRange {
  readonly epochs: Lineage;
}

/** Index of the entry in force at `offset`, -1 below the first. */
function indexAt(lineage: Lineage, offset: bigint): number {
  let low = 0;
  let high = lineage.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = lineage[middle];
    if (entry !== undefined && entry.startOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The entry in force at `offset`; undefined below the first. */
export function entryAt(lineage: Lineage, offset: bigint): EpochEntry | undefined {
  return lineage[indexAt(lineage, offset)];
}

/** The epoch in force at `offset`; undefined below the first entry, where nothing is known. */
export function epochAt(lineage: Lineage, offset: bigint): number | undefined {
  return entryAt(lineage, offset)?.epoch;
}

/** Exclusive end of the entry in force at `offset`; undefined when it is the last one, which is open. */
export function entryEndAt(lineage: Lineage, offset: bigint): bigint | undefined {
  return lineage[indexAt(lineage, offset) + 1]?.startOffset;
}

/**
 * Exclusive end of `epoch`: where the first larger one starts, as OffsetForLeaderEpoch answers. Undefined
 * when there is no larger one: the epoch is still open.
 */
export function epochEnd(lineage: Lineage, epoch: number): bigint | undefined {
  return lineage.find((entry) => entry.epoch > epoch)?.startOffset;
}

/** `lineage` from `start` up: the entry in force at `start` begins there. */
export function lineageFrom(lineage: Lineage, start: bigint): Lineage {
  const first = entryAt(lineage, start);
  const above = lineage.filter((entry) => entry.startOffset > start);
  return first === undefined ? above : [{ epoch: first.epoch, startOffset: start }, ...above];
}

/** Entries that begin below `end`: what a segment ending at `end` needs. */
export function lineageBelow(lineage: Lineage, end: bigint): Lineage {
  return lineage.filter((entry) => entry.startOffset < end);
}

/** Drops entries that repeat the epoch before them: the start is already known, and lower. */
function withoutRepeats(lineage: Lineage): Lineage {
  return lineage.filter((entry, index) => lineage[index - 1]?.epoch !== entry.epoch);
}

/**
 * What the catalog holds after a broker told its epochs (rule 1). Kafka cuts its list at the local start,
 * so below `brokerLocalStart` the stored list stays; from there up the broker's entries replace it.
 *
 * A missing entry deletes nothing: no list changes nothing, and stored entries that are younger than all
 * the broker told, and begin above them, stay; a leader always tells its own epoch, so such a list is old.
 */
export function mergeLineage(stored: Lineage, broker: Lineage, brokerLocalStart: bigint): Lineage {
  const told = lineageFrom(broker, brokerLocalStart);
  const [first, last] = [told[0], told.at(-1)];
  if (first === undefined || last === undefined) return stored;
  const kept = lineageBelow(stored, first.startOffset);
  const younger = stored.filter(
    (entry) => entry.epoch > last.epoch && entry.startOffset > last.startOffset,
  );
  return withoutRepeats([...kept, ...told, ...younger]);
}

/** A stretch of a segment over which both its own epoch and the lineage's entry stay the same. */
interface Stretch extends OffsetRange {
  readonly own: number | undefined;
  readonly entry: EpochEntry | undefined;
  readonly isLastEntry: boolean;
}

function smallest(limit: bigint, ...others: readonly (bigint | undefined)[]): bigint {
  return others.reduce<bigint>(
    (least, other) => (other !== undefined && other < least ? other : least),
    limit,
  );
}

function stretchesOf(segment: EpochedRange, lineage: Lineage): Stretch[] {
  const stretches: Stretch[] = [];
  let at = segment.startOffset;
  while (at < segment.nextOffset) {
    const index = indexAt(lineage, at);
    const nextOffset = smallest(
      segment.nextOffset,
      entryEndAt(segment.epochs, at),
      lineage[index + 1]?.startOffset,
    );
    stretches.push({
      startOffset: at,
      nextOffset,
      own: epochAt(segment.epochs, at),
      entry: lineage[index],
      isLastEntry: index === lineage.length - 1,
    });
    at = nextOffset;
  }
  return stretches;
}

/** The lineage may simply not know the segment's epoch yet: its last entry is open, and older. */
function isContradicted({ own, entry, isLastEntry }: Stretch): boolean {
  if (own === undefined || entry === undefined || own === entry.epoch) return false;
  return !(isLastEntry && own > entry.epoch);
}

/**
 * The first lineage entry that says another epoch than the segment's batches do, undefined if none does.
 * Only this makes a segment divergent; an entry that is missing, below the first or not told yet, is no
 * contradiction (rule 1).
 */
export function contradiction(segment: EpochedRange, lineage: Lineage): EpochEntry | undefined {
  return stretchesOf(segment, lineage).find(isContradicted)?.entry;
}

/** Joins ranges that touch or overlap; `ranges` ascend by start. */
export function joinRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const joined: OffsetRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    if (last === undefined || range.startOffset > last.nextOffset) joined.push(range);
    else if (range.nextOffset > last.nextOffset) {
      joined[joined.length - 1] = { startOffset: last.startOffset, nextOffset: range.nextOffset };
    }
  }
  return joined;
}

/**
 * The parts of a segment that may be served and count as copied: where the lineage has the segment's own
 * epoch in force (rule 14), or nothing at all, because that part was cut before Logtier saw it.
 */
export function clipToLineage(segment: EpochedRange, lineage: Lineage): OffsetRange[] {
  const valid = stretchesOf(segment, lineage).filter(
    ({ own, entry }) => entry === undefined || own === entry.epoch,
  );
  return joinRanges(valid.map(({ startOffset, nextOffset }) => ({ startOffset, nextOffset })));
}

/**
 * True when the lineage has the segment's own epochs in force all over it, or was cut below (rule 15). An
 * epoch without records leaves no entry, because the next one begins at the same offset and replaces it.
 */
export function fitsLineage(segment: EpochedRange, lineage: Lineage): boolean {
  const [whole, ...rest] = clipToLineage(segment, lineage);
  if (whole === undefined) return segment.startOffset === segment.nextOffset;
  return (
    rest.length === 0 &&
    whole.startOffset === segment.startOffset &&
    whole.nextOffset === segment.nextOffset
  );
}
