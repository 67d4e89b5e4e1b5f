import { array, assert, property } from 'fast-check';
import { expect, test } from 'vitest';
import { clipToLineage } from '../../../src/kafka/lineage.ts';
import { remoteView } from '../../../src/kafka/remote-view.ts';
import {
  lineage,
  lineages,
  offsets,
  offsetsIn,
  segment,
  segments,
} from '../../support/lineage-model.ts';

test('of segments that overlap, the one that reaches farthest serves', () => {
  const list = lineage([1, 0]);
  const short = segment(0, 10, [1, 0]);
  const long = segment(5, 30, [1, 5]);
  const view = remoteView([long, short, segment(6, 20, [1, 6])], list);
  expect(view.find(4n)).toEqual({ segment: short, nextOffset: 10n });
  expect(view.find(7n)).toEqual({ segment: long, nextOffset: 30n });
  expect(view.find(30n)).toBeUndefined();
  expect(view.nextCovered(30n)).toBeUndefined();
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
    { numRuns: 150 },
  );
});
