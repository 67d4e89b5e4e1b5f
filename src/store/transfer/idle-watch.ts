import type { Clock } from '../../platform/clock.ts';

export interface IdleWatch {
  /** We wait for the other side from now on. */
  arm(): void;
  /** It moved, or we are the slow one now. */
  disarm(): void;
  stop(): void;
}

/** An idle time is told after so many full ticks. */
const TICKS = 4;

/**
 * Calls `onIdle` once the other side let us wait for `idleMs` (up to a quarter more) without a move.
 * One timer for a whole transfer, however many pieces it has. Counts ticks, not time: a stall of this
 * process is one tick, and no fault of the other side.
 */
export function idleWatch(clock: Clock, idleMs: number, onIdle: () => void): IdleWatch {
  let isArmed = false;
  let ticks = 0;
  const stop = clock.every(Math.ceil(idleMs / TICKS), () => {
    if (!isArmed) return;
    ticks += 1;
    if (ticks > TICKS) onIdle();
  });
  return {
    arm: () => {
      isArmed = true;
      ticks = 0;
    },
    disarm: () => {
      isArmed = false;
    },
    stop,
  };
}
