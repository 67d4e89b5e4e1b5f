import { expect, test } from 'vitest';
import { BatchScanner } from '../../../src/kafka/batch-scanner.ts';
import { SegmentSummarizer } from '../../../src/kafka/segment-summary.ts';
import {
  buildSegment,
  endTransaction,
  plainBatches,
  type SegmentSpec,
} from '../../support/kafka-files.ts';

async function summaryOf(spec: SegmentSpec) {
  const built = await buildSegment(spec);
  const summarizer = new SegmentSummarizer(spec.baseOffset);
  const scanner = new BatchScanner({ segmentBaseOffset: spec.baseOffset });
  scanner.push(built.log).forEach((batch) => summarizer.add(batch));
  return { built, summary: summarizer.summary() };
}

test('a plain segment is told in full', async () => {
  const batches = [...plainBatches(20, { epoch: 2 }), ...plainBatches(5, { epoch: 5 })];
  const { built, summary } = await summaryOf({ baseOffset: 100n, batches });
  expect(summary).toEqual({
    startOffset: 100n,
    nextOffset: 125n,
    logBytes: built.log.length,
    batchesCount: 3,
    recordsCount: 25,
    maxTimestampMs: 1_700_000_019_000,
    offsetOfMaxTimestamp: 119n,
    epochs: [
      { epoch: 2, startOffset: 100n },
      { epoch: 5, startOffset: 120n },
    ],
    batchesWithoutEpoch: 0,
    hasTransactions: false,
    hasHoles: false,
  });
});

test('an empty segment has no timestamp and no epoch', async () => {
  const { summary } = await summaryOf({ baseOffset: 7n, batches: [] });
  expect(summary).toMatchObject({
    nextOffset: 7n,
    maxTimestampMs: -1,
    offsetOfMaxTimestamp: -1n,
    epochs: [],
  });
});

test('the first epoch begins at the base even where the first offsets are gone', async () => {
  const batches = [
    { ...plainBatches(1, { epoch: 3 })[0]!, baseOffset: 40n },
    { ...plainBatches(1, { epoch: 4 })[0]!, baseOffset: 60n },
  ];
  const { summary } = await summaryOf({ baseOffset: 30n, batches });
  expect(summary).toMatchObject({
    hasHoles: true,
    epochs: [
      { epoch: 3, startOffset: 30n },
      { epoch: 4, startOffset: 60n },
    ],
  });
});

test('batches without an epoch are counted and stand in no entry', async () => {
  const batches = [...plainBatches(1, { epoch: -1 }), ...plainBatches(1, { epoch: 1 })];
  const { summary } = await summaryOf({ baseOffset: 0n, batches });
  expect(summary).toMatchObject({
    batchesWithoutEpoch: 1,
    epochs: [{ epoch: 1, startOffset: 1n }],
  });
});

test('transactions are noticed', async () => {
  const transaction = { transactional: true, producerId: 5n, producerEpoch: 0 };
  const batches = [
    { ...plainBatches(2)[0]!, ...transaction },
    endTransaction('abort', { epoch: 0, producerId: 5n, timestampMs: 1 }),
  ];
  const { summary } = await summaryOf({ baseOffset: 0n, batches });
  expect(summary).toMatchObject({ hasTransactions: true, recordsCount: 3, nextOffset: 3n });
});
