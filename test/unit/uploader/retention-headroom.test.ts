import { expect, test } from 'vitest';
import { deletionTimesMs } from '../../../src/uploader/retention-headroom.ts';

const day = 86_400_000;
const unbounded = { retentionMs: -1, retentionBytes: -1 };
const idle = { wallMs: 10 * day, activeBytes: 0, bytesPerSecond: 0 };
const segments = [
  { startOffset: 0n, bytes: 100, maxTimestampMs: 1 * day },
  { startOffset: 10n, bytes: 100, maxTimestampMs: 2 * day },
];

test('without retention nothing is ever deleted', () => {
  expect(deletionTimesMs(segments, unbounded, idle)).toEqual([Infinity, Infinity]);
});

test('retention by time counts from the newest record of the segment', () => {
  const retention = { ...unbounded, retentionMs: 7 * day };
  expect(deletionTimesMs(segments, retention, idle)).toEqual([8 * day, 9 * day]);
});

test('retention by size takes a segment once what lies above it fills the limit', () => {
  const retention = { ...unbounded, retentionBytes: 150 };
  const now = { ...idle, activeBytes: 60 };
  expect(deletionTimesMs(segments, retention, now)).toEqual([10 * day, Infinity]);
});

test('the rate of writing tells when the limit is reached', () => {
  const retention = { ...unbounded, retentionBytes: 200 };
  const now = { ...idle, activeBytes: 0, bytesPerSecond: 50 };
  expect(deletionTimesMs(segments, retention, now)).toEqual([10 * day + 2_000, 10 * day + 4_000]);
});

test('a segment of unknown age is not counted by time', () => {
  const [segment] = segments.map((known) => ({ ...known, maxTimestampMs: undefined }));
  const retention = { ...unbounded, retentionMs: day };
  expect(deletionTimesMs(segment === undefined ? [] : [segment], retention, idle)).toEqual([
    Infinity,
  ]);
});
