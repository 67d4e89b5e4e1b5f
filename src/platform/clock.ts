// The only door to time. Everything that waits or measures takes a Clock.
import { readFileSync } from 'node:fs';
import { LogtierError } from '../base/errors.ts';

export interface Clock {
  /** Milliseconds since 1970, as the host believes. May jump; nothing is fenced or erased by it alone. */
  wallMs(): number;
  /** Milliseconds that never go back, for durations. Stands still while the host is suspended. */
  monotonicMs(): number;
  /** Milliseconds since boot with suspension counted (CLOCK_BOOTTIME), for late windows (safety rule 24). */
  uptimeMs(): number;
  /** Rejects with ABORTED as soon as `signal` fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls `tick` every `ms` until the returned function is called. */
  every(ms: number, tick: () => void): () => void;
  /** A signal that fires with DEADLINE_EXCEEDED after `ms`, or with `parent`; call `clear` when done. */
  deadline(ms: number, parent: AbortSignal): Deadline;
}

export interface Deadline {
  readonly signal: AbortSignal;
  clear(): void;
}

/** The reason of a fired signal as an error of ours. */
export function abortError(signal: AbortSignal): LogtierError {
  const reason: unknown = signal.reason;
  return reason instanceof LogtierError
    ? reason
    : new LogtierError('ABORTED', 'aborted', { cause: reason });
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(abortError(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

function deadline(ms: number, parent: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = (): void => {
    controller.abort(parent.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(new LogtierError('DEADLINE_EXCEEDED', `no answer in ${ms} ms`));
  }, ms);
  if (parent.aborted) onParent();
  else parent.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer);
      parent.removeEventListener('abort', onParent);
    },
  };
}

/** First field of /proc/uptime: seconds since boot, suspension included (proc(5)). */
function uptimeMs(): number {
  return Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000);
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  uptimeMs,
  sleep,
  every: (ms, tick) => {
    const timer = setInterval(tick, ms);
    return () => {
      clearInterval(timer);
    };
  },
  deadline,
};
