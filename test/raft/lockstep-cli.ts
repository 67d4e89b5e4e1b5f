// npm run raft:lockstep -- --seed N --steps N [--group-steps N]: our core against etcd's, from seed N on.
import { parseArgs } from 'node:util';
import { LockstepRun, tellDifference } from './lockstep/run-lockstep.ts';
import { Oracle } from './lockstep/oracle.ts';

/** A group lives this long; then the next seed draws another. */
const GROUP_STEPS = '10000';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      steps: { type: 'string', default: '100000' },
      'group-steps': { type: 'string', default: GROUP_STEPS },
    },
  });
  const groupSteps = Number(values['group-steps']);
  const oracle = await Oracle.start();
  const run = new LockstepRun(oracle);
  const startMs = performance.now();
  let seed = Number(values.seed);
  let left = Number(values.steps);
  for (; left > 0; left -= groupSteps, seed++) {
    const difference = await run.group(seed, Math.min(left, groupSteps));
    if (difference === undefined) continue;
    console.log(tellDifference(difference));
    await oracle.stop();
    process.exitCode = 1;
    return;
  }
  await oracle.stop();
  tell('commands', run.operations);
  tell('trace events', run.traced);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const seeds = `seeds ${values.seed} to ${seed - 1}`;
  const found = `${run.committed} entries committed, no difference`;
  console.log(`${values.steps} steps, ${seeds}, ${found}, ${seconds} s`);
}

function tell(title: string, counts: ReadonlyMap<string, number>): void {
  console.log(`${title}:`);
  for (const [name, times] of [...counts].toSorted((a, b) => b[1] - a[1])) {
    console.log(`${String(times).padStart(9)} ${name}`);
  }
}

await main();
