// Records of the catalog as the operator's messages carry them.
import * as proto from '../gen/logtier/v1/catalog_command.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { SegmentState } from '../segment/segment-state.ts';

const STATES: Record<SegmentState, proto.SegmentState> = {
  COPY_SEGMENT_STARTED: proto.SegmentState.COPY_SEGMENT_STARTED,
  COPY_SEGMENT_FINISHED: proto.SegmentState.COPY_SEGMENT_FINISHED,
  DELETE_SEGMENT_STARTED: proto.SegmentState.DELETE_SEGMENT_STARTED,
  DELETE_SEGMENT_FINISHED: proto.SegmentState.DELETE_SEGMENT_FINISHED,
};

export function segmentMessage(record: SegmentRecord): proto.SegmentRecord {
  return {
    ...record,
    state: STATES[record.state],
    uploadIds: [...record.uploadIds],
    maxTimestampMs: BigInt(record.maxTimestampMs),
    eventTimestampMs: BigInt(record.eventTimestampMs),
    logBytes: BigInt(record.logBytes),
    objectBytes: BigInt(record.objectBytes),
    epochs: record.epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
    customMetadata: Buffer.alloc(0),
  };
}

/** Empty for a partition that was never claimed. */
export function modeName(mode: proto.TopicMode | undefined): string {
  if (mode === proto.TopicMode.WATCH) return 'watch';
  return mode === proto.TopicMode.PLUGIN ? 'plugin' : '';
}
