// A clock that never waits: a sleep moves it forward and is written down.
import type { Clock } from '../../src/platform/clock.ts';
import { throwIfAborted } from '../../src/platform/clock.ts';

export class SkippingClock implements Clock {
  /** Every sleep so far, in milliseconds. */
  readonly slept: number[] = [];
  private nowMs: number;

  constructor(nowMs = 1_700_000_000_000) {
    this.nowMs = nowMs;
  }

  advance(ms: number): void {
    this.nowMs += ms;
  }

  wallMs(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  uptimeMs(): number {
    return this.nowMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    this.slept.push(ms);
    this.nowMs += ms;
    await Promise.resolve();
    throwIfAborted(signal);
  }

  every(): () => void {
    return () => undefined;
  }

  deadline(_ms: number, parent: AbortSignal): { signal: AbortSignal; clear: () => void } {
    return { signal: parent, clear: () => undefined };
  }
}
