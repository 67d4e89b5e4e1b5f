// What the broker says of its own offsets, with a bound on the wait.
import { LRUCache } from 'lru-cache';
import { hasCode } from '../base/errors.ts';
import { untilAborted } from '../cache/until-aborted.ts';
import type { Clock } from '../platform/clock.ts';
import { throwIfAborted } from '../platform/clock.ts';
import type { FetcherMetrics } from './metrics.ts';
import type { BrokerOffsets, LocalOffsets } from './segment-lookup.ts';
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
    const { broker, clock, metrics } = this.deps;
    const deadline = clock.deadline(this.settings.brokerWaitMs, signal);
    try {
      const asked = broker.offsets(topic, partition, deadline.signal);
      const offsets = await untilAborted(asked, deadline.signal);
      this.heard.set(`${topic}/${partition}`, { offsets, heardMs: clock.monotonicMs() });
      return offsets;
    } catch (error) {
      throwIfAborted(signal);
      if (!hasCode(error, 'DEADLINE_EXCEEDED', ...SILENCES)) throw error;
      metrics.fetcher_broker_silences_total.add(1);
      return unknownOffsets;
    } finally {
      deadline.clear();
    }
  }
}

const SILENCES = ['BROKER_UNAVAILABLE', 'BROKER_DENIED', 'NOT_LEADER_OR_FOLLOWER'] as const;
