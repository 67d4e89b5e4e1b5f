// What the broker says of its own offsets, with a bound on the wait.
import { LRUCache } from 'lru-cache';
import { hasCode } from '../base/errors.ts';
import { untilAborted } from '../cache/until-aborted.ts';
import type { Clock } from '../platform/clock.ts';
import { throwIfAborted } from '../platform/clock.ts';
import type { FetcherMetrics } from './metrics.ts';
import type { BrokerOffsets, LocalOffsets, LocalOutcomes } from './segment-lookup.ts';
import type { FetcherSettings } from './settings.ts';

const PARTITIONS_KEPT = 10_000;

export const unknownOffsets: LocalOffsets = {
  localStart: undefined,
  highWatermark: undefined,
  lastStableOffset: undefined,
};

interface Heard {
  readonly offsets: LocalOffsets;
  readonly heardMs: number;
}

export interface LocalOffsetsDeps {
  readonly broker: BrokerOffsets;
  readonly clock: Clock;
  readonly metrics: FetcherMetrics;
}

export class LocalOffsetsReader {
  private readonly deps: LocalOffsetsDeps;
  private readonly settings: Pick<FetcherSettings, 'brokerWaitMs' | 'localStartFreshMs'>;
  private readonly heard = new LRUCache<string, Heard>({ max: PARTITIONS_KEPT });

  constructor(deps: LocalOffsetsDeps, settings: LocalOffsetsReader['settings']) {
    this.deps = deps;
    this.settings = settings;
  }

  /** What was heard a moment ago: good for the answer 'remote', and for no other. */
  recent(topic: string, partition: number): LocalOffsets | undefined {
    const heard = this.heard.get(`${topic}/${partition}`);
    const ageMs = this.deps.clock.monotonicMs() - (heard?.heardMs ?? 0);
    return ageMs <= this.settings.localStartFreshMs ? heard?.offsets : undefined;
  }

  /** Asks now. All unknown when the broker does not answer in time, or cannot. */
  async ask(topic: string, partition: number, signal: AbortSignal): Promise<LocalOffsets> {
    const { broker, clock } = this.deps;
    const offsets = await this.orSilence(signal, (inTime) =>
      broker.offsets(topic, partition, inTime),
    );
    if (offsets === undefined) return unknownOffsets;
    this.heard.set(`${topic}/${partition}`, { offsets, heardMs: clock.monotonicMs() });
    return offsets;
  }

  /** Undefined when the broker does not answer in time, does not lead, or has no data at `offset` any more. */
  outcomes(
    { topic, partition }: { readonly topic: string; readonly partition: number },
    offset: bigint,
    signal: AbortSignal,
  ): Promise<LocalOutcomes | undefined> {
    return this.orSilence(signal, (inTime) =>
      this.deps.broker.outcomes(topic, partition, offset, inTime),
    );
  }

  private async orSilence<T>(
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    const { clock, metrics } = this.deps;
    const deadline = clock.deadline(this.settings.brokerWaitMs, signal);
    try {
      return await untilAborted(ask(deadline.signal), deadline.signal);
    } catch (error) {
      throwIfAborted(signal);
      if (!hasCode(error, 'DEADLINE_EXCEEDED', ...SILENCES)) throw error;
      metrics.fetcher_broker_silences_total.add(1);
      return undefined;
    } finally {
      deadline.clear();
    }
  }
}

const SILENCES = [
  'BROKER_UNAVAILABLE',
  'BROKER_DENIED',
  'NOT_LEADER_OR_FOLLOWER',
  'OFFSET_OUT_OF_RANGE',
] as const;
