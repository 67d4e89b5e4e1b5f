import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionFailure } from '../../../src/base/assert.ts';
import { byteRange, rangeBytes, splitRange } from '../../../src/base/byte-range.ts';

test('a range is half-open and of whole numbers', () => {
  expect(rangeBytes(byteRange(3, 10))).toBe(7);
  expect(rangeBytes(byteRange(3, 3))).toBe(0);
  expect(() => byteRange(4, 3)).toThrow(AssertionFailure);
  expect(() => byteRange(-1, 3)).toThrow(AssertionFailure);
  expect(() => byteRange(0, 0.5)).toThrow(AssertionFailure);
});

test('a range is cut at the multiples of a step', () => {
  expect(splitRange(byteRange(5, 25), 10)).toEqual([
    { start: 5, end: 10 },
    { start: 10, end: 20 },
    { start: 20, end: 25 },
  ]);
  expect(splitRange(byteRange(5, 5), 10)).toEqual([]);
});

test('the pieces of a range are the range', () => {
  const small = integer({ min: 0, max: 500 });
  assert(
    property(small, small, integer({ min: 1, max: 60 }), (start, length, step) => {
      const pieces = splitRange(byteRange(start, start + length), step);
      expect(pieces.reduce((sum, piece) => sum + rangeBytes(piece), 0)).toBe(length);
      pieces.forEach((piece, index) => {
        expect(piece.start).toBe(index === 0 ? start : pieces[index - 1]?.end);
        expect(Math.floor(piece.start / step)).toBe(Math.floor((piece.end - 1) / step));
      });
    }),
  );
});
