// Everything a fetch needs, wired once.
import { Places } from '../cache/places.ts';
import type { ChunkCache } from '../cache/chunk-cache.ts';
import { LogtierError } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import {
  fetchRecords,
  type FetchDeps,
  type FetchPart,
  type FetchQuestion,
} from './fetch-records.ts';
import { IndexReader, type StoreOf } from './index-reader.ts';
import { Lanes } from './lanes.ts';
import { LocalOffsetsReader } from './local-offsets.ts';
import { MessageBuffers } from './message-buffers.ts';
import type { FetcherMetrics } from './metrics.ts';
import { readOffsets, type TieredOffsets } from './offsets.ts';
import { Sequences } from './read-ahead.ts';
import {
  resolveTimestamp,
  type ResolvedTimestamp,
  type TimestampQuestion,
} from './resolve-timestamp.ts';
import type { BrokerOffsets, SegmentLookup } from './segment-lookup.ts';
import type { FetcherSettings } from './settings.ts';

export interface FetcherParts {
  readonly lookup: SegmentLookup;
  readonly broker: BrokerOffsets;
  readonly stores: StoreOf;
  readonly cache: ChunkCache;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FetcherMetrics;
}

/** Reads of history, for any door. The cache is the caller's to stop, after this. */
export class Fetcher {
  private readonly deps: FetchDeps;
  private readonly settings: FetcherSettings;
  private readonly streams: Places;

  constructor(parts: FetcherParts, settings: FetcherSettings) {
    const { lookup, stores, cache, clock, logger, metrics } = parts;
    this.settings = settings;
    this.streams = new Places(settings.streamsAtOnce, 0);
    this.deps = {
      lookup,
      local: new LocalOffsetsReader(parts, settings),
      indexes: new IndexReader(stores, settings.indexBytes),
      sequences: new Sequences(),
      reads: { cache, stores, coldLanes: new Lanes(settings.coldReadsPerPartition) },
      buffers: new MessageBuffers(),
      clock,
      logger,
      metrics,
    };
  }

  /** `maxBytes` 0: the default. OVERLOADED while too many answers are under way. */
  async *fetch(
    question: FetchQuestion,
    signal: AbortSignal,
  ): AsyncGenerator<FetchPart, void, undefined> {
    const leave = this.streams.tryTake();
    if (leave === undefined) {
      const { streamsAtOnce } = this.settings;
      throw new LogtierError('OVERLOADED', `${streamsAtOnce} answers are under way`);
    }
    this.deps.metrics.fetcher_streams.add(1);
    try {
      const maxBytes = this.boundedBytes(question.maxBytes);
      yield* fetchRecords(this.deps, this.settings, { ...question, maxBytes }, signal);
    } finally {
      this.deps.metrics.fetcher_streams.add(-1);
      leave();
    }
  }

  resolveTimestamp(question: TimestampQuestion, signal: AbortSignal): Promise<ResolvedTimestamp> {
    return resolveTimestamp(this.deps, question, signal);
  }

  offsets(topic: string, partition: number, signal: AbortSignal): Promise<TieredOffsets> {
    return readOffsets(this.deps, { topic, partition }, signal);
  }

  /** Reads of indexes in flight are given up. Idempotent. */
  stop(): void {
    this.deps.indexes.stop();
  }

  private boundedBytes(wantedBytes: number): number {
    const { defaultBytes, largestBytes } = this.settings;
    return Math.min(wantedBytes === 0 ? defaultBytes : wantedBytes, largestBytes);
  }
}
