import { expect, test } from 'vitest';
import { MetastoreSim } from './metastore-sim.ts';
import { FAULTY_MS } from './times.ts';

const SEEDS = 300;

interface Totals {
  answers: number;
  crashes: number;
  installs: number;
  restores: number;
  replaced: number;
  told: number;
}

async function runSeeds(from: number, count: number): Promise<Totals> {
  const totals = { answers: 0, crashes: 0, installs: 0, restores: 0, replaced: 0, told: 0 };
  for (let seed = from; seed < from + count; seed += 1) {
    const sim = new MetastoreSim(seed);
    try {
      await sim.run(FAULTY_MS);
    } catch (error) {
      throw new Error(`seed ${seed}; again: npm run sim -- --seed ${seed}`, { cause: error });
    }
    totals.answers += sim.sidecars.reduce((sum, { answers }) => sum + answers, 0);
    totals.crashes += sim.counts.crashes;
    totals.installs += sim.counts.installs;
    totals.restores += sim.counts.restores;
    totals.replaced += sim.counts.replaced;
    totals.told += sim.watcher.told;
  }
  return totals;
}

test('seeds of whole members, clients and views under faults break no promise', async () => {
  const totals = await runSeeds(1, SEEDS);
  // The faults did happen, and the metastore did work.
  expect(totals.crashes).toBeGreaterThan(SEEDS);
  expect(totals.installs).toBeGreaterThan(SEEDS / 10);
  expect(totals.replaced).toBeGreaterThan(SEEDS / 10);
  expect(totals.restores).toBeGreaterThan(SEEDS / 30);
  expect(totals.answers).toBeGreaterThan(SEEDS * 15);
  expect(totals.told).toBeGreaterThan(SEEDS * 15);
});

test('the same seed is the same run to the letter', async () => {
  const runs: string[] = [];
  for (let run = 0; run < 2; run += 1) {
    const sim = new MetastoreSim(12);
    await sim.run(4_000);
    runs.push(sim.summary());
  }
  expect(runs[0]).toBe(runs[1]);
});
