// A host and the processes that live on it, one after the other. What a dead process waited for never comes:
// it stands still at its last await, as after kill -9.
import { LogtierError } from '../../../src/base/errors.ts';
import { abortError, type Clock, type Deadline } from '../../../src/platform/clock.ts';
import type { Random } from '../../../src/platform/random.ts';
import type { Draw } from '../../support/memory-disk.ts';
import type { Schedule } from './schedule.ts';

/** 2026-01-01 */
const START_MS = 1_767_225_600_000;

export class Host {
  readonly schedule: Schedule;
  readonly draw: Draw;
  /** Nothing runs here before. */
  pausedUntilMs = 0;
  /** Of its wall clock. */
  skewMs = 0;
  /** Of one operation of its disk, about. */
  diskMs = 1;
  /** So many of the engine's calls take time. */
  engineSlowShare = 0.03;
  /** Counts down with everything that is waited for; at zero `onFatalAwait` is called. */
  awaitsLeft: number | undefined;
  onFatalAwait: () => void = () => undefined;

  constructor(schedule: Schedule, draw: Draw) {
    this.schedule = schedule;
    this.draw = draw;
  }
}

export class Process {
  readonly host: Host;
  readonly clock: Clock;
  readonly random: Random;
  private alive = true;
  private readonly ends = new Set<() => void>();

  constructor(host: Host) {
    this.host = host;
    this.clock = clockOf(this);
    this.random = {
      bytes: (count) => new Uint8Array(count).map(() => host.draw() * 256),
      share: host.draw,
    };
  }

  get isAlive(): boolean {
    return this.alive;
  }

  after(ms: number, run: () => void): void {
    const { schedule } = this.host;
    const runUnlessPaused = (): void => {
      if (!this.alive) return;
      const pausedMs = this.host.pausedUntilMs - schedule.nowMs;
      if (pausedMs > 0) schedule.after(pausedMs, runUnlessPaused);
      else run();
    };
    schedule.after(ms, runUnlessPaused);
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  diskWait(): Promise<void> {
    if (this.isFatal()) return new Promise(() => undefined);
    const { draw, diskMs } = this.host;
    return this.wait(draw() < 0.02 ? draw() * 40 * diskMs : draw() * diskMs);
  }

  engineWait(): Promise<void> {
    if (this.isFatal()) return new Promise(() => undefined);
    const { draw, engineSlowShare, diskMs } = this.host;
    return draw() < engineSlowShare ? this.wait(draw() * 4 * diskMs) : Promise.resolve();
  }

  /** `end` runs when the process dies, until the returned function is called. */
  atEnd(end: () => void): () => void {
    this.ends.add(end);
    return () => {
      this.ends.delete(end);
    };
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    const ends = [...this.ends];
    this.ends.clear();
    for (const end of ends) end();
  }

  private isFatal(): boolean {
    const { host } = this;
    if (!this.alive) return true;
    if (host.awaitsLeft === undefined) return false;
    host.awaitsLeft -= 1;
    if (host.awaitsLeft > 0) return false;
    host.awaitsLeft = undefined;
    // Not within the call: who calls has begun nothing yet, and never gets an answer.
    host.schedule.after(0, host.onFatalAwait);
    return true;
  }
}

function clockOf(process: Process): Clock {
  const { host } = process;
  const { schedule } = host;
  return {
    wallMs: () => Math.round(START_MS + schedule.nowMs + host.skewMs),
    monotonicMs: () => schedule.nowMs,
    uptimeMs: () => schedule.nowMs,
    sleep: (ms, signal) => sleep(process, ms, signal),
    every: (ms, tick) => {
      let isOn = true;
      const again = (): void => {
        if (!isOn) return;
        tick();
        process.after(ms, again);
      };
      process.after(ms * host.draw(), again);
      return () => {
        isOn = false;
      };
    },
    deadline: (ms, parent) => deadline(process, ms, parent),
  };
}

function sleep(process: Process, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(abortError(signal));
      return;
    }
    const giveUp = (): void => {
      reject(abortError(signal));
    };
    process.after(ms, () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    signal.addEventListener('abort', giveUp, { once: true });
  });
}

function deadline(process: Process, ms: number, parent: AbortSignal): Deadline {
  const controller = new AbortController();
  let isOn = true;
  process.after(Math.max(0, ms), () => {
    if (isOn) controller.abort(new LogtierError('DEADLINE_EXCEEDED', `no answer in ${ms} ms`));
  });
  const onParent = (): void => {
    controller.abort(parent.reason);
  };
  if (parent.aborted) onParent();
  else parent.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    clear: () => {
      isOn = false;
      parent.removeEventListener('abort', onParent);
    },
  };
}
