import { assert, integer, property } from 'fast-check';
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
} from '../../../src/kafka/lineage.ts';
import {
  END,
  epochsOf,
  lineage,
  lineages,
  offsets,
  offsetsIn,
  segment,
  segments,
} from '../../support/lineage-model.ts';

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
    { numRuns: 300 },
  );
});

test('merging the same list again changes nothing', () => {
  assert(
    property(lineages, lineages, integer({ min: 0, max: END }), (stored, broker, localStart) => {
      const once = mergeLineage(stored, broker, BigInt(localStart));
      expect(mergeLineage(once, broker, BigInt(localStart))).toEqual(once);
    }),
    { numRuns: 300 },
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
    { numRuns: 300 },
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
    { numRuns: 500 },
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
