import type { Lineage } from '../kafka/lineage.ts';
import type { FenceToken, PartitionId, Revision, SegmentId, TopicId } from './ids.ts';
import type { SegmentState } from './segment-state.ts';

/** What the catalog knows of one copy of one segment [startOffset, nextOffset). */
export interface SegmentRecord {
  readonly topicId: TopicId;
  readonly partition: number;
  readonly segmentId: SegmentId;
  readonly state: SegmentState;
  /** Of the claim that started, re-stamped or adopted it; checked at each step. */
  readonly fenceToken: FenceToken;
  /** Name of the configured store. */
  readonly store: string;
  /** Frozen at COPY_SEGMENT_STARTED, never derived from what may change. */
  readonly objectKey: string;
  /** What an unfinished put may have left; empty once COPY_SEGMENT_FINISHED. */
  readonly uploadIds: readonly string[];
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly nextOffset: bigint;
  /** Largest timestamp of its batches; -1 when none has one. */
  readonly maxTimestampMs: number;
  readonly eventTimestampMs: number;
  readonly brokerId: number;
  readonly logBytes: number;
  readonly objectBytes: number;
  /** Of the batches' partitionLeaderEpoch (safety rule 15); the first entry starts at `startOffset`. */
  readonly epochs: Lineage;
  readonly txnIndexEmpty: boolean;
  /** An index was rebuilt from the log (rule 12). */
  readonly rebuilt: boolean;
  readonly noProducerSnapshot: boolean;
  /** Finished by another owner than the one that started it (rule 10). */
  readonly adopted: boolean;
}

/** Everything the catalog holds of one partition, as of one revision. Immutable. */
export interface PartitionSnapshot {
  readonly id: PartitionId;
  readonly topic: string;
  readonly revision: Revision;
  /** Logtier's own, kept for ever (rule 1). */
  readonly lineage: Lineage;
  /** First offset offered; moved only by our retention or an operator (rule 2). */
  readonly remoteStart: bigint;
  readonly claim: ClaimFacts | undefined;
  /** By start offset, then segment id; every state but DELETE_SEGMENT_FINISHED. */
  readonly segments: readonly SegmentRecord[];
}

export interface ClaimFacts {
  readonly leaderEpoch: number;
  readonly brokerId: number;
  readonly token: FenceToken;
  readonly released: boolean;
  readonly lastIntentNumber: bigint;
}
