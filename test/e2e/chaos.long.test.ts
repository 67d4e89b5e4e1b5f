import { expect, test } from 'vitest';
import { chaosSeed, runChaos } from '../support/chaos-run.ts';

test('twelve minutes of kills of sidecar, metastore, store and broker lose and double nothing', async () => {
  const report = await runChaos({
    seed: chaosSeed(),
    killsMs: 720_000,
    partitions: 4,
    restMs: 2_000,
  });
  console.log(report);
  expect(report.segments).toBeGreaterThan(0);
  // Every kind of kill was met.
  expect(Object.values(report.kills).every((count) => count > 0)).toBe(true);
});
