import { expect, test } from 'vitest';
import { backoffMs } from '../../../src/base/backoff.ts';

const SETTINGS = { firstRetryMs: 200, longestRetryMs: 30_000 };

test('waits double up to the longest', () => {
  const waits = [0, 1, 2, 7, 8, 1000].map((attempt) => backoffMs(SETTINGS, attempt, 0.999_999));
  expect(waits).toEqual([200, 400, 800, 25_600, 30_000, 30_000]);
});

test('a share spreads waiters over the upper half', () => {
  expect([0, 0.5].map((share) => backoffMs(SETTINGS, 1, share))).toEqual([200, 300]);
});
