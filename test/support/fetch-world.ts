// A fetcher over a partition, a store and a broker that a test controls.
import { printLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import type { ByteRange } from '../../src/base/byte-range.ts';
import { LogtierError } from '../../src/base/errors.ts';
import { ChunkCache } from '../../src/cache/chunk-cache.ts';
import { cacheMetrics } from '../../src/cache/metrics.ts';
import { cacheSettings } from '../../src/cache/settings.ts';
import { SLOT_BYTES } from '../../src/cache/slot-file.ts';
import type { FetchPart, FetchQuestion } from '../../src/fetcher/fetch-records.ts';
import { Fetcher } from '../../src/fetcher/fetcher.ts';
import { fetcherMetrics } from '../../src/fetcher/metrics.ts';
import type {
  BrokerOffsets,
  LocalOutcomes,
  LocalOffsets,
  SegmentLookup,
} from '../../src/fetcher/segment-lookup.ts';
import { fetcherSettings } from '../../src/fetcher/settings.ts';
import type { Lineage } from '../../src/kafka/lineage.ts';
import { systemClock, throwIfAborted, type Clock } from '../../src/platform/clock.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { topicId } from '../../src/segment/ids.ts';
import { buildObjectKey } from '../../src/segment/object-key.ts';
import { writeObjectTail } from '../../src/segment/segment-object-writer.ts';
import type { SegmentFacts } from '../../src/segment/segment-object.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../src/segment/segment-record.ts';
import type { SegmentState } from '../../src/segment/segment-state.ts';
import { BOOT_ID_PATH, RememberingLogger, segmentNamed } from './cache-world.ts';
import {
  buildProducerSnapshot,
  buildSegment,
  encodeAborted,
  type AbortedSpec,
  type BatchSpec,
  type BuiltSegment,
  type ProducerSpec,
} from './kafka-files.ts';
import { MemoryDisk } from './memory-disk.ts';
import { MemoryStore } from './memory-store.ts';
import { chunkCrcsOf } from './segment-objects.ts';

export const TOPIC = 'orders';
export const TOPIC_ID = topicId('zNXW4P_MSfSWcZnwHAkGbA');
export const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';

export interface SegmentOptions {
  readonly number: number;
  readonly baseOffset: bigint;
  readonly batches: readonly BatchSpec[];
  readonly epochs: Lineage;
  readonly state?: SegmentState;
  /** Exclusive end of the segment when compaction took the last batches. */
  readonly nextOffset?: bigint;
  /** What the producer snapshot at its end holds; null: there is none. */
  readonly producers?: readonly ProducerSpec[] | null;
  /** Default: of the transactions that begin and end in the segment. */
  readonly aborted?: readonly AbortedSpec[];
}

export interface AddedSegment {
  readonly record: SegmentRecord;
  readonly built: BuiltSegment;
}

/** A store whose answers a test can hold back, cut short or alter. */
export class FaultyStore extends MemoryStore {
  /** Ranged reads, in order. */
  readonly gets: [string, ByteRange][] = [];
  /** Awaited before the first byte of an answer. */
  before: (key: string, range: ByteRange) => Promise<void> = () => Promise.resolve();
  alter: (bytes: Uint8Array, key: string, range: ByteRange) => Uint8Array = (bytes) => bytes;

  override async *get(key: string, range: ByteRange, signal: AbortSignal) {
    this.gets.push([key, range]);
    await this.before(key, range);
    throwIfAborted(signal);
    for await (const piece of super.get(key, range, signal)) yield this.alter(piece, key, range);
  }
}

/** What one fetch answered. */
export interface Answer {
  readonly verdict: FetchPart | undefined;
  readonly messages: readonly Buffer[];
  readonly bytes: Buffer;
  readonly end: Extract<FetchPart, { kind: 'end' }> | undefined;
}

export interface WorldOptions {
  readonly settings?: Parameters<typeof fetcherSettings.parse>[0];
  readonly slots?: number;
  readonly clock?: Clock;
}

export class FetchWorld {
  readonly store = new FaultyStore();
  readonly logger = new RememberingLogger();
  readonly registry = createMetrics();
  readonly stopping = new AbortController();
  readonly disk = new MemoryDisk();
  lineage: Lineage = [{ epoch: 0, startOffset: 0n }];
  remoteStart = 0n;
  segments: SegmentRecord[] = [];
  local: LocalOffsets = {
    localStart: 1_000_000n,
    highWatermark: 2_000_000n,
    lastStableOffset: 2_000_000n,
  };
  /** How often the broker, the view and the metastore were asked. */
  readonly asked = { broker: 0, view: 0, linearizable: 0 };
  askBroker: (signal: AbortSignal) => Promise<LocalOffsets> = () => Promise.resolve(this.local);
  /** By default the broker has no data where the remote tier ends. */
  outcomesAt: (offset: bigint) => Promise<LocalOutcomes> = () =>
    Promise.reject(new LogtierError('OFFSET_OUT_OF_RANGE', 'not here'));
  lookUp: () => Promise<PartitionSnapshot> = () => Promise.resolve(this.snapshot());
  lookUpLinearizable: () => Promise<PartitionSnapshot> = () => Promise.resolve(this.snapshot());
  fetcher!: Fetcher;
  cache!: ChunkCache;

  static async open(options: WorldOptions = {}): Promise<FetchWorld> {
    const world = new FetchWorld();
    const { disk, logger, registry } = world;
    const clock = options.clock ?? systemClock;
    const sizeBytes = (options.slots ?? 4) * SLOT_BYTES;
    const directory = '/state/cache';
    disk.place(BOOT_ID_PATH, Buffer.from('11111111-2222-3333-4444-555555555555\n'));
    disk.place(`${directory}/chunks-0000000000000000.slots`, Buffer.alloc(sizeBytes));
    world.cache = await ChunkCache.open(
      { disk, clock, random: systemRandom, logger, metrics: registry.live(cacheMetrics) },
      cacheSettings.parse({}),
      { directory, sizeBytes },
      world.stopping.signal,
    );
    const metrics = registry.live(fetcherMetrics);
    const parts = { ...world.doors(), cache: world.cache, clock, logger, metrics };
    world.fetcher = new Fetcher(parts, fetcherSettings.parse(options.settings ?? {}));
    return world;
  }

  async add(options: SegmentOptions): Promise<AddedSegment> {
    const built = await buildSegment(options);
    const txnindex =
      options.aborted === undefined
        ? built.txnindex
        : Buffer.concat(options.aborted.map(encodeAborted));
    const facts: SegmentFacts = {
      clusterId: CLUSTER_ID,
      topic: TOPIC,
      topicId: TOPIC_ID,
      partition: 0,
      segmentId: segmentNamed(options.number),
      firstToken: { incarnation: 1, index: BigInt(options.number) + 1n },
      brokerId: 1,
      intentMs: 1_732_420_000_000,
      startOffset: built.baseOffset,
      nextOffset: options.nextOffset ?? built.nextOffset,
      maxTimestampMs: built.maxTimestampMs,
      epochs: options.epochs,
      rebuilt: false,
      noProducerSnapshot: options.producers === null,
    };
    const tail = writeObjectTail(
      facts,
      { bytes: built.log.length, chunkCrcs: chunkCrcsOf(built.log) },
      {
        offsetIndex: built.index,
        timeIndex: built.timeindex,
        transactionIndex: txnindex,
        producerSnapshot:
          options.producers === null ? undefined : buildProducerSnapshot(options.producers ?? []),
        leaderEpochCheckpoint: Buffer.from(printLeaderEpochCheckpoint(options.epochs)),
      },
    );
    const objectKey = buildObjectKey({
      ...facts,
      id: { topicId: TOPIC_ID, partition: 0 },
      token: facts.firstToken,
    });
    const bytes = Buffer.concat([built.log, tail.bytes]);
    this.store.objects.set(objectKey, { bytes, modifiedMs: 0 });
    const record: SegmentRecord = {
      ...facts,
      state: options.state ?? 'COPY_SEGMENT_FINISHED',
      fenceToken: facts.firstToken,
      store: 'main',
      objectKey,
      uploadIds: [],
      eventTimestampMs: 0,
      logBytes: built.log.length,
      objectBytes: bytes.length,
      txnIndexEmpty: txnindex === undefined,
      adopted: false,
    };
    this.segments = [...this.segments, record];
    return { record, built };
  }

  snapshot(): PartitionSnapshot {
    return {
      id: { topicId: TOPIC_ID, partition: 0 },
      topic: TOPIC,
      revision: { incarnation: 1, index: 1n },
      lineage: this.lineage,
      remoteStart: this.remoteStart,
      claim: undefined,
      segments: this.segments,
    };
  }

  question(offset: bigint, options: Partial<FetchQuestion> = {}): FetchQuestion {
    const isolation = 'read-uncommitted';
    return { topic: TOPIC, partition: 0, offset, maxBytes: 0, isolation, ...options };
  }

  async fetch(offset: bigint, options: Partial<FetchQuestion> = {}): Promise<Answer> {
    const messages: Buffer[] = [];
    let [verdict, end]: [FetchPart | undefined, Answer['end']] = [undefined, undefined];
    const { signal } = new AbortController();
    for await (const part of this.fetcher.fetch(this.question(offset, options), signal)) {
      if (part.kind === 'batches') {
        const { buffer, start, end: stop, release } = part.message;
        messages.push(Buffer.from(buffer.subarray(start, stop)));
        buffer.fill(0xee); // what a reader still used would be spoilt
        release();
      } else if (part.kind === 'end') end = part;
      else verdict = part;
    }
    return { verdict, messages, bytes: Buffer.concat(messages), end };
  }

  /** As a reader does: fetch after fetch until the answer is no longer `served`. */
  async readOn(from: bigint, options: Partial<FetchQuestion> = {}): Promise<Answer[]> {
    const answers: Answer[] = [];
    let offset = from;
    while (answers.length < 50) {
      const answer = await this.fetch(offset, options);
      answers.push(answer);
      if (answer.end === undefined) return answers;
      offset = answer.end.nextOffset;
    }
    throw new Error('no end of answers');
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.fetcher.stop();
    await this.cache.stop();
  }

  async metric(name: string): Promise<number> {
    const lines = (await this.registry.print()).split('\n');
    const line = lines.find((text) => text.startsWith(`logtier_${name}`));
    return Number(line?.split(' ').at(-1) ?? Number.NaN);
  }

  private doors(): {
    lookup: SegmentLookup;
    broker: BrokerOffsets;
    stores: () => FaultyStore;
  } {
    return {
      lookup: {
        find: () => {
          this.asked.view += 1;
          return this.lookUp();
        },
        findLinearizable: () => {
          this.asked.linearizable += 1;
          return this.lookUpLinearizable();
        },
      },
      broker: {
        outcomes: (_topic, _partition, offset) => this.outcomesAt(offset),
        offsets: (_topic, _partition, signal) => {
          this.asked.broker += 1;
          return this.askBroker(signal);
        },
      },
      stores: () => this.store,
    };
  }
}

export const notReady = new LogtierError('NOT_READY', 'the view is not complete');
