import { untilAborted } from '../cache/until-aborted.ts';
import type { Clock } from '../platform/clock.ts';

/** Rejects with DEADLINE_EXCEEDED after `waitMs`, even when `ask` does not heed its signal. */
export async function bounded<T>(
  clock: Clock,
  waitMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const deadline = clock.deadline(waitMs, signal);
  try {
    return await untilAborted(ask(deadline.signal), deadline.signal);
  } finally {
    deadline.clear();
  }
}
