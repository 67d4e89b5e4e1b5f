// Our Raft core and etcd's do the same, step by step. Replay a difference: npm run raft:lockstep -- --seed N
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Oracle } from '../raft/lockstep/oracle.ts';
import { LockstepRun, tellDifference } from '../raft/lockstep/run-lockstep.ts';

const GROUPS = 20;
const GROUP_STEPS = 5_000;

let oracle: Oracle;

beforeAll(async () => {
  oracle = await Oracle.start();
});

afterAll(async () => {
  await oracle.stop();
});

test('100,000 steps of 20 groups look the same on both cores', async () => {
  const run = new LockstepRun(oracle);
  for (let seed = 1; seed <= GROUPS; seed++) {
    const difference = await run.group(seed, GROUP_STEPS);
    expect(difference === undefined ? '' : tellDifference(difference)).toBe('');
  }
  // A run in which nothing happens proves nothing.
  expect(run.operations.size).toBe(24);
  expect(run.committed).toBeGreaterThan(2_000);
  expect(run.traced.get('becameLeader')).toBeGreaterThan(GROUPS);
  expect(run.traced.get('configSwitched')).toBeGreaterThan(GROUPS);
  expect(run.traced.get('snapshotInstalled')).toBeGreaterThan(0);
  expect(run.traced.get('conflictFound')).toBeGreaterThan(0);
});
