import { expect, test } from 'vitest';
import { LogtierError } from '../../../../../src/base/errors.ts';
import { ReadRounds } from '../../../../../src/metastore/log/raft-log/read-rounds.ts';

const NEVER = new AbortController().signal;

test("an answer to what was asked before a stall is nobody's: all of it waits for a new round", async () => {
  const reads = new ReadRounds(Buffer.from('life'), 10);
  const first = reads.add(NEVER);
  const before = reads.begin();
  const second = reads.add(NEVER);
  reads.askAnew();
  expect(reads.isEmpty).toBe(false);
  reads.answer({ index: 7, context: before });
  reads.answer({ index: 9, context: reads.begin() });
  expect([await first, await second]).toEqual([9n, 9n]);
});

test('dropped reads reject, those of rounds and those that wait', async () => {
  const reads = new ReadRounds(Buffer.from('life'), 10);
  const asked = reads.add(NEVER);
  const context = reads.begin();
  const waiting = reads.add(NEVER);
  reads.drop(new LogtierError('NOT_LEADER', 'no'));
  await expect(asked).rejects.toMatchObject({ code: 'NOT_LEADER' });
  await expect(waiting).rejects.toMatchObject({ code: 'NOT_LEADER' });
  reads.answer({ index: 1, context });
  expect(reads.isEmpty).toBe(true);
});
