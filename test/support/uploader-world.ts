// One broker's log directory with real files, a broker that answers from a script, a catalog and a store in memory:
// what a whole Uploader needs.
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { LogtierError } from '../../src/base/errors.ts';
import type { BrokerView, OffsetAnswer, OffsetQuery } from '../../src/broker/broker-view.ts';
import type { TopicConfig } from '../../src/broker/topic-config.ts';
import { printLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import { printPartitionMetadata } from '../../src/kafka/partition-metadata.ts';
import { segmentFileName } from '../../src/kafka/segment-files.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { topicId as toTopicId, type PartitionId } from '../../src/segment/ids.ts';
import type { SegmentRecord } from '../../src/segment/segment-record.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { uploaderMetrics } from '../../src/uploader/metrics.ts';
import {
  topicSettings,
  uploaderSettings,
  type TopicSettings,
  type UploaderSettings,
} from '../../src/uploader/settings.ts';
import { Uploader } from '../../src/uploader/uploader.ts';
import type { LocalPartitionStatus } from '../../src/uploader/uploader-status.ts';
import { HASTE, hastyClock } from './hasty-clock.ts';
import { buildProducerSnapshot, buildSegment, plainBatches } from './kafka-files.ts';
import type { BuiltSegment } from './kafka-files.ts';
import { MemoryCatalog, MemoryLedger } from './memory-ledger.ts';
import { MemoryStore } from './memory-store.ts';

export const BROKER_ID = 1;
export const ORDERS_ID = 'zNXW4P_MSfSWcZnwHAkGbA';
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';
/** Newest record of every built segment is younger, so that no retention of the broker is due. */
const FOREVER: TopicConfig = {
  cleanupPolicy: 'delete',
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 2 ** 30,
  segmentMs: 604_800_000,
  remoteStorageEnabled: false,
};

interface ScriptedPartition {
  leaderId: number;
  leaderEpoch: number;
  lastStableOffset: bigint;
}

interface ScriptedTopic {
  topicId: string;
  internal: boolean;
  config: TopicConfig | undefined;
  readonly partitions: Map<number, ScriptedPartition>;
}

/** Says what the test wrote down. */
export class ScriptedBroker implements BrokerView {
  readonly brokerId = BROKER_ID;
  readonly topics = new Map<string, ScriptedTopic>();
  /** Answers nothing. */
  isSilent = false;
  /** The newest epoch that a second broker tells; undefined: silence. */
  elsewhere: number | undefined;
  metadataAnswers = 0;

  partition(topic: string, partition = 0): ScriptedPartition {
    const found = this.topics.get(topic)?.partitions.get(partition);
    if (found === undefined) throw new Error(`no ${topic}-${partition}`);
    return found;
  }

  async metadata(topics: readonly string[]) {
    await this.answer();
    this.metadataAnswers += 1;
    const told = topics.flatMap((name) => {
      const topic = this.topics.get(name);
      if (topic === undefined) return [];
      const partitions = [...topic.partitions].map(([partition, { leaderId, leaderEpoch }]) => ({
        partition,
        leaderId,
        leaderEpoch,
      }));
      return [{ name, topicId: topic.topicId, internal: topic.internal, partitions }];
    });
    return { clusterId: CLUSTER_ID, brokers: [], topics: told };
  }

  async offsets(queries: readonly OffsetQuery[]): Promise<OffsetAnswer[]> {
    await this.answer();
    return queries.map(({ topic, partition, leaderEpoch }): OffsetAnswer => {
      const known = this.partition(topic, partition);
      if (known.leaderId !== BROKER_ID) return { refused: 'NOT_LEADER_OR_FOLLOWER' };
      if (leaderEpoch !== undefined && leaderEpoch !== known.leaderEpoch) {
        const isOld = leaderEpoch < known.leaderEpoch;
        return { refused: isOld ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH' };
      }
      return { offset: known.lastStableOffset, leaderEpoch: known.leaderEpoch };
    });
  }

  async topicConfigs(topics: readonly string[]) {
    await this.answer();
    return new Map(
      topics.flatMap((name): [string, TopicConfig][] => {
        const config = this.topics.get(name)?.config;
        return config === undefined ? [] : [[name, config]];
      }),
    );
  }

  epochElsewhere(): Promise<number | undefined> {
    return Promise.resolve(this.elsewhere);
  }

  fetch(): Promise<never> {
    return Promise.reject(new LogtierError('OFFSET_OUT_OF_RANGE', 'nothing to fetch'));
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  private async answer(): Promise<void> {
    await Promise.resolve();
    if (this.isSilent) throw new LogtierError('BROKER_UNAVAILABLE', 'the broker is silent');
  }
}

export interface PartitionOptions {
  readonly partition?: number;
  readonly topicId?: string;
  /** Closed segments of 20 records each; the active one is empty. Default 2. */
  readonly segments?: number;
  readonly baseOffset?: bigint;
  readonly leaderEpoch?: number;
  readonly internal?: boolean;
  readonly config?: Partial<TopicConfig>;
  readonly logDir?: string;
}

export interface UploaderWorldOptions {
  readonly topics?: readonly Partial<TopicSettings>[];
  /** Times in milliseconds of the world's clock, of which `HASTE` pass in a real one. */
  readonly settings?: Partial<UploaderSettings>;
  readonly wrapStore?: (store: ObjectStore) => ObjectStore;
  /** Default `hastyClock`. */
  readonly clock?: Clock;
}

/** Short waits, so that a test that polls ends soon; the bounds of errors stay long. */
const FAST: Partial<UploaderSettings> = {
  scanIntervalMs: 100 * HASTE,
  leadershipIntervalMs: 20 * HASTE,
  firstRetryMs: 5 * HASTE,
  longestRetryMs: 20 * HASTE,
  eraseIntervalMs: 60_000 * HASTE,
  retentionIntervalMs: 20 * HASTE,
};

export class UploaderWorld {
  readonly broker = new ScriptedBroker();
  readonly catalog = new MemoryCatalog(() => Date.now());
  readonly ledger = new MemoryLedger(this.catalog, BROKER_ID);
  readonly objects = new MemoryStore();
  readonly fenced: LogtierError[] = [];
  readonly claims: { readonly topicId: string; readonly leaderEpoch: number }[] = [];
  readonly releases: PartitionId[] = [];
  readonly root: string;
  readonly logDirs: readonly string[];
  uploader: Uploader;
  private readonly started: Uploader[] = [];

  constructor(root: string, options: UploaderWorldOptions) {
    this.root = root;
    this.logDirs = [join(root, 'a'), join(root, 'b')];
    this.uploader = this.newUploader(options);
  }

  get logDir(): string {
    return this.logDirs[0] ?? this.root;
  }

  newUploader(options: UploaderWorldOptions): Uploader {
    const { ledger } = this;
    const watched = {
      claim: (request: Parameters<MemoryLedger['claim']>[0]) => {
        this.claims.push({ topicId: request.id.topicId, leaderEpoch: request.leaderEpoch });
        return ledger.claim(request);
      },
      release: (claim: Parameters<MemoryLedger['release']>[0]) => {
        this.releases.push(claim.id);
        return ledger.release(claim);
      },
    };
    const objects = options.wrapStore?.(this.objects) ?? this.objects;
    const uploader = new Uploader(
      {
        disk: nodeDisk,
        clock: options.clock ?? hastyClock,
        random: systemRandom,
        logger: silentLogger,
        metrics: createMetrics().live(uploaderMetrics),
        broker: this.broker,
        ledger: Object.assign(Object.create(ledger) as MemoryLedger, watched),
        view: this.catalog,
        eraseQueue: ledger,
        metastoreClock: { read: () => Promise.resolve({ wallMs: Date.now(), held: false }) },
        stores: new Map([['main', { objects, lateWindowMs: 3_600_000 }]]),
        onFenced: (error) => this.fenced.push(error),
      },
      { ...uploaderSettings.parse({}), ...FAST, ...options.settings },
      {
        identity: { clusterId: CLUSTER_ID, brokerId: BROKER_ID },
        logDirs: this.logDirs,
        topics: (options.topics ?? [{}]).map((topic) => ({
          ...topicSettings.parse({ match: '*', store: 'main' }),
          ...topic,
        })),
      },
    );
    this.started.push(uploader);
    return uploader;
  }

  directory(topic: string, partition = 0, logDir = this.logDir): string {
    return join(logDir, `${topic}-${partition}`);
  }

  /** Files on disk and the broker's word on them: this broker leads. */
  async addPartition(topic: string, options: PartitionOptions = {}): Promise<BuiltSegment[]> {
    const { partition = 0, topicId = ORDERS_ID, leaderEpoch = 7 } = options;
    const directory = this.directory(topic, partition, options.logDir);
    await mkdir(directory, { recursive: true });
    const built: BuiltSegment[] = [];
    let baseOffset = options.baseOffset ?? 0n;
    for (let index = 0; index < (options.segments ?? 2); index += 1) {
      const segment = await buildSegment({
        baseOffset,
        batches: plainBatches(20, { epoch: leaderEpoch }),
      });
      await writeSegment(directory, segment);
      built.push(segment);
      baseOffset = segment.nextOffset;
    }
    const lineage = [{ epoch: leaderEpoch, startOffset: options.baseOffset ?? 0n }];
    await writeFile(
      join(directory, 'leader-epoch-checkpoint'),
      printLeaderEpochCheckpoint(lineage),
    );
    await writeFile(
      join(directory, 'partition.metadata'),
      printPartitionMetadata(toTopicId(topicId)),
    );
    await writeFile(join(directory, segmentFileName(baseOffset, 'log')), '');
    const known = this.broker.topics.get(topic);
    const partitions = known?.topicId === topicId ? known.partitions : new Map();
    partitions.set(partition, {
      leaderId: BROKER_ID,
      leaderEpoch,
      lastStableOffset: baseOffset,
    });
    const config = { ...FOREVER, ...options.config };
    this.broker.topics.set(topic, {
      topicId,
      internal: options.internal ?? false,
      config,
      partitions,
    });
    return built;
  }

  /** The active segment, which is empty, becomes a closed one of 20 records. */
  async roll(topic: string, baseOffset: bigint, leaderEpoch = 7): Promise<BuiltSegment> {
    const directory = this.directory(topic);
    const segment = await buildSegment({
      baseOffset,
      batches: plainBatches(20, { epoch: leaderEpoch }),
    });
    await writeSegment(directory, segment);
    this.broker.partition(topic).lastStableOffset = segment.nextOffset;
    await writeFile(join(directory, segmentFileName(segment.nextOffset, 'log')), '');
    return segment;
  }

  /** As a broker deletes a topic: the directory is renamed at once. */
  async deleteTopic(topic: string, partition = 0): Promise<void> {
    const directory = this.directory(topic, partition);
    const trash = `${topic}-${partition}.0123456789abcdef0123456789abcdef-delete`;
    await rename(directory, join(this.logDir, trash));
    this.broker.topics.delete(topic);
  }

  removeLog(topic: string, offset: bigint): Promise<void> {
    return rm(join(this.directory(topic), segmentFileName(offset, 'log')));
  }

  finished(topicId = ORDERS_ID, partition = 0): SegmentRecord[] {
    return this.catalog
      .records()
      .filter((record) => record.topicId === topicId && record.partition === partition)
      .filter(({ state }) => state === 'COPY_SEGMENT_FINISHED')
      .toSorted((a, b) => Number(a.startOffset - b.startOffset));
  }

  finishedStarts(topicId = ORDERS_ID, partition = 0): bigint[] {
    return this.finished(topicId, partition).map(({ startOffset }) => startOffset);
  }

  async status(topic = 'orders', partition = 0): Promise<LocalPartitionStatus> {
    const all = await this.uploader.partitions(topic, new AbortController().signal);
    const found = all.find((status) => status.partition === partition);
    if (found === undefined) throw new Error(`${topic}-${partition} is not known`);
    return found;
  }

  /** Why each local segment is where it is, oldest first. */
  async reasons(topic = 'orders'): Promise<string[]> {
    const { segments } = await this.status(topic);
    return segments.map(({ state, waiting }) => waiting?.reason ?? state);
  }

  async stop(): Promise<void> {
    await Promise.all(this.started.map((uploader) => uploader.stop()));
    await rm(this.root, { recursive: true, force: true });
  }
}

async function writeSegment(directory: string, segment: BuiltSegment): Promise<void> {
  const at = (offset: bigint, kind: 'log' | 'index' | 'timeindex' | 'snapshot'): string =>
    join(directory, segmentFileName(offset, kind));
  await writeFile(at(segment.baseOffset, 'index'), segment.index);
  await writeFile(at(segment.baseOffset, 'timeindex'), segment.timeindex);
  await writeFile(at(segment.nextOffset, 'snapshot'), buildProducerSnapshot([]));
  await writeFile(at(segment.baseOffset, 'log'), segment.log);
}

const worlds: UploaderWorld[] = [];

/** Not started; call `closeUploaderWorlds` after each test. */
export async function uploaderWorld(options: UploaderWorldOptions = {}): Promise<UploaderWorld> {
  const root = await mkdtemp(join(tmpdir(), 'logtier-uploaders-'));
  const world = new UploaderWorld(root, options);
  for (const logDir of world.logDirs) await mkdir(logDir);
  worlds.push(world);
  return world;
}

export async function closeUploaderWorlds(): Promise<void> {
  for (const world of worlds.splice(0)) await world.stop();
}

/** Polls until `ask` answers `wanted`, with a bound. */
export async function eventually<T>(ask: () => T | Promise<T>, wanted: T): Promise<void> {
  await expect.poll(ask, { timeout: 15_000, interval: 10 }).toEqual(wanted);
}
