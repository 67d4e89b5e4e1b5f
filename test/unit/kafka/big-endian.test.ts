import { assert, bigInt, property } from 'fast-check';
import { expect, test } from 'vitest';
import { readMs, viewOf } from '../../../src/kafka/big-endian.ts';

test('a view looks at its own bytes of a larger buffer', () => {
  const bytes = Buffer.from([9, 9, 0, 0, 1, 2, 9]).subarray(2, 6);
  expect(viewOf(bytes).getInt32(0)).toBe(258);
  expect(viewOf(bytes).byteLength).toBe(4);
});

test('any int64 is read as the nearest number', () => {
  const any = bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  assert(
    property(any, (value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(value);
      expect(readMs(viewOf(bytes), 0)).toBe(Number(value));
    }),
  );
});
