// What the uploader needs of the metastore. The metastore's client has this shape; app/ joins them.
import type { Lineage } from '../kafka/lineage.ts';
import type { FenceToken, PartitionId, Revision, SegmentId } from '../segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';

export interface ClaimRequest {
  readonly id: PartitionId;
  readonly topic: string;
  readonly leaderEpoch: number;
  /** The broker's leader-epoch-checkpoint; counts only at and above `brokerLocalStart` (rule 1). */
  readonly lineage: Lineage;
  readonly brokerLocalStart: bigint;
  /** Where tiering begins, if this is the partition's very first claim; ignored ever after. */
  readonly initialRemoteStart: bigint;
}

/** The right to change one partition, until a newer claim takes it. */
export interface Claim {
  readonly id: PartitionId;
  readonly topic: string;
  readonly leaderEpoch: number;
  readonly token: FenceToken;
  /** The view must have come this far before it is asked about this partition (rule 3). */
  readonly revision: Revision;
  /** Merged; what the catalog holds from now on. */
  readonly lineage: Lineage;
  readonly remoteStart: bigint;
}

/** What is fixed before the first byte is sent; the ledger adds token, state and times. */
export type CopyIntent = Omit<
  SegmentRecord,
  'state' | 'fenceToken' | 'uploadIds' | 'eventTimestampMs' | 'adopted'
> & {
  /** As read when the descriptors were opened. */
  readonly brokerLineage: Lineage;
  readonly brokerLocalStart: bigint;
};

export type DeleteReason = 'RETENTION_TIME' | 'RETENTION_BYTES' | 'DIVERGED' | 'OPERATOR';

export interface SegmentDelete {
  readonly segmentId: SegmentId;
  readonly reason: DeleteReason;
  /** The lineage entry that contradicts the segment; required for DIVERGED (rule 1). */
  readonly contradiction?: { readonly epoch: number; readonly startOffset: bigint };
}

/**
 * Fenced changes of one partition. Every method repeats its command, with the same sequence number, until
 * the metastore answers by value (rule 4) or `signal` fires; an abort means that the outcome is unknown.
 * Refusals are LogtierErrors: FENCED_LEADER_EPOCH, FENCED_INSTANCE, ILLEGAL_TRANSITION, MODE_CONFLICT,
 * TOPIC_DELETED, CLOCK_SKEW.
 */
export interface SegmentLedger {
  /** Fences every earlier claim; re-stamps this broker's own open intents (rule 11). */
  claim(request: ClaimRequest, signal: AbortSignal): Promise<Claim>;
  release(claim: Claim, signal: AbortSignal): Promise<void>;
  /** Safe to repeat for one segment id; a known id with other facts is ILLEGAL_TRANSITION. */
  startCopy(claim: Claim, intent: CopyIntent, signal: AbortSignal): Promise<SegmentRecord>;
  recordUpload(claim: Claim, id: SegmentId, uploadId: string, signal: AbortSignal): Promise<void>;
  finishCopy(claim: Claim, id: SegmentId, signal: AbortSignal): Promise<void>;
  /** `finished`: the copy had been committed after all and counts as done (rule 4). */
  abortCopy(
    claim: Claim,
    id: SegmentId,
    why: string,
    signal: AbortSignal,
  ): Promise<'aborted' | 'finished'>;
  /** For an intent of an earlier owner whose object was verified by its manifest (rule 10). */
  adoptIntent(claim: Claim, id: SegmentId, signal: AbortSignal): Promise<void>;
  /** In one command: moves the remote start first, then ends each record and queues its object. */
  deleteSegments(
    claim: Claim,
    remoteStart: bigint,
    segments: readonly SegmentDelete[],
    signal: AbortSignal,
  ): Promise<void>;
}

/** The sidecar's local view. */
export interface SegmentView {
  /**
   * Waits until the view is complete for the partition and at or past `atLeast` and every change of this
   * process that was answered; NOT_READY after a bound.
   */
  snapshot(id: PartitionId, atLeast: Revision, signal: AbortSignal): Promise<PartitionSnapshot>;
  /** Without waiting; undefined while it is not complete. For the operator's pages and for planning. */
  peek(id: PartitionId): PartitionSnapshot | undefined;
}

/** An object that no record names any more, to be erased by whoever comes first (rules 23–25). */
export interface EraseTask {
  readonly id: PartitionId;
  readonly segmentId: SegmentId;
  readonly store: string;
  readonly objectKey: string;
  readonly uploadIds: readonly string[];
  readonly objectBytes: number;
  /** False: a late writer may still write; two passes a late window apart (rule 24). */
  readonly everFinished: boolean;
  readonly passes: number;
  readonly queuedMs: number;
}

export interface ErasePrefixTask {
  readonly id: PartitionId;
  readonly store: string;
  readonly keyPrefix: string;
  readonly emptyListings: number;
}

export interface EraseQueue {
  /** True when this process may drain the share until the lease ends; a courtesy, not a fence. */
  lease(share: string, ttlMs: number, signal: AbortSignal): Promise<boolean>;
  due(
    stores: readonly string[],
    limit: number,
    signal: AbortSignal,
  ): Promise<{
    readonly objects: readonly EraseTask[];
    readonly prefixes: readonly ErasePrefixTask[];
  }>;
  erased(task: EraseTask, signal: AbortSignal): Promise<void>;
  /** First pass done: comes due again after `waitMs`. */
  passed(task: EraseTask, waitMs: number, signal: AbortSignal): Promise<void>;
  listed(task: ErasePrefixTask, empty: boolean, waitMs: number, signal: AbortSignal): Promise<void>;
}

/** The clocks of rule 8. */
export interface MetastoreClock {
  /** The answering member's wall clock, and whether a jump waits for an operator. */
  read(signal: AbortSignal): Promise<{ readonly wallMs: number; readonly held: boolean }>;
}
