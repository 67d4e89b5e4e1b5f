// Minutes of faults, two at a time, on groups of three and of five: LINEARIZABILITY_SEED and _MS (each of the two).
import { beforeAll, expect, test } from 'vitest';
import { checkerBinary } from '../linearizability/checker.ts';
import { ALONE, type FaultName, MIXABLE } from '../linearizability/group-nemesis.ts';
import { runGroup, seedOf } from '../linearizability/run-group.ts';

const FAULTS_MS = Number(process.env['LINEARIZABILITY_MS'] ?? 330_000);
const LONGEST_MS = 15_000;

beforeAll(async () => {
  await checkerBinary();
});

test.each([3, 5])(
  'minutes of faults of %d members leave a linearizable history',
  async (members) => {
    const deadlineMs = performance.now() + FAULTS_MS;
    const report = await runGroup({
      seed: seedOf('LINEARIZABILITY_SEED') + members, // another plan each
      members,
      longestMs: LONGEST_MS,
      next: (nemesis): readonly FaultName[] | undefined => {
        if (performance.now() > deadlineMs) return undefined;
        if (nemesis.draw(3) === 0) return [ALONE[nemesis.draw(ALONE.length)]!];
        const first = nemesis.draw(MIXABLE.length);
        const second = nemesis.draw(MIXABLE.length);
        return first === second ? [MIXABLE[first]!] : [MIXABLE[first]!, MIXABLE[second]!];
      },
    });
    console.log(report);
    expect(report.verdict).toBe('linearizable');
    expect(report.hashes).toEqual(report.hashes.map(() => report.hashes[0]));
  },
);
