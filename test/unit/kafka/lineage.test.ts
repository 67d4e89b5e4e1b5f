import { array, assert, integer, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import {
  clipToLineage,
  contradiction,
  entryEndAt,
  epochAt,
  epochEnd,
  fitsLineage,
  lineageBelow,
  mergeLineage,
  type Lineage,
  type OffsetRange,
} from '../../../src/kafka/lineage.ts';
import { coverOf, coveredEnd } from '../../../src/kafka/segment-cover.ts';
import { remoteView } from '../../../src/kafka/remote-view.ts';

/** `[0, 0], [3, 50]`: epoch 0 from 0, epoch 3 from 50. */
function lineage(...entries: readonly (readonly [number, number])[]): Lineage {
  return entries.map(([epoch, start]) => ({ epoch, startOffset: BigInt(start) }));
}

function segment(start: number, next: number, ...epochs: readonly (readonly [number, number])[]) {
  return { startOffset: BigInt(start), nextOffset: BigInt(next), epochs: lineage(...epochs) };
}

function range(start: number, next: number): OffsetRange {
  return { startOffset: BigInt(start), nextOffset: BigInt(next) };
}

/** The whole space of the models below. */
const END = 40;
const offsets = Array.from({ length: END }, (_, offset) => offset);

/** The epoch of each offset, found without any of the code under test. */
function epochsOf(list: Lineage): (number | undefined)[] {
  return offsets.map((offset) => list.findLast((entry) => entry.startOffset <= offset)?.epoch);
}

const lineages = array(tuple(integer({ min: 1, max: 3 }), integer({ min: 1, max: 12 })), {
  maxLength: 6,
}).chain((steps) =>
  integer({ min: 0, max: 15 }).map((first) => {
    let [epoch, start] = [-1, first];
    return steps.map(([more, length]) => {
      epoch += more;
      const entry = { epoch, startOffset: BigInt(start) };
      start += length;
      return entry;
    });
  }),
);

const segments = tuple(
  integer({ min: 0, max: END - 1 }),
  integer({ min: 0, max: 15 }),
  lineages,
).map(([start, length, own]) => {
  const nextOffset = BigInt(Math.min(END, start + length));
  const startOffset = BigInt(start);
  const above = own.filter(
    (entry) => entry.startOffset > startOffset && entry.startOffset < nextOffset,
  );
  const first = own.findLast((entry) => entry.startOffset <= startOffset);
  const epochs = first === undefined ? above : [{ epoch: first.epoch, startOffset }, ...above];
  return { startOffset, nextOffset, epochs };
});

function offsetsIn(ranges: readonly OffsetRange[]): number[] {
  return offsets.filter((offset) =>
    ranges.some((one) => one.startOffset <= offset && offset < one.nextOffset),
  );
}

test('the epoch at an offset is that of the last entry at or below it', () => {
  assert(
    property(lineages, (list) => {
      expect(offsets.map((offset) => epochAt(list, BigInt(offset)))).toEqual(epochsOf(list));
    }),
  );
});

test('an epoch ends where a larger one begins; the last one is open', () => {
  const list = lineage([0, 0], [3, 50], [7, 90]);
  expect([0, 1, 3, 6, 7, 8].map((epoch) => epochEnd(list, epoch))).toEqual([
    50n,
    50n,
    90n,
    90n,
    undefined,
    undefined,
  ]);
  expect(entryEndAt(list, 49n)).toBe(50n);
  expect(entryEndAt(list, 50n)).toBe(90n);
  expect(entryEndAt(list, 1000n)).toBeUndefined();
  expect(entryEndAt(lineage([3, 50]), 10n)).toBe(50n);
});

test('below the first entry nothing is known', () => {
  expect(epochAt(lineage([3, 50]), 49n)).toBeUndefined();
  expect(epochAt([], 0n)).toBeUndefined();
});

test('entries below an end are those a segment needs', () => {
  expect(lineageBelow(lineage([0, 0], [3, 50], [7, 90]), 90n)).toEqual(lineage([0, 0], [3, 50]));
});

test('three leader changes whose epochs the broker has cut stay known', () => {
  const stored = lineage([0, 0], [1, 100], [2, 200], [3, 300]);
  expect(mergeLineage(stored, lineage([3, 400], [4, 500]), 400n)).toEqual(
    lineage([0, 0], [1, 100], [2, 200], [3, 300], [4, 500]),
  );
});

test('the first list is taken from the local start up', () => {
  expect(mergeLineage([], lineage([2, 10], [5, 60]), 0n)).toEqual(lineage([2, 10], [5, 60]));
  expect(mergeLineage([], lineage([2, 10], [5, 60]), 30n)).toEqual(lineage([2, 30], [5, 60]));
});

test('an unclean election replaces what the broker has otherwise', () => {
  expect(mergeLineage(lineage([1, 0], [3, 50]), lineage([1, 0], [5, 60]), 0n)).toEqual(
    lineage([1, 0], [5, 60]),
  );
});

test('below the local start the stored list stays even against an unclean election', () => {
  expect(mergeLineage(lineage([1, 0], [3, 50]), lineage([1, 55], [5, 60]), 55n)).toEqual(
    lineage([1, 0], [3, 50], [1, 55], [5, 60]),
  );
});

test('an empty or an older list deletes nothing', () => {
  const stored = lineage([1, 0], [3, 50], [9, 200]);
  expect(mergeLineage(stored, [], 0n)).toEqual(stored);
  expect(mergeLineage(stored, lineage([1, 0], [3, 50]), 0n)).toEqual(stored);
});

test("merging is the stored epoch below the local start and the broker's from there up", () => {
  assert(
    property(lineages, lineages, integer({ min: 0, max: END }), (stored, broker, localStart) => {
      const merged = epochsOf(mergeLineage(stored, broker, BigInt(localStart)));
      const [mine, told] = [epochsOf(stored), epochsOf(broker)];
      const last = broker.at(-1);
      const model = offsets.map((offset) => {
        const entry = stored.findLast((one) => one.startOffset <= offset);
        const lastStart = BigInt(Math.max(localStart, Number(last?.startOffset ?? 0n)));
        const isYounger =
          entry !== undefined &&
          last !== undefined &&
          entry.epoch > last.epoch &&
          entry.startOffset > lastStart;
        return offset < localStart || isYounger ? mine[offset] : (told[offset] ?? mine[offset]);
      });
      expect(merged).toEqual(model);
    }),
    { numRuns: 1000 },
  );
});

test('merging the same list again changes nothing', () => {
  assert(
    property(lineages, lineages, integer({ min: 0, max: END }), (stored, broker, localStart) => {
      const once = mergeLineage(stored, broker, BigInt(localStart));
      expect(mergeLineage(once, broker, BigInt(localStart))).toEqual(once);
    }),
    { numRuns: 1000 },
  );
});

test('a merged list ascends by offset and never repeats an epoch next to itself', () => {
  assert(
    property(lineages, lineages, integer({ min: 0, max: END }), (stored, broker, localStart) => {
      const merged = mergeLineage(stored, broker, BigInt(localStart));
      merged.slice(1).forEach((entry, index) => {
        expect(entry.startOffset > merged[index]!.startOffset).toBe(true);
        expect(entry.epoch).not.toBe(merged[index]!.epoch);
      });
    }),
    { numRuns: 1000 },
  );
});

test('a segment of the lineage contradicts nothing', () => {
  const list = lineage([0, 0], [3, 50], [7, 90]);
  expect(contradiction(segment(10, 95, [0, 10], [3, 50], [7, 90]), list)).toBeUndefined();
});

test('the contradicting entry is named', () => {
  const list = lineage([1, 0], [5, 60]);
  expect(contradiction(segment(40, 80, [1, 40], [3, 50]), list)).toEqual(list[0]);
  expect(contradiction(segment(55, 80, [1, 55]), list)).toEqual(list[1]);
  expect(contradiction(segment(60, 80, [3, 60]), list)).toEqual(list[1]);
});

test('an entry that was cut or is not told yet is no contradiction', () => {
  expect(contradiction(segment(0, 60, [1, 0], [2, 30]), lineage([3, 60]))).toBeUndefined();
  expect(contradiction(segment(50, 80, [3, 50]), lineage([1, 0]))).toBeUndefined();
  expect(contradiction(segment(0, 80, [1, 0]), [])).toBeUndefined();
});

test('clipping and contradiction agree with a model offset by offset', () => {
  assert(
    property(segments, lineages, (one, list) => {
      const [own, known] = [epochsOf(one.epochs), epochsOf(list)];
      const last = list.at(-1);
      const inside = offsets.filter(
        (offset) => one.startOffset <= offset && offset < one.nextOffset,
      );
      const valid = inside.filter(
        (offset) => known[offset] === undefined || known[offset] === own[offset],
      );
      expect(offsetsIn(clipToLineage(one, list))).toEqual(valid);
      expect(fitsLineage(one, list)).toBe(valid.length === inside.length);
      const isOpen = (offset: number) =>
        last !== undefined && last.startOffset <= offset && own[offset]! > last.epoch;
      const against = inside.find(
        (offset) =>
          own[offset] !== undefined &&
          known[offset] !== undefined &&
          known[offset] !== own[offset] &&
          !isOpen(offset),
      );
      expect(contradiction(one, list)?.epoch).toBe(
        against === undefined ? undefined : known[against],
      );
    }),
    { numRuns: 2000 },
  );
});

test('clipped ranges ascend and do not touch', () => {
  assert(
    property(segments, lineages, (one, list) => {
      const ranges = clipToLineage(one, list);
      ranges.forEach((clipped, index) => {
        expect(clipped.startOffset < clipped.nextOffset).toBe(true);
        if (index > 0) expect(ranges[index - 1]!.nextOffset < clipped.startOffset).toBe(true);
      });
    }),
  );
});

test('a quarantined segment in the middle is a hole, however far the rest reaches', () => {
  const list = lineage([0, 0]);
  const copied = [segment(0, 10, [0, 0]), segment(20, 90, [0, 20])];
  expect(coverOf(copied, list, range(0, 100))).toEqual({
    covered: [range(0, 10), range(20, 90)],
    holes: [range(10, 20), range(90, 100)],
  });
  expect(coveredEnd(copied, list, 0n)).toBe(10n);
  expect(coveredEnd(copied, list, 10n)).toBe(10n);
  expect(coveredEnd(copied, list, 25n)).toBe(90n);
});

test('a divergent tail covers nothing', () => {
  const list = lineage([1, 0], [5, 60]);
  const copied = [segment(0, 50, [1, 0]), segment(50, 80, [3, 50])];
  expect(coverOf(copied, list, range(0, 80)).holes).toEqual([range(50, 80)]);
  const again = [...copied, segment(40, 80, [1, 40], [5, 60])];
  expect(coverOf(again, list, range(0, 80)).holes).toEqual([]);
});

test('cover and holes agree with a model offset by offset', () => {
  const asked = tuple(integer({ min: 0, max: END }), integer({ min: 0, max: END })).map(([a, b]) =>
    range(Math.min(a, b), Math.max(a, b)),
  );
  assert(
    property(array(segments, { maxLength: 8 }), lineages, asked, (copied, list, want) => {
      const held = new Set(copied.flatMap((one) => offsetsIn(clipToLineage(one, list))));
      const inside = offsetsIn([want]);
      const { covered, holes } = coverOf(copied, list, want);
      expect(offsetsIn(covered)).toEqual(inside.filter((offset) => held.has(offset)));
      expect(offsetsIn(holes)).toEqual(inside.filter((offset) => !held.has(offset)));
      const from = Number(want.startOffset);
      const end =
        offsets.find((offset) => offset >= from && !held.has(offset)) ?? Math.max(END, from);
      expect(coveredEnd(copied, list, want.startOffset)).toBe(BigInt(end));
    }),
    { numRuns: 1000 },
  );
});

test('a view finds a segment for exactly the covered offsets, and it may serve up to its end', () => {
  assert(
    property(array(segments, { maxLength: 8 }), lineages, (copied, list) => {
      const view = remoteView(copied, list);
      const held = new Set(copied.flatMap((one) => offsetsIn(clipToLineage(one, list))));
      for (const offset of offsets) {
        const hit = view.find(BigInt(offset));
        expect(hit !== undefined).toBe(held.has(offset));
        if (hit !== undefined) {
          const served = offsetsIn(clipToLineage(hit.segment, list));
          for (let at = offset; at < hit.nextOffset; at += 1) expect(served).toContain(at);
        } else {
          const next = offsets.find((other) => other > offset && held.has(other));
          expect(view.nextCovered(BigInt(offset))).toBe(
            next === undefined ? undefined : BigInt(next),
          );
        }
      }
    }),
    { numRuns: 500 },
  );
});
