// `npm run sim -- --seed N [--seeds COUNT] [--log]`: runs of the simulator, one line each; ends at the first
// violation. Whole metastore members, or with --log the replicated log alone.
import { parseArgs } from 'node:util';
import { MetastoreSim } from '../test/sim/metastore-sim.ts';
import { RaftSim } from '../test/sim/raft-sim.ts';
import { FAULTY_MS, LOG_FAULTY_MS } from '../test/sim/times.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    log: { type: 'boolean', default: false },
  },
});

async function runMembers(seed: number): Promise<string> {
  const sim = new MetastoreSim(seed);
  await sim.run(FAULTY_MS);
  return sim.summary();
}

async function runLog(seed: number): Promise<string> {
  const sim = new RaftSim(seed);
  await sim.run(LOG_FAULTY_MS);
  const { acknowledged, crashes, snapshots, steps } = sim;
  return `${steps} steps, ${acknowledged} acknowledged, ${crashes} crashes, ${snapshots} snapshots`;
}

const first = Number(values.seed);
for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
  const outcome = await (values.log ? runLog(seed) : runMembers(seed)).catch((error: unknown) => {
    throw new Error(`seed ${seed}`, { cause: error });
  });
  process.stdout.write(`seed ${seed}: ${outcome}\n`);
}
