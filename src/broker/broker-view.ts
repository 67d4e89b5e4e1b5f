// What a Kafka broker says. Its word on leadership is a belief, never a proof: the claim in the metastore is the fence.
import type { TopicConfig } from './topic-config.ts';

export interface BrokerAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export interface BrokerPartition {
  readonly partition: number;
  /** -1 while there is none. */
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

export interface BrokerTopic {
  readonly name: string;
  /** 22-character base64url. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly partitions: readonly BrokerPartition[];
}

export interface ClusterMetadata {
  readonly clusterId: string;
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly BrokerTopic[];
}

/**
 * Timestamps of ListOffsets (KIP-405, KIP-1005): -1, -2, -4. `logEnd` is -1 asked as Kafka's debugging replica:
 * the log's own end, above the high watermark, which followers tell too.
 */
export type OffsetSpec = 'latest' | 'earliest' | 'earliestLocal' | 'logEnd';

export interface OffsetQuery {
  readonly topic: string;
  readonly partition: number;
  /** The epoch we believe in; undefined asks without a check. */
  readonly leaderEpoch: number | undefined;
}

/** `refused` holds the broker's own error name, such as FENCED_LEADER_EPOCH. */
export type OffsetAnswer =
  | { readonly offset: bigint; readonly leaderEpoch: number }
  | { readonly refused: string };

export interface FetchQuery {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Only below the last stable offset, and with the aborted transactions told. */
  readonly committedOnly: boolean;
}

export interface FetchedBatches {
  /** Whole batches as the broker sent them; a cut last batch is dropped. */
  readonly batches: Uint8Array;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  /** Those that touch the batches; none unless `committedOnly`. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
}

/**
 * One broker, asked directly. Errors: BROKER_UNAVAILABLE (retry), BROKER_DENIED, WRONG_CLUSTER,
 * NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE.
 */
export interface BrokerView {
  readonly brokerId: number;
  /** What the broker lists of these topics. A topic that is missing proves nothing (safety rule 5). */
  metadata(topics: readonly string[], signal: AbortSignal): Promise<ClusterMetadata>;
  /** One answer a query, in order. `committedOnly`: the last stable offset instead of the high watermark. */
  offsets(
    queries: readonly OffsetQuery[],
    spec: OffsetSpec,
    committedOnly: boolean,
    signal: AbortSignal,
  ): Promise<OffsetAnswer[]>;
  /** Topics without an answer are left out. */
  topicConfigs(
    topics: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, TopicConfig>>;
  /** The newest epoch that another broker knows; best effort (rule 31): silence is undefined. */
  epochElsewhere(
    topic: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<number | undefined>;
  fetch(query: FetchQuery, signal: AbortSignal): Promise<FetchedBatches>;
  stop(): Promise<void>;
}
