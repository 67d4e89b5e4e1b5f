import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../../../src/store/object-store.ts';
import { parseCrc32, printCrc32 } from '../../../../src/store/s3/printed-crc.ts';
import { planParts } from '../../../../src/store/s3/put-multipart.ts';

const MIB = 2 ** 20;

test('parts cover the object, lie on chunk borders, and are never more than S3 takes', () => {
  const sizes = integer({ min: 1, max: 2 ** 42 });
  const partSizes = integer({ min: 2, max: 256 }).map((count) => count * CHUNK_BYTES);
  assert(
    property(sizes, partSizes, (sizeBytes, partBytes) => {
      const parts = planParts(sizeBytes, partBytes);
      expect(parts.length).toBeLessThanOrEqual(10_000);
      expect(parts[0]?.start).toBe(0);
      expect(parts.at(-1)?.end).toBe(sizeBytes);
      const isJoined = parts.every((part, index) => part.start === (parts[index - 1]?.end ?? 0));
      const isOnBorders = parts.every(({ start }) => start % CHUNK_BYTES === 0);
      expect([isJoined, isOnBorders]).toEqual([true, true]);
    }),
    { numRuns: 30 },
  );
});

test('a usual object has parts of the size asked for', () => {
  expect(planParts(33 * MIB, 16 * MIB)).toEqual([
    { start: 0, end: 16 * MIB },
    { start: 16 * MIB, end: 32 * MIB },
    { start: 32 * MIB, end: 33 * MIB },
  ]);
});

test('a CRC-32 is printed as S3 does; one of a list of parts is none', () => {
  expect(printCrc32(0x3610a686)).toBe('NhCmhg==');
  expect(parseCrc32('NhCmhg==')).toBe(0x3610a686);
  expect(parseCrc32('NhCmhg==-3')).toBeUndefined();
  expect(parseCrc32('')).toBeUndefined();
});
