// The broker beside this sidecar, found by its node id and asked over its own listener.
import { LogtierError } from '../base/errors.ts';
import { uuidFromHex } from '../kafka/uuid.ts';
import type { Clock } from '../platform/clock.ts';
import {
  KafkaConnection,
  type ConnectionOptions,
  type RawMetadata,
  type RawOffset,
} from './kafka-connection.ts';
import type {
  BrokerAddress,
  BrokerView,
  ClusterMetadata,
  FetchedBatches,
  FetchQuery,
  OffsetAnswer,
  OffsetQuery,
  OffsetSpec,
} from './broker-view.ts';
import { CONFIG_KEYS, readTopicConfig, type TopicConfig } from './topic-config.ts';

/** KIP-405 and KIP-1005: which offset a ListOffsets timestamp stands for. */
const TIMESTAMPS: Record<OffsetSpec, bigint> = {
  latest: -1n,
  earliest: -2n,
  earliestLocal: -4n,
  logEnd: -1n,
};

/** Names of the error codes that partitions answer with (apache/kafka Errors.java). */
const ERROR_NAMES: Readonly<Record<number, string>> = {
  1: 'OFFSET_OUT_OF_RANGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  56: 'KAFKA_STORAGE_ERROR',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  100: 'UNKNOWN_TOPIC_ID',
};

/** Base offset and length of a record batch; the length counts what follows. */
const BATCH_PREFIX_BYTES = 12;

/** Partitions asked in one ListOffsets request. */
const QUERIES_AT_ONCE = 500;

/** Topics asked in one DescribeConfigs request. */
const TOPICS_AT_ONCE = 200;

/** Longest wait for a second broker (safety rule 31). */
const ELSEWHERE_MS = 1_000;

export interface KafkaBrokerDeps {
  readonly clock: Clock;
}

export interface KafkaBrokerOptions {
  readonly brokerId: number;
  readonly bootstrap: { readonly host: string; readonly port: number };
  /** Refused when the broker says another one: WRONG_CLUSTER. */
  readonly clusterId: string;
  readonly connection: ConnectionOptions;
}

/** Bytes up to the end of the last whole batch: a fetch answer may cut the last one. */
function wholeBatchesBytes(records: Uint8Array): number {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  let end = 0;
  while (end + BATCH_PREFIX_BYTES <= records.length) {
    const next = end + BATCH_PREFIX_BYTES + view.getInt32(end + 8);
    if (next <= end || next > records.length) break;
    end = next;
  }
  return end;
}

function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `KAFKA_ERROR_${code}`;
}

function offsetAnswer(raw: RawOffset | undefined): OffsetAnswer {
  if (raw === undefined) return { refused: 'UNKNOWN_TOPIC_OR_PARTITION' };
  if (raw.errorCode !== 0) return { refused: errorName(raw.errorCode) };
  return { offset: raw.offset, leaderEpoch: raw.leaderEpoch };
}

function slices<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

export class KafkaBrokerView implements BrokerView {
  readonly brokerId: number;
  private readonly deps: KafkaBrokerDeps;
  private readonly options: KafkaBrokerOptions;
  private readonly bootstrap: KafkaConnection;
  private own: KafkaConnection | undefined;
  private others: readonly BrokerAddress[] = [];

  constructor(deps: KafkaBrokerDeps, options: KafkaBrokerOptions) {
    this.deps = deps;
    this.options = options;
    this.brokerId = options.brokerId;
    this.bootstrap = new KafkaConnection(options.bootstrap, options.connection);
  }

  async metadata(topics: readonly string[], signal: AbortSignal): Promise<ClusterMetadata> {
    const raw = await this.askOwn(signal, (own) => own.metadata(topics, signal));
    this.requireCluster(raw);
    this.others = raw.brokers.filter((broker) => broker.id !== this.brokerId);
    const told = raw.topics
      .filter((topic) => topic.errorCode === 0 && topic.name !== '')
      .map((topic) => ({
        name: topic.name,
        topicId: uuidFromHex(topic.topicId),
        internal: topic.internal,
        partitions: topic.partitions,
      }));
    return { clusterId: raw.clusterId, brokers: raw.brokers, topics: told };
  }

  async offsets(
    queries: readonly OffsetQuery[],
    spec: OffsetSpec,
    committedOnly: boolean,
    signal: AbortSignal,
  ): Promise<OffsetAnswer[]> {
    const answers: OffsetAnswer[] = [];
    for (const slice of slices(queries, QUERIES_AT_ONCE)) {
      const asked = slice.map(({ topic, partition, leaderEpoch }) => ({
        topic,
        partition,
        leaderEpoch: leaderEpoch ?? -1,
        timestamp: TIMESTAMPS[spec],
      }));
      const asWhom = spec === 'logEnd' ? 'debugger' : committedOnly ? 'committed' : 'uncommitted';
      const raw = await this.askOwn(signal, (own) => own.listOffsets(asked, asWhom, signal));
      const byName = new Map(raw.map((answer) => [`${answer.topic}:${answer.partition}`, answer]));
      for (const query of slice)
        answers.push(offsetAnswer(byName.get(`${query.topic}:${query.partition}`)));
    }
    return answers;
  }

  async topicConfigs(
    topics: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, TopicConfig>> {
    const configs = new Map<string, TopicConfig>();
    for (const slice of slices(topics, TOPICS_AT_ONCE)) {
      const raw = await this.askOwn(signal, (own) => own.topicConfigs(slice, CONFIG_KEYS, signal));
      for (const [topic, values] of raw) configs.set(topic, readTopicConfig(values));
    }
    return configs;
  }

  async epochElsewhere(
    topic: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const [other] = this.others;
    if (other === undefined) return undefined;
    const connection = new KafkaConnection(other, this.options.connection);
    const deadline = this.deps.clock.deadline(ELSEWHERE_MS, signal);
    try {
      const raw = await connection.metadata([topic], deadline.signal);
      const told = raw.topics.find((candidate) => candidate.name === topic);
      return told?.partitions.find((candidate) => candidate.partition === partition)?.leaderEpoch;
    } catch {
      // Silence does not stop (safety rule 31).
      return undefined;
    } finally {
      deadline.clear();
      await connection.close();
    }
  }

  async fetch(query: FetchQuery, signal: AbortSignal): Promise<FetchedBatches> {
    const { topic, partition, offset } = query;
    const raw = await this.askOwn(signal, (own) => own.fetch(query, signal));
    const name = errorName(raw.errorCode);
    if (name === 'OFFSET_OUT_OF_RANGE') {
      throw new LogtierError(name, `the broker has no offset ${offset} of ${topic}-${partition}`);
    }
    if (name === 'NOT_LEADER_OR_FOLLOWER') {
      throw new LogtierError(name, `the broker does not lead ${topic}-${partition}`);
    }
    if (raw.errorCode !== 0)
      throw new LogtierError('BROKER_UNAVAILABLE', `the broker answers ${name}`);
    return {
      batches: raw.records.subarray(0, wholeBatchesBytes(raw.records)),
      highWatermark: raw.highWatermark,
      lastStableOffset: raw.lastStableOffset,
      logStartOffset: raw.logStartOffset,
      aborted: raw.aborted,
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.bootstrap.close(), this.own?.close()]);
  }

  private requireCluster(raw: RawMetadata): void {
    if (raw.clusterId === this.options.clusterId) return;
    throw new LogtierError(
      'WRONG_CLUSTER',
      `the broker belongs to cluster ${raw.clusterId}, the log directories to ${this.options.clusterId}`,
      { hint: 'broker.bootstrap and broker.logDirs must name the same broker' },
    );
  }

  /** After a failure the own broker is looked up anew: it may have come back under another port. */
  private async askOwn<T>(
    signal: AbortSignal,
    question: (own: KafkaConnection) => Promise<T>,
  ): Promise<T> {
    const found = this.own ?? (await this.findOwn(signal));
    // Two that ask at once both find it: the second connection would be closed by nobody.
    const own = (this.own ??= found);
    try {
      return await question(own);
    } catch (error) {
      if (!signal.aborted && this.own === own) {
        this.own = undefined;
        await own.close();
      }
      throw error;
    }
  }

  private async findOwn(signal: AbortSignal): Promise<KafkaConnection> {
    const raw = await this.bootstrap.metadata([], signal);
    this.requireCluster(raw);
    const address = raw.brokers.find((broker) => broker.id === this.brokerId);
    if (address === undefined) {
      throw new LogtierError(
        'BROKER_UNAVAILABLE',
        `broker ${this.brokerId} is not registered in its cluster`,
        {
          hint: 'is the broker of these log directories running?',
        },
      );
    }
    return new KafkaConnection(address, this.options.connection);
  }
}
