// A bounded number of things at once; the rest waits in line, and the line is bounded too.
import { LogtierError } from '../base/errors.ts';
import { abortError, throwIfAborted } from '../platform/clock.ts';

export class Places {
  private free: number;
  private readonly longestLine: number;
  private readonly line = new Map<() => void, (reason: LogtierError) => void>();
  private closed: LogtierError | undefined;

  constructor(places: number, longestLine: number) {
    this.free = places;
    this.longestLine = longestLine;
  }

  get waiting(): number {
    return this.line.size;
  }

  /** A place at once, or none. The answer gives it back; calling it again does nothing. */
  tryTake(): (() => void) | undefined {
    if (this.free === 0 || this.line.size > 0) return undefined;
    this.free -= 1;
    return this.giveBackOnce();
  }

  /** First come, first served. OVERLOADED when the line is full; who is aborted leaves it. */
  async take(signal?: AbortSignal): Promise<() => void> {
    if (signal !== undefined) throwIfAborted(signal);
    if (this.closed !== undefined) throw this.closed;
    const now = this.tryTake();
    if (now !== undefined) return now;
    if (this.line.size >= this.longestLine) {
      throw new LogtierError('OVERLOADED', `${this.line.size} already wait for a place`);
    }
    await this.waitInLine(signal);
    return this.giveBackOnce();
  }

  /** Sends everyone in the line away with `reason`, and who comes later. */
  close(reason: LogtierError): void {
    this.closed = reason;
    for (const leave of this.line.values()) leave(reason);
    this.line.clear();
  }

  private waitInLine(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.line.delete(enter);
        if (signal !== undefined) reject(abortError(signal));
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      this.line.set(enter, (reason) => {
        signal?.removeEventListener('abort', onAbort);
        reject(reason);
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  private giveBackOnce(): () => void {
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      for (const next of this.line.keys()) {
        this.line.delete(next);
        next(); // the place goes over, `free` stays
        return;
      }
      this.free += 1;
    };
  }
}
