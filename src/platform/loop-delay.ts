// The only door to the event loop's delay: how late timers fire because JavaScript ran too long.
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface LoopDelays {
  readonly medianMs: number;
  readonly longestMs: number;
}

export interface LoopDelay {
  /** Of the time since the last call; zeros before the first sample. */
  take(): LoopDelays;
  /** Idempotent. */
  stop(): void;
}

const RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

export function watchLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // The histogram counts from one tick to the next: a loop that is never late shows the resolution itself.
  const late = (ns: number): number =>
    Number.isFinite(ns) ? Math.max(0, ns / NS_PER_MS - RESOLUTION_MS) : 0;
  return {
    take: () => {
      if (histogram.count === 0) return { medianMs: 0, longestMs: 0 };
      const taken = { medianMs: late(histogram.percentile(50)), longestMs: late(histogram.max) };
      histogram.reset();
      return taken;
    },
    stop: () => {
      histogram.disable();
    },
  };
}
