// What the operator's pages need of the metastore. app/ joins it with the metastore's client.
import type { PartitionRow } from '../gen/logtier/v1/catalog_command.ts';
import type { FenceToken, PartitionId, SegmentId, TopicId } from '../segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../segment/segment-record.ts';

/** A partition that was ever claimed, with the sums that the catalog keeps of it. */
export interface CatalogPartition {
  readonly id: PartitionId;
  readonly row: PartitionRow;
  readonly finishedSegments: number;
  /** Of the finished segments. */
  readonly logBytes: number;
}

export interface CatalogStatus {
  /** The answering member's wall clock. */
  readonly memberClockMs: number;
  /** 0: nothing was ever written. */
  readonly replicatedClockMs: number;
  /** A jump of the clock waits for an operator (rule 8). */
  readonly clockHeld: boolean;
  /** Orphan erasing waits for the stores to be reconciled after a restore (rule 6). */
  readonly orphanLock: boolean;
  readonly segments: number;
  readonly eraseQueue: number;
}

export interface ViewLag {
  /** As `silentMs` of the catalog. */
  readonly silentMs: number;
  /** Entries of the log that the metastore had and the view had not when they were last compared. */
  readonly revisions: number;
}

/** An object on the delete queue. */
export interface QueuedErase {
  readonly id: PartitionId;
  readonly store: string;
  readonly objectKey: string;
  readonly objectBytes: number;
  /** Erase passes done. */
  readonly passes: number;
  readonly queuedMs: number;
  /** By the replicated clock; 0: due now. */
  readonly dueInMs: number;
}

/** Everything below it is to be erased. */
export interface QueuedPrefix {
  readonly store: string;
  readonly keyPrefix: string;
}

/** Errors: METASTORE_UNAVAILABLE, NOT_READY, DEADLINE_EXCEEDED (retry); NOT_FOUND where it says so. */
export interface RemoteCatalog {
  /** From the local view, without waiting; undefined while it is not complete there. */
  peek(id: PartitionId): PartitionSnapshot | undefined;
  /** Loads the partition into the local view; NOT_FOUND when it was never claimed. */
  find(topic: string, partition: number, signal: AbortSignal): Promise<PartitionSnapshot>;
  /** Everything ever claimed of a topic by name, undefined: of all topics; read page by page to the end. */
  partitions(topic: string | undefined, signal: AbortSignal): Promise<readonly CatalogPartition[]>;
  segment(
    id: PartitionId,
    segmentId: SegmentId,
    signal: AbortSignal,
  ): Promise<SegmentRecord | undefined>;
  /** All that is queued, what is due first first; at most `limit`, which the caller takes for "and more". */
  eraseQueue(limit: number, signal: AbortSignal): Promise<readonly QueuedErase[]>;
  /** Prefixes of deleted topics that are still being erased, at most `limit`. */
  erasePrefixes(limit: number, signal: AbortSignal): Promise<readonly QueuedPrefix[]>;
  status(signal: AbortSignal): Promise<CatalogStatus>;
  /** Age of the view's last progress mark; Infinity before the first (rule 21). */
  silentMs(): number;
  lag(): ViewLag;
}

/** Acts of an operator on the catalog; the caller writes them down. */
export interface CatalogActs {
  confirmClock(nowMs: number, confirmedBy: string, signal: AbortSignal): Promise<void>;
  /** Any broker may claim the topic's partitions at any epoch from now on (rule 32). */
  resetClaim(id: TopicId, operator: string, signal: AbortSignal): Promise<void>;
  /** ILLEGAL_TRANSITION or FENCED_LEADER_EPOCH when `token` is no longer the claim's. */
  releaseClaim(id: PartitionId, token: FenceToken, signal: AbortSignal): Promise<void>;
}
