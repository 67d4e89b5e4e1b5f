import { expect, test } from 'vitest';
import { idleWatch } from '../../../../src/store/transfer/idle-watch.ts';
import { SkippingClock } from '../../../support/skipping-clock.ts';

class TickingClock extends SkippingClock {
  tick: () => void = () => undefined;
  everyMs = 0;

  override every(ms?: number, tick?: () => void): () => void {
    this.everyMs = ms ?? 0;
    this.tick = tick ?? this.tick;
    return () => {
      this.tick = () => undefined;
    };
  }
}

function watched() {
  const clock = new TickingClock();
  let idle = 0;
  const watch = idleWatch(clock, 1000, () => {
    idle += 1;
  });
  const ticks = (count: number) => {
    for (let tick = 0; tick < count; tick += 1) clock.tick();
    return idle;
  };
  return { watch, ticks, clock };
}

test('an idle time is told after a full wait, and only while armed', () => {
  const { watch, ticks, clock } = watched();
  expect([clock.everyMs, ticks(10)]).toEqual([250, 0]);
  watch.arm();
  expect([ticks(4), ticks(1)]).toEqual([0, 1]);
  watch.disarm();
  expect(ticks(10)).toBe(1);
});

test('each move starts the wait anew, and nothing is told after the end', () => {
  const { watch, ticks } = watched();
  for (let move = 0; move < 5; move += 1) {
    watch.arm();
    expect(ticks(4)).toBe(0);
  }
  watch.stop();
  expect(ticks(10)).toBe(0);
});

test('a stall of this process is one tick, however long it was', () => {
  const { watch, ticks, clock } = watched();
  watch.arm();
  clock.advance(3_600_000);
  expect(ticks(1)).toBe(0);
});
