// One minute of kills under load; the nightly run is chaos.long.test.ts.
import { expect, test } from 'vitest';
import { chaosSeed, runChaos } from '../support/chaos-run.ts';

test('a minute of kills of sidecar, metastore, store and broker loses and doubles nothing', async () => {
  const report = await runChaos({ seed: chaosSeed(), killsMs: 60_000, partitions: 2 });
  console.log(report);
  expect(report.segments).toBeGreaterThan(0);
  expect(Object.values(report.kills).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3);
});
