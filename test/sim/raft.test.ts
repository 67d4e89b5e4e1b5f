import { expect, test } from 'vitest';
import { RaftSim } from './raft-sim.ts';
import { LOG_FAULTY_MS as FAULTY_MS } from './times.ts';

const SEEDS = 60;

test(`${SEEDS} seeds of a group of three under faults break no promise`, async () => {
  const totals = { acknowledged: 0, crashes: 0, snapshots: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const sim = new RaftSim(seed);
    try {
      await sim.run(FAULTY_MS);
    } catch (error) {
      throw new Error(`seed ${seed}; again: npm run sim -- --log --seed ${seed}`, { cause: error });
    }
    totals.acknowledged += sim.acknowledged;
    totals.crashes += sim.crashes;
    totals.snapshots += sim.snapshots;
  }
  // The faults did happen, and the group did work.
  expect(totals.crashes).toBeGreaterThan(SEEDS);
  expect(totals.snapshots).toBeGreaterThan(0);
  expect(totals.acknowledged).toBeGreaterThan(SEEDS * 50);
});

test('the same seed is the same run', async () => {
  const runs: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const sim = new RaftSim(11);
    await sim.run(5_000);
    runs.push(`${sim.steps} ${sim.acknowledged} ${sim.nowMs}`);
  }
  expect(runs[0]).toBe(runs[1]);
});
