import { array, assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { floorOffset, parseTimeIndex, printTimeIndex } from '../../../src/kafka/time-index.ts';

const BOUNDS = { baseOffset: 100n, nextOffset: 1_000_000n };

function bytesOf(...entries: readonly (readonly [bigint, number])[]): Buffer {
  const bytes = Buffer.alloc(entries.length * 12);
  entries.forEach(([timestamp, relative], index) => {
    bytes.writeBigInt64BE(timestamp, index * 12);
    bytes.writeInt32BE(relative, index * 12 + 8);
  });
  return bytes;
}

function codeOf(bytes: Uint8Array): unknown {
  try {
    return parseTimeIndex(bytes, BOUNDS);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('entries are read with absolute offsets', () => {
  expect(parseTimeIndex(bytesOf([1_700_000_000_000n, 9], [1_700_000_000_001n, 9]), BOUNDS)).toEqual(
    [
      { timestampMs: 1_700_000_000_000, offset: 109n },
      { timestampMs: 1_700_000_000_001, offset: 109n },
    ],
  );
});

test('a single entry of zeros is a first record stamped 1970', () => {
  expect(parseTimeIndex(Buffer.alloc(12), BOUNDS)).toEqual([{ timestampMs: 0, offset: 100n }]);
});

test('nanoseconds in place of milliseconds still ascend', () => {
  const first = 1_700_000_000_000_000_001n;
  expect(parseTimeIndex(bytesOf([first, 1], [first + 1n, 2]), BOUNDS)).toHaveLength(2);
});

test.each<[string, Buffer, string]>([
  ['a cut entry', bytesOf([5n, 1]).subarray(0, 11), 'TRUNCATED_FILE'],
  ['a preallocated tail', Buffer.concat([bytesOf([5n, 1]), Buffer.alloc(24)]), 'TRUNCATED_FILE'],
  ['one zero entry as tail', Buffer.concat([bytesOf([5n, 1]), Buffer.alloc(12)]), 'TRUNCATED_FILE'],
  ['nothing but zeros', Buffer.alloc(240), 'TRUNCATED_FILE'],
  ['equal timestamps', bytesOf([5n, 1], [5n, 2]), 'CORRUPT_FILE'],
  ['falling offsets', bytesOf([5n, 2], [6n, 1]), 'CORRUPT_FILE'],
  ['a negative timestamp', bytesOf([-1n, 2]), 'CORRUPT_FILE'],
  ['an offset below the base', bytesOf([5n, -2]), 'CORRUPT_FILE'],
  ['an offset past the log', bytesOf([5n, 999_900]), 'CORRUPT_FILE'],
])('%s is an error of the right kind', (_, bytes, code) => {
  expect(codeOf(bytes)).toBe(code);
});

const ascending = array(integer({ min: 1, max: 500 }), { maxLength: 40 }).map((steps) => {
  let sum = 0;
  return steps.map((step) => {
    sum += step;
    return { timestampMs: sum, offset: 100n + BigInt(Math.floor(sum / 2)) };
  });
});

test('entries survive the way to bytes and back', () => {
  assert(
    property(ascending, (entries) => {
      expect(parseTimeIndex(printTimeIndex(entries, 100n), BOUNDS)).toEqual(entries);
    }),
  );
});

test('a timestamp at the end of int64 is written as such', () => {
  const bytes = printTimeIndex([{ timestampMs: Number(2n ** 63n - 1n), offset: 100n }], 100n);
  expect(Buffer.from(bytes).readBigInt64BE(0)).toBe(2n ** 63n - 1n);
});

test('the floor is the last entry older than the target', () => {
  assert(
    property(ascending, integer({ min: 0, max: 25_000 }), (entries, target) => {
      const naive = entries.findLast((entry) => entry.timestampMs < target);
      expect(floorOffset(printTimeIndex(entries, 100n), 100n, target)).toBe(naive?.offset ?? 100n);
    }),
  );
});

test('a flipped bit gives a typed error or ascending entries', () => {
  const bytes = bytesOf(
    [1_700_000_000_000n, 9],
    [1_700_000_000_001n, 12],
    [1_700_000_000_009n, 30],
  );
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const result = codeOf(damaged);
    expect(Array.isArray(result) || result === 'CORRUPT_FILE').toBe(true);
  }
});
