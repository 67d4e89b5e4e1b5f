// What a view keeps over restarts. Rows of one generation belong together; only the generation that is live
// is read again, so that a view that was being filled is never taken for a whole one (safety rule 3).
import type { PartitionRow } from '../../gen/logtier/v1/catalog_command.ts';
import type { PartitionId, Revision, TopicId } from '../../segment/ids.ts';
import type { SegmentRecord } from '../../segment/segment-record.ts';

export interface KeptPartition {
  readonly id: PartitionId;
  /** Of its range load. */
  readonly loadedAt: Revision;
  /** Undefined while nobody ever claimed the partition. */
  readonly row: PartitionRow | undefined;
  /** By start offset, then id. */
  readonly segments: readonly SegmentRecord[];
}

export interface KeptView {
  readonly position: Revision;
  readonly partitions: readonly KeptPartition[];
  readonly topics: ReadonlyMap<string, TopicId>;
}

export type ViewChange =
  /** All of a partition, in the place of what was kept of it. */
  | { readonly kind: 'whole'; readonly partition: KeptPartition }
  /** A partition's row; its segments stay. */
  | { readonly kind: 'row'; readonly partition: Omit<KeptPartition, 'segments'> }
  /** Also DELETE_SEGMENT_FINISHED: then it goes. */
  | { readonly kind: 'segment'; readonly record: SegmentRecord }
  | { readonly kind: 'dropped'; readonly id: PartitionId }
  | { readonly kind: 'topic'; readonly name: string; readonly id: TopicId | undefined };

export interface ViewKeeper {
  /** Changes and position go in together or not at all; calls take effect in their order. Never throws. */
  keep(position: Revision | undefined, changes: readonly ViewChange[]): void;
}

export interface ViewHome {
  /** What an earlier life kept, once; then `keeper` goes on with it. */
  restored(): Promise<{ readonly view: KeptView; readonly keeper: ViewKeeper } | undefined>;
  /** A new generation, empty. */
  begin(): ViewKeeper;
  /** Its generation is whole: the others go. */
  live(keeper: ViewKeeper): void;
  /** Idempotent; what was kept before is written. */
  stop(): Promise<void>;
}

const FORGETS: ViewKeeper = { keep: () => undefined };

/** Where the catalog itself lies in this process, or nothing is to be kept. */
export const forgetfulHome: ViewHome = {
  restored: () => Promise.resolve(undefined),
  begin: () => FORGETS,
  live: () => undefined,
  stop: () => Promise.resolve(),
};
