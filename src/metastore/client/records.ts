// Between the messages of the metastore and the records that the rest of the sidecar knows.
import * as proto from '../../gen/logtier/v1/catalog_command.ts';
import { type PartitionId, type Revision, segmentId, topicId } from '../../segment/ids.ts';
import type { ClaimFacts, SegmentRecord } from '../../segment/segment-record.ts';
import type { SegmentState } from '../../segment/segment-state.ts';
import { LogtierError } from '../../base/errors.ts';

const STATES: Record<SegmentState, proto.SegmentState> = {
  COPY_SEGMENT_STARTED: proto.SegmentState.COPY_SEGMENT_STARTED,
  COPY_SEGMENT_FINISHED: proto.SegmentState.COPY_SEGMENT_FINISHED,
  DELETE_SEGMENT_STARTED: proto.SegmentState.DELETE_SEGMENT_STARTED,
  DELETE_SEGMENT_FINISHED: proto.SegmentState.DELETE_SEGMENT_FINISHED,
};

function stateOf(state: proto.SegmentState): SegmentState {
  switch (state) {
    case proto.SegmentState.COPY_SEGMENT_STARTED:
      return 'COPY_SEGMENT_STARTED';
    case proto.SegmentState.COPY_SEGMENT_FINISHED:
      return 'COPY_SEGMENT_FINISHED';
    case proto.SegmentState.DELETE_SEGMENT_STARTED:
      return 'DELETE_SEGMENT_STARTED';
    case proto.SegmentState.DELETE_SEGMENT_FINISHED:
      return 'DELETE_SEGMENT_FINISHED';
    case proto.SegmentState.UNSPECIFIED:
      throw new LogtierError('CORRUPT_STATE', 'a segment record of the metastore has no state');
  }
}

export function recordOf(message: proto.SegmentRecord): SegmentRecord {
  return {
    topicId: topicId(message.topicId),
    partition: message.partition,
    segmentId: segmentId(message.segmentId),
    state: stateOf(message.state),
    fenceToken: revisionOf(message.fenceToken),
    store: message.store,
    objectKey: message.objectKey,
    uploadIds: message.uploadIds,
    startOffset: message.startOffset,
    nextOffset: message.nextOffset,
    maxTimestampMs: Number(message.maxTimestampMs),
    eventTimestampMs: Number(message.eventTimestampMs),
    brokerId: message.brokerId,
    logBytes: Number(message.logBytes),
    objectBytes: Number(message.objectBytes),
    epochs: message.epochs,
    txnIndexEmpty: message.txnIndexEmpty,
    rebuilt: message.rebuilt,
    noProducerSnapshot: message.noProducerSnapshot,
    adopted: message.adopted,
  };
}

export function messageOf(record: SegmentRecord): proto.SegmentRecord {
  return {
    topicId: record.topicId,
    partition: record.partition,
    segmentId: record.segmentId,
    state: STATES[record.state],
    fenceToken: record.fenceToken,
    store: record.store,
    objectKey: record.objectKey,
    uploadIds: [...record.uploadIds],
    startOffset: record.startOffset,
    nextOffset: record.nextOffset,
    maxTimestampMs: BigInt(record.maxTimestampMs),
    eventTimestampMs: BigInt(record.eventTimestampMs),
    brokerId: record.brokerId,
    logBytes: BigInt(record.logBytes),
    objectBytes: BigInt(record.objectBytes),
    epochs: record.epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
    txnIndexEmpty: record.txnIndexEmpty,
    rebuilt: record.rebuilt,
    noProducerSnapshot: record.noProducerSnapshot,
    adopted: record.adopted,
    customMetadata: Buffer.alloc(0),
  };
}

/** A message without a revision is none of ours. */
export function revisionOf(token: proto.FenceToken | undefined): Revision {
  if (token === undefined) {
    throw new LogtierError('CORRUPT_STATE', 'an answer of the metastore has no revision');
  }
  return { incarnation: token.incarnation, index: token.index };
}

export function claimFactsOf(row: proto.ClaimRow | undefined): ClaimFacts | undefined {
  if (row === undefined) return undefined;
  return {
    leaderEpoch: row.leaderEpoch,
    brokerId: row.brokerId,
    token: revisionOf(row.fenceToken),
    released: row.released,
    lastIntentNumber: row.lastIntentNumber,
  };
}

export function partitionIdOf(ref: proto.PartitionRef | undefined): PartitionId {
  if (ref === undefined) {
    throw new LogtierError('CORRUPT_STATE', 'a row of the metastore names no partition');
  }
  return { topicId: topicId(ref.topicId), partition: ref.partition };
}
