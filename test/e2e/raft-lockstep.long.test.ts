// The long form of raft-lockstep.test.ts: other seeds, longer lives.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Oracle } from '../raft/lockstep/oracle.ts';
import { LockstepRun, tellDifference } from '../raft/lockstep/run-lockstep.ts';

const FIRST_SEED = 1_000;
const GROUPS = 250;
const GROUP_STEPS = 20_000;

let oracle: Oracle;

beforeAll(async () => {
  oracle = await Oracle.start();
});

afterAll(async () => {
  await oracle.stop();
});

test('5,000,000 steps of 250 groups look the same on both cores', async () => {
  const run = new LockstepRun(oracle);
  for (let seed = FIRST_SEED; seed < FIRST_SEED + GROUPS; seed++) {
    const difference = await run.group(seed, GROUP_STEPS);
    expect(difference === undefined ? '' : tellDifference(difference)).toBe('');
  }
  expect(run.committed).toBeGreaterThan(100_000);
  // Rare turns that shorter runs may miss.
  expect(run.traced.get('stableEntryMismatch')).toBeGreaterThan(0);
  expect(run.traced.get('autoLeaveDropped')).toBeGreaterThan(0);
});
