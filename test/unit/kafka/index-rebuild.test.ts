import { array, assert, asyncProperty, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import { BatchScanner } from '../../../src/kafka/batch-scanner.ts';
import { IndexRebuilder } from '../../../src/kafka/index-rebuild.ts';
import { floorPosition, parseOffsetIndex } from '../../../src/kafka/offset-index.ts';
import { floorOffset, parseTimeIndex } from '../../../src/kafka/time-index.ts';
import { buildSegment, plainBatches, type BuiltSegment } from '../../support/kafka-files.ts';

function rebuild(built: BuiltSegment, intervalBytes?: number) {
  const rebuilder = new IndexRebuilder(built.baseOffset, intervalBytes);
  const scanner = new BatchScanner({ segmentBaseOffset: built.baseOffset });
  scanner.push(built.log).forEach((batch) => rebuilder.add(batch));
  return rebuilder.finish();
}

const shapes = array(
  record({
    records: integer({ min: 1, max: 30 }),
    firstMs: integer({ min: 0, max: 100 }),
    stepMs: integer({ min: -3, max: 3 }),
    valueBytes: integer({ min: 10, max: 300 }),
  }),
  { maxLength: 12 },
);

function segmentOf(
  list: readonly { records: number; firstMs: number; stepMs: number; valueBytes: number }[],
) {
  const batches = list.flatMap(({ records, firstMs, ...rest }) =>
    plainBatches(records, { firstMs: firstMs + 100, batchRecords: 4, ...rest }),
  );
  return buildSegment({ baseOffset: 1000n, batches, indexIntervalBytes: 1500 });
}

test('rebuilt indexes are what a broker writes that appends batch by batch', async () => {
  await assert(
    asyncProperty(shapes, async (list) => {
      const built = await segmentOf(list);
      const { offsetIndex, timeIndex } = rebuild(built, 1500);
      expect(Buffer.from(offsetIndex)).toEqual(built.index);
      expect(Buffer.from(timeIndex)).toEqual(built.timeindex);
    }),
  );
});

test('a floor by offset is never behind the batch that holds it', async () => {
  await assert(
    asyncProperty(shapes, integer({ min: 0, max: 400 }), async (list, step) => {
      const built = await segmentOf(list);
      const target = built.baseOffset + BigInt(step);
      const { offsetIndex } = rebuild(built, 500);
      const floor = floorPosition(offsetIndex, built.baseOffset, target);
      const holder = built.batches.find((batch) => batch.lastOffset >= target);
      expect(floor.position).toBeLessThanOrEqual(holder?.position ?? built.log.length);
      expect([0, ...built.batches.map((batch) => batch.position)]).toContain(floor.position);
    }),
  );
});

test('a floor by time is never behind the first record that is new enough', async () => {
  await assert(
    asyncProperty(shapes, integer({ min: 0, max: 400 }), async (list, timestampMs) => {
      const built = await segmentOf(list);
      const floor = floorOffset(rebuild(built, 500).timeIndex, built.baseOffset, timestampMs);
      const first = built.batches.find((batch) => batch.maxTimestampMs >= timestampMs);
      expect(floor <= (first?.lastOffset ?? built.nextOffset)).toBe(true);
    }),
  );
});

test('rebuilt indexes pass the checks of the parsers', async () => {
  const built = await buildSegment({ baseOffset: 5n, batches: plainBatches(500) });
  const { offsetIndex, timeIndex } = rebuild(built);
  const bounds = { baseOffset: 5n, nextOffset: built.nextOffset, logBytes: built.log.length };
  expect(parseOffsetIndex(offsetIndex, bounds).length).toBeGreaterThan(10);
  expect(parseTimeIndex(timeIndex, bounds).at(-1)).toEqual({
    timestampMs: built.maxTimestampMs,
    offset: built.nextOffset - 1n,
  });
});

test('a segment without timestamps gets an empty time index', async () => {
  const records = [{ value: 'x', timestampMs: -1 }];
  const built = await buildSegment({ baseOffset: 0n, batches: [{ epoch: 0, records }] });
  expect(rebuild(built).timeIndex).toHaveLength(0);
});

test('an entry comes after more than the interval, not at it', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: plainBatches(2, { batchRecords: 1 }),
  });
  const firstBytes = built.batches[0]!.bytes.length;
  expect(rebuild(built, firstBytes).offsetIndex).toHaveLength(0);
  expect(rebuild(built, firstBytes - 1).offsetIndex).toHaveLength(8);
});
