import { expect, test } from 'vitest';
import { z } from 'zod';
import {
  byteSize,
  duration,
  parseBytes,
  parseDurationMs,
  printBytes,
  printDuration,
  someBytes,
  someDuration,
} from '../../../src/base/units.ts';

test('sizes and times are read with their unit', () => {
  expect(['7B', '16MiB', '2TiB'].map(parseBytes)).toEqual([7, 16_777_216, 2_199_023_255_552]);
  expect(['200ms', '30s', '7d'].map(parseDurationMs)).toEqual([200, 30_000, 604_800_000]);
});

test.each(['', '7', 'MiB', '-1B', '1.5MiB', '1MB', '1 MiB'])('%j is no size', (text) => {
  expect(parseBytes(text)).toBeUndefined();
});

test('settings take text and have a default', () => {
  const section = z.strictObject({ size: byteSize('4KiB'), wait: duration('2s') });
  expect(section.parse({})).toEqual({ size: 4096, wait: 2000 });
  expect(section.parse({ size: '1B', wait: '1ms' })).toEqual({ size: 1, wait: 1 });
  expect(section.safeParse({ size: 5 }).success).toBe(false);
  expect(section.safeParse({ wait: '5 s' }).success).toBe(false);
  expect(z.strictObject({ a: someBytes(), b: someDuration() }).parse({ a: '1B', b: '1h' })).toEqual(
    {
      a: 1,
      b: 3_600_000,
    },
  );
});

test('people read rounded numbers', () => {
  expect([7, 1536, 2 ** 30, 300 * 2 ** 20].map(printBytes)).toEqual([
    '7 B',
    '1.5 KiB',
    '1.0 GiB',
    '300 MiB',
  ]);
  expect([7, 200_000, 90_000_000].map(printDuration)).toEqual(['7ms', '3m 20s', '1d 1h']);
});
