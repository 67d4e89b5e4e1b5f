import type { LogtierError } from '../../base/errors.ts';
import { onAbort } from '../../base/on-abort.ts';
import { abortError } from '../../platform/clock.ts';
import type { LogIndex } from '../log/replicated-log.ts';

interface Waiter {
  readonly index: LogIndex;
  resolve(): void;
  reject(error: LogtierError): void;
}

/** Who waits for entries of the log to get somewhere. */
export class IndexWaiters {
  private waiting: Waiter[] = [];
  private reachedIndex: LogIndex;
  /** Fires when they will get no further. */
  private readonly ended: AbortSignal;

  constructor(reached: LogIndex, ended: AbortSignal) {
    this.reachedIndex = reached;
    this.ended = ended;
    onAbort(ended, () => {
      const { waiting } = this;
      this.waiting = [];
      for (const waiter of waiting) waiter.reject(abortError(ended));
    });
  }

  /** Never back. */
  reached(index: LogIndex): void {
    this.reachedIndex = index;
    const ready = this.waiting.filter((waiter) => waiter.index <= index);
    if (ready.length === 0) return;
    this.waiting = this.waiting.filter((waiter) => waiter.index > index);
    for (const waiter of ready) waiter.resolve();
  }

  wait(index: LogIndex, signal: AbortSignal): Promise<void> {
    if (this.reachedIndex >= index) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const { ended } = this;
      if (ended.aborted || signal.aborted) {
        reject(abortError(ended.aborted ? ended : signal));
        return;
      }
      const forget = onAbort(signal, () => {
        this.waiting = this.waiting.filter((other) => other !== waiter);
        reject(abortError(signal));
      });
      const waiter: Waiter = {
        index,
        resolve: () => {
          forget();
          resolve();
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      this.waiting.push(waiter);
    });
  }
}
