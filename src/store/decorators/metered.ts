// Times and bytes of every call to one store, each try of its own.
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { StoreMetrics } from '../metrics.ts';
import type { ByteSource, ObjectStore } from '../object-store.ts';

export interface MeterDeps {
  readonly clock: Clock;
  readonly metrics: StoreMetrics;
}

type Operation = keyof ObjectStore;

function outcomeOf(error: unknown): string {
  return error instanceof LogtierError ? error.code : 'unknown';
}

/** Passes `source` through and tells the size of each piece. */
function countedSource(source: ByteSource, onBytes: (bytes: number) => void): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    crc32: (range) => source.crc32(range),
    read: async function* (range, signal) {
      for await (const piece of source.read(range, signal)) {
        onBytes(piece.length);
        yield piece;
      }
    },
  };
}

class Meter {
  private readonly deps: MeterDeps;
  private readonly store: string;

  constructor(deps: MeterDeps, store: string) {
    this.deps = deps;
    this.store = store;
  }

  sent(bytes: number): void {
    this.deps.metrics.store_sent_bytes_total.add(bytes, { store: this.store });
  }

  received(bytes: number): void {
    this.deps.metrics.store_received_bytes_total.add(bytes, { store: this.store });
  }

  firstByte(waitedMs: number): void {
    this.deps.metrics.store_first_byte_seconds.observe(waitedMs / 1000, { store: this.store });
  }

  async call<T>(op: Operation, call: () => Promise<T>): Promise<T> {
    const startedMs = this.nowMs();
    try {
      const result = await call();
      this.observe(op, 'ok', this.nowMs() - startedMs);
      return result;
    } catch (error) {
      this.observe(op, outcomeOf(error), this.nowMs() - startedMs);
      throw error;
    }
  }

  /** Counts only the time spent waiting for the next item: what the consumer does with it is not the store's. */
  async *stream<T>(
    op: Operation,
    items: AsyncIterable<T>,
    onItem: (item: T, waitedMs: number) => void,
  ): AsyncGenerator<T> {
    let waitedMs = 0;
    let outcome = 'left';
    let sinceMs = this.nowMs();
    try {
      for await (const item of items) {
        waitedMs += this.nowMs() - sinceMs;
        onItem(item, waitedMs);
        yield item;
        sinceMs = this.nowMs();
      }
      outcome = 'ok';
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      if (outcome !== 'left') waitedMs += this.nowMs() - sinceMs;
      this.observe(op, outcome, waitedMs);
    }
  }

  private nowMs(): number {
    return this.deps.clock.monotonicMs();
  }

  private observe(op: Operation, outcome: string, elapsedMs: number): void {
    const labels = { store: this.store, op, outcome };
    this.deps.metrics.store_request_seconds.observe(elapsedMs / 1000, labels);
  }
}

export function meteredStore(deps: MeterDeps, store: string, inner: ObjectStore): ObjectStore {
  const meter = new Meter(deps, store);
  const count = (bytes: number): void => {
    meter.sent(bytes);
  };
  return {
    put: (key, body, observer, signal) =>
      meter.call('put', () => inner.put(key, countedSource(body, count), observer, signal)),
    get: (key, range, signal) => {
      let isFirst = true;
      return meter.stream('get', inner.get(key, range, signal), (piece, waitedMs) => {
        if (isFirst) meter.firstByte(waitedMs);
        isFirst = false;
        meter.received(piece.length);
      });
    },
    stat: (key, signal) => meter.call('stat', () => inner.stat(key, signal)),
    list: (prefix, after, signal) =>
      meter.stream('list', inner.list(prefix, after, signal), () => undefined),
    delete: (keys, signal) => meter.call('delete', () => inner.delete(keys, signal)),
    abandon: (key, uploadIds, signal) =>
      meter.call('abandon', () => inner.abandon(key, uploadIds, signal)),
    wallClockMs: (signal) => meter.call('wallClockMs', () => inner.wallClockMs(signal)),
    probe: (signal) => meter.call('probe', () => inner.probe(signal)),
  };
}
