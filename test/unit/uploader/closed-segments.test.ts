import { assert, constantFrom, nat, property, uniqueArray } from 'fast-check';
import { expect, test } from 'vitest';
import { segmentFileName } from '../../../src/kafka/segment-files.ts';
import { closedSegments, type LocalFile } from '../../../src/uploader/closed-segments.ts';

function files(...names: string[]): LocalFile[] {
  return names.map((name) => ({ name, sizeBytes: undefined }));
}

test('every log but the last is closed, and ends where the next begins', () => {
  const listing = [
    { name: '00000000000000000120.log', sizeBytes: 0 },
    { name: '00000000000000000000.log', sizeBytes: 500 },
    { name: '00000000000000000000.index', sizeBytes: 8 },
    { name: '00000000000000000045.log', sizeBytes: 700 },
    { name: 'leader-epoch-checkpoint', sizeBytes: 30 },
    { name: 'partition.metadata', sizeBytes: 43 },
  ];
  expect(closedSegments('orders-0', listing)).toEqual({
    closed: [
      { startOffset: 0n, nextOffset: 45n, logBytes: 500 },
      { startOffset: 45n, nextOffset: 120n, logBytes: 700 },
    ],
    activeOffset: 120n,
  });
});

test('deleted, cleaned and swapped files and empty logs are no segments', () => {
  const listing = [
    ...files(
      '00000000000000000000.log.deleted',
      '00000000000000000010.log.cleaned',
      '00000000000000000020.log.swap',
      '00000000000000000030.log',
      '00000000000000000050.log',
    ),
    { name: '00000000000000000040.log', sizeBytes: 0 },
  ];
  expect(closedSegments('orders-0', listing)).toEqual({
    closed: [{ startOffset: 30n, nextOffset: 40n, logBytes: undefined }],
    activeOffset: 50n,
  });
});

test.each([
  'orders-0.d41d8cd98f00b204e9800998ecf8427e-future',
  'orders-0.d41d8cd98f00b204e9800998ecf8427e-delete',
  'orders-0.d41d8cd98f00b204e9800998ecf8427e-stray',
  '__cluster_metadata-0',
  'lost+found',
])('%s is not the directory of a live partition', (name) => {
  const listing = files('00000000000000000000.log', '00000000000000000010.log');
  expect(closedSegments(name, listing)).toEqual({ closed: [], activeOffset: undefined });
});

test('a topic whose name only looks special is live', () => {
  const listing = files('00000000000000000000.log', '00000000000000000010.log');
  expect(closedSegments('orders-delete-0', listing).closed).toHaveLength(1);
});

test('closed segments ascend, touch, and never hold the active one, in whatever order names come', () => {
  const noise = constantFrom('x.tmp', '00000000000000000007.snapshot', '7.log', 'a.log.deleted');
  assert(
    property(uniqueArray(nat(1000)), uniqueArray(noise), (bases, junk) => {
      const names = [...bases.map((base) => segmentFileName(BigInt(base), 'log')), ...junk];
      const { closed, activeOffset } = closedSegments('t-1', files(...names));
      const sorted = bases.toSorted((a, b) => a - b).map(BigInt);
      expect(closed.map(({ startOffset }) => startOffset)).toEqual(sorted.slice(0, -1));
      expect(closed.map(({ nextOffset }) => nextOffset)).toEqual(sorted.slice(1));
      expect(activeOffset).toBe(sorted.at(-1));
    }),
  );
});
