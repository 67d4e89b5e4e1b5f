import type { Clock } from '../../platform/clock.ts';

export interface IdleWatch {
  /** We wait for the other side from now on. */
  arm(): void;
  /** It moved, or we are the slow one now. */
  disarm(): void;
  stop(): void;
}

/**
 * Calls `onIdle` once the other side let us wait for `idleMs` (up to a quarter more) without a move.
 * One timer for a whole transfer, however many pieces it has.
 */
export function idleWatch(clock: Clock, idleMs: number, onIdle: () => void): IdleWatch {
  let armedSinceMs: number | undefined;
  const stop = clock.every(Math.ceil(idleMs / 4), () => {
    if (armedSinceMs !== undefined && clock.monotonicMs() - armedSinceMs >= idleMs) onIdle();
  });
  return {
    arm: () => {
      armedSinceMs = clock.monotonicMs();
    },
    disarm: () => {
      armedSinceMs = undefined;
    },
    stop,
  };
}
