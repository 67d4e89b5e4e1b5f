// A clock that a test moves by hand; what sleeps wakes in the order of its time.
import { LogtierError } from '../../src/base/errors.ts';
import { abortError, type Clock } from '../../src/platform/clock.ts';

interface Timer {
  dueMs: number;
  readonly everyMs: number | undefined;
  fire(): void;
}

export class ManualClock implements Clock {
  private nowMs = 0;
  private wallStartMs = 1_767_225_600_000;
  private timers: Timer[] = [];

  wallMs = (): number => this.wallStartMs + this.nowMs;
  monotonicMs = (): number => this.nowMs;
  uptimeMs = (): number => this.nowMs;

  /** The host's wall clock alone is wrong from now on. */
  jumpWall(ms: number): void {
    this.wallStartMs += ms;
  }

  /** In steps, with everything that is ready run between them. */
  async advance(ms: number, stepMs = 100): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.nowMs += Math.min(stepMs, left);
      this.fireDue();
      await settled();
    }
  }

  sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortError(signal));
        return;
      }
      const onAbort = (): void => {
        this.drop(timer);
        reject(abortError(signal));
      };
      const timer = this.add(ms, undefined, () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });

  every = (ms: number, tick: () => void): (() => void) => {
    const timer = this.add(ms, ms, tick);
    return () => {
      this.drop(timer);
    };
  };

  deadline = (ms: number, parent: AbortSignal): { signal: AbortSignal; clear(): void } => {
    const controller = new AbortController();
    const timer = this.add(ms, undefined, () => {
      controller.abort(new LogtierError('DEADLINE_EXCEEDED', `no answer in ${ms} ms`));
    });
    const onParent = (): void => {
      controller.abort(parent.reason);
    };
    if (parent.aborted) onParent();
    else parent.addEventListener('abort', onParent, { once: true });
    return {
      signal: controller.signal,
      clear: () => {
        this.drop(timer);
        parent.removeEventListener('abort', onParent);
      },
    };
  };

  private add(ms: number, everyMs: number | undefined, fire: () => void): Timer {
    const timer = { dueMs: this.nowMs + ms, everyMs, fire };
    this.timers.push(timer);
    return timer;
  }

  private drop(timer: Timer): void {
    this.timers = this.timers.filter((other) => other !== timer);
  }

  private fireDue(): void {
    const due = this.timers.filter(({ dueMs }) => dueMs <= this.nowMs);
    for (const timer of due.toSorted((left, right) => left.dueMs - right.dueMs)) {
      if (timer.everyMs === undefined) this.drop(timer);
      else timer.dueMs += timer.everyMs;
      timer.fire();
    }
  }
}

/** Until what was ready has run: turns of the event loop, no waiting. */
export async function settled(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
