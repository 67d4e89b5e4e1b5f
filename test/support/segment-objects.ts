// Whole segment objects in memory, made of a built segment as the uploader makes them.
import { crc32 } from '../../src/base/checksum.ts';
import { printLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import type { Lineage } from '../../src/kafka/lineage.ts';
import { segmentId, topicId } from '../../src/segment/ids.ts';
import { buildObjectKey } from '../../src/segment/object-key.ts';
import { writeObjectTail } from '../../src/segment/segment-object-writer.ts';
import { LOG_CHUNK_BYTES, type SegmentFacts } from '../../src/segment/segment-object.ts';
import {
  buildProducerSnapshot,
  buildSegment,
  endTransaction,
  plainBatches,
  type BatchSpec,
  type BuiltSegment,
} from './kafka-files.ts';

export interface BuiltObject {
  readonly segment: BuiltSegment;
  readonly facts: SegmentFacts;
  readonly bytes: Buffer;
  readonly key: string;
}

export function chunkCrcsOf(log: Buffer): number[] {
  const crcs: number[] = [];
  for (let at = 0; at < log.length; at += LOG_CHUNK_BYTES) {
    crcs.push(crc32(log.subarray(at, at + LOG_CHUNK_BYTES)));
  }
  return crcs;
}

/** Two leader epochs, and a transaction that is aborted. */
export function sampleBatches(): BatchSpec[] {
  const open: BatchSpec = {
    epoch: 3,
    transactional: true,
    producerId: 77n,
    producerEpoch: 0,
    baseSequence: 0,
    records: [{ key: 'open', value: 'undone', timestampMs: 1_700_000_500_000 }],
  };
  const abort = endTransaction('abort', {
    epoch: 4,
    producerId: 77n,
    timestampMs: 1_700_000_600_000,
  });
  return [...plainBatches(400, { epoch: 3 }), open, abort, ...plainBatches(200, { epoch: 4 })];
}

export const sampleEpochs: Lineage = [
  { epoch: 3, startOffset: 1000n },
  { epoch: 4, startOffset: 1401n },
];

export async function buildObject(
  batches: readonly BatchSpec[] = sampleBatches(),
  epochs: Lineage = sampleEpochs,
): Promise<BuiltObject> {
  const segment = await buildSegment({ baseOffset: 1000n, batches });
  const facts: SegmentFacts = {
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    topic: 'orders',
    topicId: topicId('zNXW4P_MSfSWcZnwHAkGbA'),
    partition: 3,
    segmentId: segmentId('AZqxlI1YcXm9vGnYrm6xOA'),
    firstToken: { incarnation: 2, index: 4711n },
    brokerId: 1,
    intentMs: 1_732_420_000_000,
    startOffset: segment.baseOffset,
    nextOffset: segment.nextOffset,
    maxTimestampMs: segment.maxTimestampMs,
    epochs,
    rebuilt: false,
    noProducerSnapshot: false,
  };
  const tail = writeObjectTail(
    facts,
    { bytes: segment.log.length, chunkCrcs: chunkCrcsOf(segment.log) },
    {
      offsetIndex: segment.index,
      timeIndex: segment.timeindex,
      transactionIndex: segment.txnindex,
      producerSnapshot: buildProducerSnapshot([{ producerId: 77n, lastOffset: 1401n }]),
      leaderEpochCheckpoint: Buffer.from(
        printLeaderEpochCheckpoint([{ epoch: 1, startOffset: 0n }, ...epochs]),
      ),
    },
  );
  return {
    segment,
    facts,
    bytes: Buffer.concat([segment.log, tail.bytes]),
    key: buildObjectKey({
      ...facts,
      id: { topicId: facts.topicId, partition: facts.partition },
      token: facts.firstToken,
    }),
  };
}
