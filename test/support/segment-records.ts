// Records and snapshots of one partition for tests of pure planners.
import { segmentId, topicId } from '../../src/segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../src/segment/segment-record.ts';

export const partitionId = { topicId: topicId('zNXW4P_MSfSWcZnwHAkGbA'), partition: 3 };
export const claimToken = { incarnation: 1, index: 50n };

/** A different id for each number. */
export function numberedSegment(number: number) {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number, 12);
  return segmentId(bytes.toString('base64url'));
}

/** [start, next) of epoch 1, FINISHED, 100 bytes. */
export function segmentRecord(
  range: readonly [start: number, next: number],
  more: Partial<SegmentRecord> = {},
): SegmentRecord {
  const [start, next] = range;
  return {
    ...partitionId,
    segmentId: numberedSegment(start * 10_000 + next),
    state: 'COPY_SEGMENT_FINISHED',
    fenceToken: claimToken,
    store: 'main',
    objectKey: `key-${start}-${next}`,
    uploadIds: [],
    startOffset: BigInt(start),
    nextOffset: BigInt(next),
    maxTimestampMs: next,
    eventTimestampMs: 0,
    brokerId: 1,
    logBytes: 100,
    objectBytes: 120,
    epochs: [{ epoch: 1, startOffset: BigInt(start) }],
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
    adopted: false,
    ...more,
  };
}

export function partitionSnapshot(
  segments: readonly SegmentRecord[],
  more: Partial<PartitionSnapshot> = {},
): PartitionSnapshot {
  return {
    id: partitionId,
    topic: 'orders',
    revision: claimToken,
    lineage: [{ epoch: 1, startOffset: 0n }],
    remoteStart: 0n,
    claim: {
      leaderEpoch: 1,
      brokerId: 1,
      token: claimToken,
      released: false,
      lastIntentNumber: 0n,
    },
    segments,
    ...more,
  };
}

export function closedSegment(start: number, next: number) {
  return { startOffset: BigInt(start), nextOffset: BigInt(next), logBytes: 100 };
}
