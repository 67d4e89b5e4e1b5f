// What clients see of real groups of processes, under every kind of fault, has an order that the rules allow.
import { beforeAll, expect, test } from 'vitest';
import { checkerBinary } from '../linearizability/checker.ts';
import type { FaultName } from '../linearizability/group-nemesis.ts';
import { type GroupReport, runGroup, seedOf } from '../linearizability/run-group.ts';

beforeAll(async () => {
  await checkerBinary();
});

async function inTurn(
  members: number,
  rounds: readonly (readonly FaultName[])[],
): Promise<GroupReport> {
  const left = [...rounds];
  const seed = seedOf('LINEARIZABILITY_SEED');
  const report = await runGroup({ seed, members, next: () => left.shift(), longestMs: 2_500 });
  console.log(report);
  expect(report.verdict).toBe('linearizable');
  // A history in which nothing was granted, or nothing was contended, would prove nothing.
  expect(report.answered).toBeGreaterThan(100);
  expect(report.refused).toBeGreaterThan(5);
  expect(report.hashes).toEqual(report.hashes.map(() => report.hashes[0]));
  expect(report.hashes).toHaveLength(members);
  return report;
}

test('three members under each kind of fault: what clients see is linearizable, and all hold the same', async () => {
  const report = await inTurn(3, [
    ['kill leader'],
    ['standstill'],
    ['isolate'],
    ['one way'],
    ['full disk'],
    ['broken disk'],
    ['slow links', 'kill one'],
    ['kill all'],
    ['replace'],
    ['transfer'],
  ]);
  expect(Object.keys(report.faults)).toHaveLength(11);
});

test('five members with two of them in trouble: what clients see is linearizable, and all hold the same', async () => {
  const report = await inTurn(5, [['kill two'], ['halves'], ['isolate', 'standstill']]);
  expect(Object.keys(report.faults)).toHaveLength(4);
});
