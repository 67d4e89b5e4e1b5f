// The longest time without a commit when the leader of a metastore is killed under load: five times, the member
// comes back in between. The reference is the promise, two seconds.
import { type BenchLine, benchLine } from './support/bench-line.ts';
import { loadGroup } from './support/group-load.ts';
import { type MetastoreGroup, startGroup } from './support/metastore-group.ts';

const NAME = 'group-failover';
const WRITERS = 16;
const ROUNDS = 5;
const LOAD_SECONDS = 6;
const KILL_AFTER_MS = 1_500;
/** The promise. */
const AIM_MS = 2_000;

async function killLeader(group: MetastoreGroup): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
  const leader = await group.leader();
  await group.kill(leader);
  return leader;
}

export async function* run(): AsyncGenerator<BenchLine> {
  const group = await startGroup();
  const gaps: number[] = [];
  try {
    await loadGroup(group, { writers: WRITERS, warmupSeconds: 5, seconds: 1 });
    for (let round = 0; round < ROUNDS; round += 1) {
      let killed = 0;
      const load = { writers: WRITERS, warmupSeconds: 1, seconds: LOAD_SECONDS };
      const { longestGapMs } = await loadGroup(group, load, async () => {
        killed = await killLeader(group);
      });
      gaps.push(longestGapMs);
      await group.restart(killed);
    }
  } finally {
    await group.stop();
  }
  const sorted = gaps.toSorted((left, right) => left - right);
  const lines: [string, number | undefined][] = [
    ['median of the longest gaps', sorted[Math.floor(ROUNDS / 2)]],
    ['longest gap', sorted.at(-1)],
  ];
  for (const [name, value = Number.NaN] of lines) {
    yield benchLine(NAME, { case: `${name}, ${ROUNDS} kills`, value, unit: 'ms' }, AIM_MS);
  }
}
