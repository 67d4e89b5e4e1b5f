// A real clock whose waits are a tenth as long, for code with waits of seconds that a test would sit through.
import { systemClock, type Clock } from '../../src/platform/clock.ts';

/** So many milliseconds of this clock pass in a real one. */
export const HASTE = 10;
/** A shorter deadline ends a wait; this one or a longer one bounds a call, and a slow machine is no failed call. */
const CALL_BOUND_MS = 5_000;

export const hastyClock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() * HASTE,
  sleep: (ms, signal) => systemClock.sleep(ms / HASTE, signal),
  every: (ms, tick) => systemClock.every(ms / HASTE, tick),
  deadline: (ms, parent) => systemClock.deadline(ms < CALL_BOUND_MS ? ms / HASTE : ms, parent),
};
