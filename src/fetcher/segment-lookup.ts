// What the fetcher needs of the sidecar's local view. The metastore's client has this shape; app/ joins them.
import type { PartitionSnapshot } from '../segment/segment-record.ts';

export interface SegmentLookup {
  /**
   * The newest complete state of a partition by its topic's name. NOT_READY while the partition is not
   * complete, or when the view's last progress mark is older than 10 s (safety rule 21): never an empty
   * answer instead. NOT_FOUND when a complete and fresh view knows no such topic or partition.
   */
  find(topic: string, partition: number, signal: AbortSignal): Promise<PartitionSnapshot>;
  /** Re-reads with a read barrier, for answers that would say "there is nothing" (decision table, row 3). */
  findLinearizable(
    topic: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<PartitionSnapshot>;
}

/** What the local broker says of one partition; undefined fields: it did not answer. */
export interface LocalOffsets {
  readonly localStart: bigint | undefined;
  readonly highWatermark: bigint | undefined;
  readonly lastStableOffset: bigint | undefined;
}

/** How the transactions ended that began below an offset where local data goes on. */
export interface LocalOutcomes {
  /** What began below it is decided: aborted if listed, else committed. */
  readonly lastStableOffset: bigint;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
}

export interface BrokerOffsets {
  /** READ_COMMITTED, at `offset`. OFFSET_OUT_OF_RANGE when local data does not hold it. */
  outcomes(
    topic: string,
    partition: number,
    offset: bigint,
    signal: AbortSignal,
  ): Promise<LocalOutcomes>;
  offsets(topic: string, partition: number, signal: AbortSignal): Promise<LocalOffsets>;
}
