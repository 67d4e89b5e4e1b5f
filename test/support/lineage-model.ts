// Small lineages and segments for property tests, and the slow, plain way to look at them: offset by offset.
import { array, integer, tuple } from 'fast-check';
import type { Lineage, OffsetRange } from '../../src/kafka/lineage.ts';

/** `[0, 0], [3, 50]`: epoch 0 from 0, epoch 3 from 50. */
export function lineage(...entries: readonly (readonly [number, number])[]): Lineage {
  return entries.map(([epoch, start]) => ({ epoch, startOffset: BigInt(start) }));
}

export function segment(
  start: number,
  next: number,
  ...epochs: readonly (readonly [number, number])[]
) {
  return { startOffset: BigInt(start), nextOffset: BigInt(next), epochs: lineage(...epochs) };
}

export function range(start: number, next: number): OffsetRange {
  return { startOffset: BigInt(start), nextOffset: BigInt(next) };
}

/** The whole space of the models below. */
export const END = 40;
export const offsets = Array.from({ length: END }, (_, offset) => offset);

/** The epoch of each offset, found without any of the code under test. */
export function epochsOf(list: Lineage): (number | undefined)[] {
  return offsets.map((offset) => list.findLast((entry) => entry.startOffset <= offset)?.epoch);
}

export const lineages = array(tuple(integer({ min: 1, max: 3 }), integer({ min: 1, max: 12 })), {
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

export const segments = tuple(
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

export function offsetsIn(ranges: readonly OffsetRange[]): number[] {
  return offsets.filter((offset) =>
    ranges.some((one) => one.startOffset <= offset && offset < one.nextOffset),
  );
}
