import { array, assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import {
  floorPosition,
  parseOffsetIndex,
  printOffsetIndex,
} from '../../../src/kafka/offset-index.ts';

const BOUNDS = { baseOffset: 100n, nextOffset: 1_000_000n, logBytes: 1_000_000 };

function bytesOf(...entries: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(entries.length * 8);
  entries.forEach(([relative, position], index) => {
    bytes.writeInt32BE(relative, index * 8);
    bytes.writeInt32BE(position, index * 8 + 4);
  });
  return bytes;
}

function codeOf(bytes: Uint8Array, bounds = BOUNDS): unknown {
  try {
    return parseOffsetIndex(bytes, bounds);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('entries are read with absolute offsets', () => {
  expect(parseOffsetIndex(bytesOf([9, 4200], [30, 9000]), BOUNDS)).toEqual([
    { offset: 109n, position: 4200 },
    { offset: 130n, position: 9000 },
  ]);
  expect(parseOffsetIndex(new Uint8Array(0), BOUNDS)).toEqual([]);
});

test('a position is not bound to 31 bits of sign', () => {
  const bounds = { baseOffset: 0n, nextOffset: 2n ** 31n, logBytes: 2 ** 31 };
  expect(parseOffsetIndex(bytesOf([2 ** 31 - 1, 2 ** 31 - 1]), bounds)).toEqual([
    { offset: 2n ** 31n - 1n, position: 2 ** 31 - 1 },
  ]);
});

test.each<[string, Buffer, string]>([
  ['a cut entry', bytesOf([9, 4200]).subarray(0, 7), 'TRUNCATED_FILE'],
  ['a preallocated tail', Buffer.concat([bytesOf([9, 4200]), Buffer.alloc(80)]), 'TRUNCATED_FILE'],
  ['nothing but zeros', Buffer.alloc(80), 'TRUNCATED_FILE'],
  ['a zero entry in the middle', bytesOf([9, 4200], [0, 0], [20, 9000]), 'CORRUPT_FILE'],
  ['equal offsets', bytesOf([9, 4200], [9, 5000]), 'CORRUPT_FILE'],
  ['falling positions', bytesOf([9, 4200], [10, 4100]), 'CORRUPT_FILE'],
  ['a negative offset', bytesOf([-1, 4200]), 'CORRUPT_FILE'],
  ['a negative position', bytesOf([9, -4200]), 'CORRUPT_FILE'],
  ['an offset past the log', bytesOf([999_900, 4200]), 'CORRUPT_FILE'],
  ['a position past the log', bytesOf([9, 1_000_000]), 'CORRUPT_FILE'],
])('%s is an error of the right kind', (_, bytes, code) => {
  expect(codeOf(bytes)).toBe(code);
});

test('errors name the file and the position', () => {
  expect(() => parseOffsetIndex(bytesOf([9, 4200], [9, 5000]), BOUNDS)).toThrow(
    expect.objectContaining({ details: { file: 'offset index', position: 8 } }),
  );
});

const ascending = array(integer({ min: 1, max: 500 }), { maxLength: 40 }).map((steps) => {
  let sum = 0;
  return steps.map((step) => {
    sum += step;
    return { offset: 100n + BigInt(sum), position: sum * 3 };
  });
});

test('entries survive the way to bytes and back', () => {
  assert(
    property(ascending, (entries) => {
      expect(parseOffsetIndex(printOffsetIndex(entries, 100n), BOUNDS)).toEqual(entries);
    }),
  );
});

test('the floor is the last entry at or below the target', () => {
  assert(
    property(ascending, integer({ min: 0, max: 25_000 }), (entries, step) => {
      const target = 100n + BigInt(step);
      const naive = entries.findLast((entry) => entry.offset <= target);
      expect(floorPosition(printOffsetIndex(entries, 100n), 100n, target)).toEqual(
        naive ?? { offset: 100n, position: 0 },
      );
    }),
  );
});

test('a file cut anywhere is an error or a shorter list', () => {
  const bytes = bytesOf([9, 4200], [30, 9000], [31, 20_000]);
  for (let length = 0; length <= bytes.length; length += 1) {
    const whole = length % 8 === 0;
    const result = codeOf(bytes.subarray(0, length));
    expect(whole ? Array.isArray(result) : result).toBe(whole ? true : 'TRUNCATED_FILE');
  }
});

test('a flipped bit gives a typed error or ascending entries inside the log', () => {
  const bytes = bytesOf([9, 4200], [30, 9000], [31, 20_000]);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const result = codeOf(damaged);
    expect(Array.isArray(result) || result === 'CORRUPT_FILE' || result === 'TRUNCATED_FILE').toBe(
      true,
    );
  }
});
