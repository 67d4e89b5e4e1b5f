// Read barriers share a round: who comes while one is under way waits for the next, which begins later.
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';

export class BarrierGate<T> {
  private readonly round: () => Promise<T>;
  private current: Promise<T> | undefined;
  private next: Promise<T> | undefined;

  constructor(round: () => Promise<T>) {
    this.round = round;
  }

  /** The result of a round that began after the call. */
  pass(signal: AbortSignal): Promise<T> {
    const mine =
      this.current === undefined ? this.begin() : (this.next ??= this.after(this.current));
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        reject(abortError(signal));
      });
      void mine.then(resolve, reject).finally(forget);
    });
  }

  private begin(): Promise<T> {
    const begun = this.round().finally(() => {
      if (this.current === begun) this.current = undefined;
    });
    this.current = begun;
    return begun;
  }

  private async after(current: Promise<T>): Promise<T> {
    await current.catch(() => undefined);
    this.next = undefined;
    return await this.begin();
  }
}
