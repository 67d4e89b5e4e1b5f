// One limit on what goes up to all stores together; changeable while uploads run.
import type { Clock } from '../../platform/clock.ts';
import { abortError, throwIfAborted } from '../../platform/clock.ts';
import type { ByteSource, ObjectStore } from '../object-store.ts';
import { linkedAbort } from '../transfer/linked-abort.ts';

/** A waiter looks again this often, so that a new rate is felt at once. */
const LONGEST_NAP_MS = 250;

/** What may go at once after a pause, in seconds of the rate. */
const BURST_SECONDS = 0.25;

/** A token bucket that may be overdrawn by one piece: so pieces larger than the burst pass as well. */
export class UploadLimit {
  private readonly clock: Clock;
  private bytesPerSecond: number | undefined;
  private tokens = 0;
  private filledMs: number;
  private queue: Promise<void> = Promise.resolve();

  /** `bytesPerSecond` undefined: no limit. */
  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.clock = clock;
    this.bytesPerSecond = bytesPerSecond;
    this.filledMs = clock.monotonicMs();
  }

  /** Takes effect for pieces that wait already. */
  change(bytesPerSecond: number | undefined): void {
    this.refill();
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when `bytes` may go; in order of asking. */
  take(bytes: number, signal: AbortSignal): Promise<void> {
    const turn = this.queue.then(() => this.takeAsFirst(bytes, signal));
    this.queue = turn.catch(() => undefined);
    return unlessAborted(turn, signal);
  }

  private async takeAsFirst(bytes: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    for (let waitMs = this.waitMs(); waitMs > 0; waitMs = this.waitMs()) {
      await this.clock.sleep(Math.min(Math.ceil(waitMs), LONGEST_NAP_MS), signal);
    }
    this.tokens -= bytes;
  }

  /** Until the bucket is out of debt. */
  private waitMs(): number {
    this.refill();
    if (this.bytesPerSecond === undefined) return 0;
    return (-this.tokens / this.bytesPerSecond) * 1000;
  }

  private refill(): void {
    const nowMs = this.clock.monotonicMs();
    const rate = this.bytesPerSecond;
    if (rate === undefined) this.tokens = 0;
    else {
      const grown = this.tokens + ((nowMs - this.filledMs) / 1000) * rate;
      this.tokens = Math.min(grown, rate * BURST_SECONDS);
    }
    this.filledMs = nowMs;
  }
}

/** `turn`, or the signal's reason at once: an aborted waiter leaves, its turn passes when it comes. */
async function unlessAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const link = linkedAbort(signal);
  const aborted = new Promise<never>((_resolve, reject) => {
    link.signal.addEventListener('abort', () => {
      reject(abortError(signal));
    });
  });
  try {
    await Promise.race([turn, aborted]);
  } finally {
    link.unlink();
  }
}

function limitedSource(source: ByteSource, limit: UploadLimit): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    crc32: (range) => source.crc32(range),
    read: async function* (range, signal) {
      for await (const piece of source.read(range, signal)) {
        await limit.take(piece.length, signal);
        yield piece;
      }
    },
  };
}

/** Every piece of a put's body waits for its turn under `limit`. */
export function rateLimitedStore(limit: UploadLimit, inner: ObjectStore): ObjectStore {
  return {
    put: (key, body, observer, signal) =>
      inner.put(key, limitedSource(body, limit), observer, signal),
    get: (key, range, signal) => inner.get(key, range, signal),
    stat: (key, signal) => inner.stat(key, signal),
    list: (prefix, after, signal) => inner.list(prefix, after, signal),
    delete: (keys, signal) => inner.delete(keys, signal),
    abandon: (key, uploadIds, signal) => inner.abandon(key, uploadIds, signal),
    wallClockMs: (signal) => inner.wallClockMs(signal),
    probe: (signal) => inner.probe(signal),
  };
}
