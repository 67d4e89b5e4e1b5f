// The Kafka client of the tests: Apache's own, in one long-lived JVM, driven by JSON lines.
// Logtier's client is never its own judge.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { WORKLOAD_EPOCH_MS, type ProducedRun, type RecordsSummary } from '../workload-content.ts';
import { contentKey, once } from './cache.ts';
import { kafkaJars } from './kafka-runtime.ts';
import { pauseMs, runToEnd, startProcess, type TestProcess } from './processes.ts';

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
export type Isolation = 'read_uncommitted' | 'read_committed';
export type WhichOffset = 'earliest' | 'latest' | 'earliestLocal' | 'latestTiered';

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

export interface NewTopic {
  readonly topic: string;
  /** Default 1. */
  readonly partitions?: number;
  /** Default 1. */
  readonly replication?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

export interface ProduceJob extends PartitionName {
  readonly count: number;
  readonly valueBytes: number;
  /** Default `none`. */
  readonly codec?: Codec;
  /** Default 1. */
  readonly seed?: number;
  /** Index of the first record (see workload-content.ts). Default 0. */
  readonly startIndex?: number;
  /** Timestamp of index 0, not of `startIndex`. */
  readonly firstTimestampMs?: number;
  /** Waits for the broker's answer after so many records: fixes the number of batches. Default: at the end only. */
  readonly flushEvery?: number;
  /** Default 256 KiB: the usual size of a batch. */
  readonly batchBytes?: number;
  /** Default 5. */
  readonly lingerMs?: number;
}

export interface TransactionJob extends ProduceJob {
  readonly outcome: 'commit' | 'abort';
  /** Default `workload`. Two jobs of one id must not overlap. */
  readonly transactionalId?: string;
}

/** Where the records lie. The run's offsets are consecutive if nobody else wrote to the partition meanwhile. */
export interface Produced extends ProducedRun {
  readonly lastOffset: bigint;
}

export interface ConsumeJob extends PartitionName {
  readonly fromOffset: bigint;
  readonly count: number;
  /** Default `read_uncommitted`. */
  readonly isolation?: Isolation;
  /** Fails when no record came for so long. Default 120,000. */
  readonly idleMs?: number;
}

export interface PartitionState {
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

export interface TopicState {
  readonly topicId: string;
  readonly partitions: readonly PartitionState[];
}

/** Calls may overlap; each rejects with Kafka's own error name and message. */
export interface KafkaWorkload {
  readonly pid: number;
  /** Resolves with the topic's id in Kafka's base64url form, once a broker names a leader of each partition. */
  createTopic(topic: NewTopic): Promise<string>;
  deleteTopic(topic: string): Promise<void>;
  createPartitions(topic: string, partitions: number): Promise<void>;
  /** `null` removes a setting. */
  alterTopicConfig(topic: string, configs: Readonly<Record<string, string | null>>): Promise<void>;
  describeTopic(topic: string): Promise<TopicState>;
  /** Idempotent producer, acks=all. */
  produce(job: ProduceJob): Promise<Produced>;
  /** One transaction; its end marker takes the offset after `lastOffset`. */
  produceTransaction(job: TransactionJob): Promise<Produced>;
  /** Resolves with the new log start offset. */
  deleteRecords(partition: PartitionName, beforeOffset: bigint): Promise<bigint>;
  consume(job: ConsumeJob): Promise<RecordsSummary>;
  /** -1n when there is none. A number asks for the first offset with that timestamp (ms) or a later one. */
  offset(partition: PartitionName, which: WhichOffset | number): Promise<bigint>;
  electLeader(partition: PartitionName, how?: 'preferred' | 'unclean'): Promise<void>;
  /** Begins the move; poll `describeTopic` for its end. */
  reassign(partition: PartitionName, replicas: readonly number[]): Promise<void>;
  /** Begins the move of one replica to another of its broker's log directories. */
  moveLogDir(partition: PartitionName, broker: number, logDir: string): Promise<void>;
  stop(): Promise<void>;
}

// One client version for all brokers: 4.3.1's clients speak to 3.9 too.
const CLIENT_VERSION = '4.3.1';
const SOURCES = ['KafkaWorkload.java', 'WorkloadContent.java', 'SentRecords.java'];
const LED_BOUND_MS = 60_000;
const LED_POLL_MS = 20;
const JVM_ARGS = ['-Xms64m', '-Xmx640m', '-XX:+UseSerialGC', '-XX:+PerfDisableSharedMem'];

export async function startKafkaWorkload(bootstrap: string): Promise<KafkaWorkload> {
  const jvmArgs = await workloadJvm();
  const directory = await fs.mkdtemp(join(tmpdir(), 'logtier-workload-'));
  const child = await startProcess({
    name: 'kafka workload',
    command: 'java',
    args: [...jvmArgs, 'KafkaWorkload', bootstrap],
    logFile: join(directory, 'workload.log'),
    pipes: true,
  });
  return new JvmWorkload(child, directory);
}

/** The JVM's options up to the main class; compiled and archived again when a source changes. */
async function workloadJvm(): Promise<string[]> {
  const jars = await kafkaJars(CLIENT_VERSION);
  const sources = SOURCES.map((file) => fileURLToPath(new URL(file, import.meta.url)));
  const texts = await Promise.all(sources.map((file) => fs.readFile(file, 'utf8')));
  const key = contentKey(jars, ...JVM_ARGS, ...texts);
  const home = await once('kafka-workload', key, (directory) => compile(jars, sources, directory));
  const args = [...JVM_ARGS, '-cp', `${jars}/*:${join(home, 'workload.jar')}`];
  // The archive names its class path, so it can only be made once the jar has its final place.
  const classes = await once('kafka-workload-classes', key, (directory) =>
    archive(args, directory),
  );
  return [`-XX:SharedArchiveFile=${join(classes, 'workload.jsa')}`, ...args];
}

async function compile(jars: string, sources: readonly string[], directory: string): Promise<void> {
  const logFile = join(directory, 'build.log');
  const classes = join(directory, 'classes');
  const jarArgs = ['cf', join(directory, 'workload.jar'), '-C', classes, '.'];
  const javacArgs = ['-cp', `${jars}/*`, '-d', classes, ...sources];
  await runToEnd({ name: 'javac', command: 'javac', args: javacArgs, logFile });
  await runToEnd({ name: 'jar', command: 'jar', args: jarArgs, logFile });
}

async function archive(jvmArgs: readonly string[], directory: string): Promise<void> {
  const option = `-XX:ArchiveClassesAtExit=${join(directory, 'workload.jsa')}`;
  await runToEnd({
    name: 'kafka workload, class archive',
    command: 'java',
    args: [option, ...jvmArgs, 'KafkaWorkload', '127.0.0.1:1', 'load'],
    logFile: join(directory, 'archive.log'),
  });
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

class JvmWorkload implements KafkaWorkload {
  readonly #child: TestProcess;
  readonly #directory: string;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(child: TestProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#settle(line));
    void child.exited.then((how) => this.#failAll(how));
  }

  get pid(): number {
    return this.#child.pid;
  }

  async createTopic(topic: NewTopic): Promise<string> {
    const defaults = { partitions: 1, replication: 1, configs: {} };
    const id = (await this.#call('createTopic', { ...defaults, ...topic })) as string;
    const deadline = performance.now() + LED_BOUND_MS;
    while (!(await this.#isLed(topic.topic))) {
      if (performance.now() > deadline) throw new Error(`${topic.topic} has no leader`);
      await pauseMs(LED_POLL_MS);
    }
    return id;
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#call('deleteTopic', { topic });
  }

  async createPartitions(topic: string, partitions: number): Promise<void> {
    await this.#call('createPartitions', { topic, partitions });
  }

  async alterTopicConfig(
    topic: string,
    configs: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    await this.#call('alterTopicConfig', { topic, configs });
  }

  async describeTopic(topic: string): Promise<TopicState> {
    return (await this.#call('describeTopic', { topic })) as TopicState;
  }

  async produce(job: ProduceJob): Promise<Produced> {
    return this.#produce('produce', job);
  }

  async produceTransaction(job: TransactionJob): Promise<Produced> {
    return this.#produce('produceTransaction', { transactionalId: 'workload', ...job });
  }

  async deleteRecords(partition: PartitionName, beforeOffset: bigint): Promise<bigint> {
    const args = { ...partition, beforeOffset: Number(beforeOffset) };
    return BigInt((await this.#call('deleteRecords', args)) as number);
  }

  async consume(job: ConsumeJob): Promise<RecordsSummary> {
    const defaults = { isolation: 'read_uncommitted', idleMs: 120_000 };
    const args = { ...defaults, ...job, fromOffset: Number(job.fromOffset) };
    const summary = (await this.#call('consume', args)) as {
      readonly count: number;
      readonly firstOffset: number;
      readonly lastOffset: number;
      readonly sha256: string;
    };
    const seen = summary.count > 0;
    return {
      count: summary.count,
      firstOffset: seen ? BigInt(summary.firstOffset) : undefined,
      lastOffset: seen ? BigInt(summary.lastOffset) : undefined,
      sha256: summary.sha256,
    };
  }

  async offset(partition: PartitionName, which: WhichOffset | number): Promise<bigint> {
    return BigInt((await this.#call('offset', { ...partition, which: `${which}` })) as number);
  }

  async electLeader(
    partition: PartitionName,
    how: 'preferred' | 'unclean' = 'preferred',
  ): Promise<void> {
    await this.#call('electLeader', { ...partition, unclean: how === 'unclean' });
  }

  async reassign(partition: PartitionName, replicas: readonly number[]): Promise<void> {
    await this.#call('reassign', { ...partition, replicas });
  }

  async moveLogDir(partition: PartitionName, broker: number, logDir: string): Promise<void> {
    await this.#call('moveLogDir', { ...partition, broker, logDir });
  }

  async stop(): Promise<void> {
    await this.#child.stop();
    await fs.rm(this.#directory, { recursive: true, force: true });
  }

  /** The controller has made a topic before the brokers know of it. */
  async #isLed(topic: string): Promise<boolean> {
    const state = await this.describeTopic(topic).catch(() => undefined);
    return state !== undefined && state.partitions.every(({ leader }) => leader >= 0);
  }

  async #produce(operation: string, job: ProduceJob): Promise<Produced> {
    const full = {
      codec: 'none',
      seed: 1,
      startIndex: 0,
      firstTimestampMs: WORKLOAD_EPOCH_MS,
      flushEvery: 0,
      batchBytes: 256 * 1024,
      lingerMs: 5,
      ...job,
    };
    const sent = (await this.#call(operation, full)) as {
      readonly firstOffset: number;
      readonly lastOffset: number;
    };
    const { seed, topic, partition, valueBytes, firstTimestampMs } = full;
    return {
      content: { seed, topic, partition, valueBytes, firstTimestampMs },
      startIndex: full.startIndex,
      count: full.count,
      firstOffset: BigInt(sent.firstOffset),
      lastOffset: BigInt(sent.lastOffset),
    };
  }

  #call(op: string, args: object): Promise<unknown> {
    const id = (this.#lastId += 1);
    return new Promise((resolve, reject) => {
      if (!this.#child.alive) {
        reject(new Error(`${op}: the workload process is gone`));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin!.write(`${JSON.stringify({ ...args, id, op })}\n`);
    });
  }

  #settle(line: string): void {
    const answer = JSON.parse(line) as { id: number; result?: unknown; error?: string };
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) waiting?.resolve(answer.result);
    else waiting?.reject(new Error(answer.error));
  }

  #failAll(how: string): void {
    const error = new Error(`the workload process ended (${how})\n${this.#tail()}`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #tail(): string {
    return this.#waiting.size === 0 ? '' : this.#child.logTail();
  }
}
