// Some seconds of kills under load; the nightly runs are chaos.long.test.ts.
import { expect, test } from 'vitest';
import { type ChaosReport, chaosSeed, runChaos } from '../support/chaos-run.ts';

function expectKills(report: ChaosReport): void {
  console.log(report);
  expect(report.segments).toBeGreaterThan(0);
  expect(Object.values(report.kills).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(3);
}

test('kills of sidecar, metastore, store and broker lose and double nothing', async () => {
  const killsMs = 40_000;
  expectKills(await runChaos({ seed: chaosSeed(), killsMs, partitions: 2, restMs: 800 }));
});

test('kills of members of a group, or of etcd and its members, lose and double nothing', async () => {
  const seed = chaosSeed();
  const metastore = seed % 2 === 0 ? 'group' : 'etcd';
  console.log(`metastore: ${metastore}`);
  expectKills(await runChaos({ seed, killsMs: 20_000, partitions: 1, restMs: 700, metastore }));
});
