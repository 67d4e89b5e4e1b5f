import { expect, test } from 'vitest';
import {
  firstOffset,
  resetOffset,
  type PartitionOffsets,
  type ResetPolicy,
} from '../../../src/kafka/partition-offsets.ts';

const OFFSETS: PartitionOffsets = {
  remoteStart: 100n,
  remoteEnd: 320n,
  localStart: 300n,
  highWatermark: 390n,
  lastStableOffset: 380n,
  logEnd: 400n,
};
const SILENT = { localStart: undefined, highWatermark: undefined, lastStableOffset: undefined };

test.each<[ResetPolicy, bigint]>([
  ['earliest', 100n],
  ['local-start', 300n],
  ['latest', 390n],
  ['latest-stable', 380n],
  ['remote-end', 320n],
])('%s begins at %s', (policy, offset) => {
  expect(resetOffset(policy, OFFSETS)).toBe(offset);
});

test('what the broker has not told is not guessed', () => {
  const offsets = { ...OFFSETS, ...SILENT };
  expect(resetOffset('earliest', offsets)).toBe(100n);
  expect(resetOffset('remote-end', offsets)).toBe(320n);
  expect(resetOffset('local-start', offsets)).toBeUndefined();
  expect(resetOffset('latest', offsets)).toBeUndefined();
  expect(resetOffset('latest-stable', offsets)).toBeUndefined();
});

test('the first offset is the lower of both tiers', () => {
  expect(firstOffset({ ...OFFSETS, localStart: 0n })).toBe(0n);
  expect(resetOffset('earliest', { ...OFFSETS, localStart: 0n })).toBe(0n);
});

test('an offset is kept between the first offset and the high watermark', () => {
  expect(resetOffset('remote-end', { ...OFFSETS, remoteEnd: 395n })).toBe(390n);
  expect(resetOffset('latest', { ...OFFSETS, highWatermark: 50n, localStart: 200n })).toBe(100n);
});
