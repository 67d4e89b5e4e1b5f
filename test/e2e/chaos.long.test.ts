// One home of the metastore after the other; CHAOS_METASTORE=group runs that one only.
import { expect, test } from 'vitest';
import { METASTORE_KINDS } from '../support/chaos-metastore.ts';
import { chaosSeed, runChaos } from '../support/chaos-run.ts';

const only = process.env['CHAOS_METASTORE'];
const kinds = METASTORE_KINDS.filter((kind) => only === undefined || kind === only);

test.each(kinds)(
  'twelve minutes of kills lose and double nothing: sidecar, store, broker, metastore (%s)',
  async (metastore) => {
    const report = await runChaos({
      seed: chaosSeed(),
      killsMs: 720_000,
      partitions: 4,
      restMs: 2_000,
      metastore,
    });
    console.log(report);
    expect(report.segments).toBeGreaterThan(0);
    // Every kind of kill was met.
    expect(Object.values(report.kills).every((count) => count > 0)).toBe(true);
  },
);
