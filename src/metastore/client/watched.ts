// Waits for something about a value that others change; asked again after each change.
import { abortError, type Clock } from '../../platform/clock.ts';
import { onAbort } from '../../base/on-abort.ts';

export class Watched {
  private readonly clock: Clock;
  private readonly checks = new Set<() => void>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  changed(): void {
    for (const check of this.checks) check();
  }

  /** What `look` finds, at once or after a change; rejects with the signal, or DEADLINE_EXCEEDED. */
  async until<T>(look: () => T | undefined, waitMs: number, signal: AbortSignal): Promise<T> {
    const found = look();
    if (found !== undefined) return found;
    const deadline = this.clock.deadline(waitMs, signal);
    let check: (() => void) | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        check = () => {
          const now = look();
          if (now !== undefined) resolve(now);
        };
        const giveUp = (): void => {
          reject(abortError(deadline.signal));
        };
        if (deadline.signal.aborted) giveUp();
        else deadline.signal.addEventListener('abort', giveUp, { once: true });
        this.checks.add(check);
      });
    } finally {
      if (check !== undefined) this.checks.delete(check);
      deadline.clear();
    }
  }
}

/** `shared` goes on for others when this caller leaves. */
export function orAborted<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      reject(abortError(signal));
    });
    void shared.then(resolve, reject).finally(forget);
  });
}
