// `npm run sim -- --seed N [--seeds COUNT]`: runs of the simulator, one line each; ends at the first violation.
import { parseArgs } from 'node:util';
import { RaftSim } from '../test/sim/raft-sim.ts';

const { values } = parseArgs({
  options: { seed: { type: 'string', default: '1' }, seeds: { type: 'string', default: '1' } },
});
const first = Number(values.seed);
for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
  const sim = new RaftSim(seed);
  const { acknowledged, crashes, snapshots, steps } = await sim.run(20_000).then(
    () => sim,
    (error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    },
  );
  process.stdout.write(
    `seed ${seed}: ${steps} steps, ${acknowledged} acknowledged, ${crashes} crashes, ${snapshots} snapshots\n`,
  );
}
