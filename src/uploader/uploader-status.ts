// What the uploader tells operators; it only reports, the operator's room joins it with the remote side.
import type { CopyStep } from './copy-segment.ts';
import type { PartitionFinding } from './partition-state.ts';
import type { Claim } from './segment-ledger.ts';
import type { TopicSettings } from './settings.ts';
import type { Waiting } from './waiting-reason.ts';

export type LocalSegmentState =
  | 'remote'
  | 'copying'
  | 'queued'
  | 'waiting'
  | 'quarantined'
  | 'active';

export interface LocalSegmentStatus {
  readonly startOffset: bigint;
  /** Exclusive; undefined for the active segment. */
  readonly nextOffset: bigint | undefined;
  readonly logBytes: number;
  readonly state: LocalSegmentState;
  /** Undefined when it is remote. */
  readonly waiting: Waiting | undefined;
  /** While it is copied. */
  readonly copiedBytes: number | undefined;
  /** Wall clock: when Kafka's own retention may delete it; Infinity: not as things are. */
  readonly deletableAtMs: number;
}

export interface LocalPartitionStatus {
  readonly topic: string;
  readonly partition: number;
  /** Undefined while partition.metadata is not written. */
  readonly topicId: string | undefined;
  readonly logDir: string;
  /** The broker believes that it leads. */
  readonly isLeader: boolean;
  readonly claim: Claim | undefined;
  /** Entry of `topics:`; undefined: not tiered. */
  readonly rule: TopicSettings | undefined;
  readonly blocked: Waiting | undefined;
  /** Ascending; the active one last. */
  readonly segments: readonly LocalSegmentStatus[];
  readonly lastUploadMs: number | undefined;
  readonly findings: readonly PartitionFinding[];
}

export interface CopyTask {
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: bigint;
  readonly step: CopyStep | 'opening';
  readonly sentBytes: number;
  readonly totalBytes: number;
  readonly attempt: number;
  readonly sinceMs: number;
}

/** What the eraser of this process knows of the delete queue, by object key. */
export interface EraserStatus {
  readonly inHand: ReadonlySet<string>;
  /** The last failure of each object that was not deleted. */
  readonly failures: ReadonlyMap<string, string>;
}

export interface UploaderStatus {
  /** Looks at sizes on disk, so it takes a moment; undefined topic: all. */
  partitions(
    topic: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly LocalPartitionStatus[]>;
  tasks(): { readonly copies: readonly CopyTask[]; readonly queued: number };
  erasures(): EraserStatus;
  /** Of the whole sidecar: log directories, watches, the delete queue. */
  findings(): readonly PartitionFinding[];
  /** Gives up the claim on one partition; the true leader claims again. NOT_FOUND when it holds none. */
  releaseClaim(topic: string, partition: number, signal: AbortSignal): Promise<void>;
  /** In words; empty when the first look is done and the broker answers. */
  notReady(): readonly string[];
}
