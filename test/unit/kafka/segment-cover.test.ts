import { array, assert, integer, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import { clipToLineage } from '../../../src/kafka/lineage.ts';
import { coverOf, coveredEnd } from '../../../src/kafka/segment-cover.ts';
import {
  END,
  lineage,
  lineages,
  offsets,
  offsetsIn,
  range,
  segment,
  segments,
} from '../../support/lineage-model.ts';

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
    { numRuns: 300 },
  );
});
