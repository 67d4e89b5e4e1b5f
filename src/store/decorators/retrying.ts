// Repeats what the store could not do right now, so that flows see lasting trouble only.
import type { BackoffSettings } from '../../base/backoff.ts';
import { backoffMs } from '../../base/backoff.ts';
import type { ByteRange } from '../../base/byte-range.ts';
import { hasCode } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import type { ObjectStore, StoredObject } from '../object-store.ts';

export interface RetrySettings extends BackoffSettings {
  /** Repeats of one call without progress; 0 = none. */
  readonly retries: number;
  /** No repeat starts later than this after the call, suspension of the host counted (safety rule 24). */
  readonly retryForMs: number;
}

export interface RetryDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** What has happened to one call so far. */
class Attempts {
  private readonly deps: RetryDeps;
  private readonly settings: RetrySettings;
  private readonly startedMs: number;
  private failed = 0;

  constructor(deps: RetryDeps, settings: RetrySettings) {
    this.deps = deps;
    this.settings = settings;
    this.startedMs = deps.clock.uptimeMs();
  }

  /** Something was reached: the next failure is a first one again. */
  progressed(): void {
    this.failed = 0;
  }

  /**
   * Waits before the next try, or throws `error`. Only STORE_UNAVAILABLE is the store's own "later":
   * what a source or an observer throws to be retried is for their flow.
   */
  async waitAfter(error: unknown, signal: AbortSignal): Promise<void> {
    const { retries, retryForMs } = this.settings;
    if (!hasCode(error, 'STORE_UNAVAILABLE') || this.failed >= retries) throw error;
    const waitMs = backoffMs(this.settings, this.failed, this.deps.random.share());
    const elapsedMs = this.deps.clock.uptimeMs() - this.startedMs;
    if (elapsedMs + waitMs > retryForMs) throw error;
    this.failed += 1;
    await this.deps.clock.sleep(waitMs, signal);
    if (this.deps.clock.uptimeMs() - this.startedMs > retryForMs) throw error;
  }
}

/**
 * A put is repeated whole (its source is read again), a get goes on at the byte it reached, a list after
 * the key it reached; everything is bounded in tries and in time.
 */
export function retryingStore(
  deps: RetryDeps,
  settings: RetrySettings,
  inner: ObjectStore,
): ObjectStore {
  const repeat = async <T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    const attempts = new Attempts(deps, settings);
    for (;;) {
      try {
        return await call();
      } catch (error) {
        await attempts.waitAfter(error, signal);
      }
    }
  };

  async function* get(
    key: string,
    range: ByteRange,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const attempts = new Attempts(deps, settings);
    let { start } = range;
    for (;;) {
      try {
        for await (const piece of inner.get(key, { start, end: range.end }, signal)) {
          start += piece.length;
          attempts.progressed();
          yield piece;
        }
        return;
      } catch (error) {
        if (start === range.end && start > range.start) return; // all bytes were handed out
        await attempts.waitAfter(error, signal);
      }
    }
  }

  async function* list(
    prefix: string,
    after: string,
    signal: AbortSignal,
  ): AsyncGenerator<StoredObject> {
    const attempts = new Attempts(deps, settings);
    let last = after;
    for (;;) {
      try {
        for await (const object of inner.list(prefix, last, signal)) {
          last = object.key;
          attempts.progressed();
          yield object;
        }
        return;
      } catch (error) {
        await attempts.waitAfter(error, signal);
      }
    }
  }

  return {
    put: (key, body, observer, signal) =>
      repeat(() => inner.put(key, body, observer, signal), signal),
    get,
    stat: (key, signal) => repeat(() => inner.stat(key, signal), signal),
    list,
    delete: (keys, signal) => repeat(() => inner.delete(keys, signal), signal),
    abandon: (key, uploadIds, signal) =>
      repeat(() => inner.abandon(key, uploadIds, signal), signal),
    wallClockMs: (signal) => repeat(() => inner.wallClockMs(signal), signal),
    probe: (signal) => repeat(() => inner.probe(signal), signal),
  };
}
