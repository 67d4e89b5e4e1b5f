// One connection to one broker, made again when it breaks. The only file that names the Kafka client package.
import {
  Connection,
  type ConnectionOptions,
  type Reader,
  Writer,
  describeConfigsV4,
  listOffsetsV9,
  metadataV12,
} from '@platformatic/kafka';
import { LogtierError } from '../base/errors.ts';
import { abortError } from '../platform/clock.ts';
import type { BrokerAddress, FetchQuery } from './broker-view.ts';

export type { ConnectionOptions } from '@platformatic/kafka';

/** Kafka error names that mean a wrong identity or a missing ACL (apache/kafka Errors.java). */
const DENIED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
]);

/** Fetch v12 is the newest that names topics instead of ids (KIP-516). */
const FETCH_KEY = 1;
const FETCH_VERSION = 12;

/** Replica id of whoever is no broker. */
const CONSUMER = -1;
/** Replica id that sees the log's end, and that followers answer too (ListOffsetsRequest.DEBUGGING_REPLICA_ID). */
const DEBUGGER = -2;
const COMMITTED = 1;
const UNCOMMITTED = 0;

/** Wait of a fetch for data, and the most bytes of one answer. */
const FETCH_WAIT_MS = 500;
const FETCH_BYTES = 4 * 2 ** 20;

export interface RawOffset {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly offset: bigint;
  readonly leaderEpoch: number;
}

export interface RawFetch {
  readonly errorCode: number;
  readonly highWatermark: bigint;
  readonly lastStableOffset: bigint;
  readonly logStartOffset: bigint;
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly records: Uint8Array;
}

export interface RawMetadata {
  readonly clusterId: string;
  readonly brokers: readonly BrokerAddress[];
  readonly topics: readonly {
    readonly errorCode: number;
    readonly name: string;
    /** UUID with dashes, in hexadecimal. */
    readonly topicId: string;
    readonly internal: boolean;
    readonly partitions: readonly { partition: number; leaderId: number; leaderEpoch: number }[];
  }[];
}

/** As a consumer of either isolation, or past the high watermark. */
export type OffsetsAsker = 'uncommitted' | 'committed' | 'debugger';

export interface ListOffsetsQuery {
  readonly topic: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly timestamp: bigint;
}

function hasProperty<K extends string>(value: unknown, key: K): value is Record<K, unknown> {
  return typeof value === 'object' && value !== null && key in value;
}

/** The names of Kafka errors inside the client's error. */
function kafkaErrorNames(error: unknown): string[] {
  if (hasProperty(error, 'apiId') && typeof error.apiId === 'string') return [error.apiId];
  const inner = hasProperty(error, 'errors') && Array.isArray(error.errors) ? error.errors : [];
  return inner.flatMap(kafkaErrorNames);
}

function brokerError(error: unknown, address: string): LogtierError {
  if (error instanceof LogtierError) return error;
  const names = kafkaErrorNames(error);
  const denied = names.some((name) => DENIED.has(name)) || isAuthentication(error);
  const words = names.length > 0 ? names.join(', ') : String(error);
  return denied
    ? new LogtierError('BROKER_DENIED', `broker ${address} refuses: ${words}`, {
        hint: 'check broker.client.sasl, broker.client.tls and the ACL Describe on topics and cluster',
        cause: error,
      })
    : new LogtierError('BROKER_UNAVAILABLE', `broker ${address}: ${words}`, { cause: error });
}

function isAuthentication(error: unknown): boolean {
  return hasProperty(error, 'code') && error.code === 'PLT_KFK_AUTHENTICATION';
}

/** The client rejects an answer that holds one error; the whole answer hangs on the error. */
function answerInside(error: unknown): unknown {
  return hasProperty(error, 'response') ? error.response : undefined;
}

type ListOffsetsAnswer = Awaited<ReturnType<typeof listOffsetsV9.api.async>>;
type MetadataAnswer = Awaited<ReturnType<typeof metadataV12.api.async>>;
type ConfigsAnswer = Awaited<ReturnType<typeof describeConfigsV4.api.async>>;

function isListOffsets(answer: unknown): answer is ListOffsetsAnswer {
  return hasProperty(answer, 'topics') && !hasProperty(answer, 'brokers');
}

function isMetadata(answer: unknown): answer is MetadataAnswer {
  return hasProperty(answer, 'topics') && hasProperty(answer, 'brokers');
}

function isConfigs(answer: unknown): answer is ConfigsAnswer {
  return hasProperty(answer, 'results');
}

async function withErrorsInside<T>(
  answer: Promise<T>,
  isAnswer: (answer: unknown) => answer is T,
): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const inside = answerInside(error);
    if (isAnswer(inside)) return inside;
    throw error;
  }
}

function writeFetch({ topic, partition, offset, committedOnly }: FetchQuery): Writer {
  return Writer.create()
    .appendInt32(CONSUMER)
    .appendInt32(FETCH_WAIT_MS)
    .appendInt32(1)
    .appendInt32(FETCH_BYTES)
    .appendInt8(committedOnly ? COMMITTED : UNCOMMITTED)
    .appendInt32(0)
    .appendInt32(-1)
    .appendArray([topic], (writer, name) => {
      writer.appendString(name).appendArray([partition], (inner, index) => {
        inner
          .appendInt32(index)
          .appendInt32(-1)
          .appendInt64(offset)
          .appendInt32(-1)
          .appendInt64(-1n)
          .appendInt32(FETCH_BYTES);
      });
    })
    .appendArray<string>([], () => undefined)
    .appendString('')
    .appendTaggedFields();
}

function readFetch(reader: Reader): RawFetch[] {
  reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt32();
  const topics = reader.readArray((topic) => {
    topic.readString();
    return topic.readArray((partition) => {
      partition.readInt32();
      const code = partition.readInt16();
      const highWatermark = partition.readInt64();
      const lastStableOffset = partition.readInt64();
      const logStartOffset = partition.readInt64();
      const aborted = partition.readNullableArray((transaction) => ({
        producerId: transaction.readInt64(),
        firstOffset: transaction.readInt64(),
      }));
      partition.readInt32();
      const records = partition.readNullableBytes() ?? Buffer.alloc(0);
      return {
        errorCode: code === 0 ? errorCode : code,
        highWatermark,
        lastStableOffset,
        logStartOffset,
        aborted: aborted ?? [],
        records,
      };
    });
  });
  return topics.flat();
}

export class KafkaConnection {
  private readonly address: Pick<BrokerAddress, 'host' | 'port'>;
  private readonly options: ConnectionOptions;
  private current: Connection | undefined;
  private opening: Promise<Connection> | undefined;

  constructor(address: Pick<BrokerAddress, 'host' | 'port'>, options: ConnectionOptions) {
    this.address = address;
    this.options = options;
  }

  metadata(topics: readonly string[], signal: AbortSignal): Promise<RawMetadata> {
    return this.ask(signal, async (connection) => {
      const answer = await withErrorsInside(
        metadataV12.api.async(connection, [...topics], false, false),
        isMetadata,
      );
      return {
        clusterId: answer.clusterId ?? '',
        brokers: answer.brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })),
        topics: answer.topics.map((topic) => ({
          errorCode: topic.errorCode,
          name: topic.name ?? '',
          topicId: topic.topicId,
          internal: topic.isInternal,
          partitions: topic.partitions
            .map(({ partitionIndex: partition, leaderId, leaderEpoch }) => ({
              partition,
              leaderId,
              leaderEpoch,
            }))
            .toSorted((a, b) => a.partition - b.partition),
        })),
      };
    });
  }

  listOffsets(
    queries: readonly ListOffsetsQuery[],
    asWhom: OffsetsAsker,
    signal: AbortSignal,
  ): Promise<RawOffset[]> {
    const topics = [...new Set(queries.map((query) => query.topic))].map((name) => ({
      name,
      partitions: queries
        .filter((query) => query.topic === name)
        .map(({ partition, leaderEpoch, timestamp }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: leaderEpoch,
          timestamp,
        })),
    }));
    return this.ask(signal, async (connection) => {
      const replica = asWhom === 'debugger' ? DEBUGGER : CONSUMER;
      const isolation = asWhom === 'committed' ? COMMITTED : UNCOMMITTED;
      const request = listOffsetsV9.api.async(connection, replica, isolation, topics);
      const answer = await withErrorsInside(request, isListOffsets);
      return answer.topics.flatMap((topic) =>
        topic.partitions.map(({ partitionIndex, errorCode, offset, leaderEpoch }) => ({
          topic: topic.name,
          partition: partitionIndex,
          errorCode,
          offset,
          leaderEpoch,
        })),
      );
    });
  }

  /** Name → value of each topic's settings; a topic that the broker refuses is left out. */
  topicConfigs(
    topics: readonly string[],
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, ReadonlyMap<string, string>>> {
    const resources = topics.map((resourceName) => ({
      resourceType: 2 as const,
      resourceName,
      configurationKeys: [...keys],
    }));
    return this.ask(signal, async (connection) => {
      const request = describeConfigsV4.api.async(connection, resources, false, false);
      const answer = await withErrorsInside(request, isConfigs);
      const told = answer.results.filter((result) => result.errorCode === 0);
      return new Map(
        told.map((result) => [
          result.resourceName,
          new Map(result.configs.map((config) => [config.name, config.value ?? ''])),
        ]),
      );
    });
  }

  fetch(query: FetchQuery, signal: AbortSignal): Promise<RawFetch> {
    return this.ask(signal, async (connection) => {
      const answers = await new Promise<RawFetch[]>((resolve, reject) => {
        connection.send(
          FETCH_KEY,
          FETCH_VERSION,
          () => writeFetch(query),
          (_correlationId, _apiKey, _apiVersion, reader) => readFetch(reader),
          true,
          true,
          (error, payload) => {
            if (error !== null || payload === undefined) reject(error ?? new Error('empty answer'));
            else resolve(payload);
          },
        );
      });
      const [first] = answers;
      if (first === undefined)
        throw new LogtierError(
          'BROKER_UNAVAILABLE',
          'the broker answered a fetch without a partition',
        );
      return first;
    });
  }

  async close(): Promise<void> {
    // What is about to open would stay open, and keep the process from ending.
    if (this.opening !== undefined) await this.opening.catch(() => undefined);
    const opened = this.current;
    this.current = undefined;
    await opened?.close().catch(() => undefined);
  }

  private async ask<T>(
    signal: AbortSignal,
    question: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const where = `${this.address.host}:${this.address.port}`;
    try {
      return await untilAborted(signal, this.open().then(question));
    } catch (error) {
      // After a time-out the answers of this connection no longer match its questions.
      if (!signal.aborted) void this.close();
      throw signal.aborted ? abortError(signal) : brokerError(error, where);
    }
  }

  private async open(): Promise<Connection> {
    if (this.current?.isConnected() === true) return this.current;
    this.opening ??= this.connect().finally(() => {
      this.opening = undefined;
    });
    return this.opening;
  }

  private async connect(): Promise<Connection> {
    const connection = new Connection('logtier', this.options);
    connection.on('error', () => undefined);
    await connection.connect(this.address.host, this.address.port);
    this.current = connection;
    return connection;
  }
}

function untilAborted<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(abortError(signal));
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort);
    });
  });
}
