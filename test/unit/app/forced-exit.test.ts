import { expect, test } from 'vitest';
import { exitWhenOverdue } from '../../../src/app/forced-exit.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { whenOverdue } from '../../../src/platform/overdue.ts';

function ending(code: number) {
  const told: unknown[] = [];
  const exits: number[] = [];
  const late: (() => void)[] = [];
  const deps = {
    logger: {
      ...silentLogger,
      error: (fields: unknown, message: string) => {
        told.push([fields, message]);
      },
    },
    whenOverdue: (_ms: number, call: () => void) => {
      late.push(call);
      return () => undefined;
    },
    resources: () => ['Timeout', 'TCPSocketWrap', 'Timeout'],
    exit: (with_: number) => {
      exits.push(with_);
    },
  };
  return { told, exits, role: exitWhenOverdue(deps, code), overdue: () => late[0]?.() };
}

const heldBy = { Timeout: 2, TCPSocketWrap: 1 };

test('a part that does not stop ends in an exit that says what held the process', () => {
  const { told, exits, overdue } = ending(0);
  overdue();
  expect(told).toEqual([
    [{ waitedMs: 9_000, heldBy }, 'a part does not stop; the process exits now'],
  ]);
  expect(exits).toEqual([1]);
});

test('a process that outlives its role keeps the exit code of the role', () => {
  const { told, exits, role, overdue } = ending(8);
  role.partsStopped();
  overdue();
  expect(told).toEqual([
    [{ waitedMs: 9_000, heldBy }, 'something keeps the process alive; the process exits now'],
  ]);
  expect(exits).toEqual([8]);
});

test('who waits for the overdue is called, unless it was taken back', async () => {
  const called: string[] = [];
  const takeBack = whenOverdue(0, () => called.push('taken back'));
  takeBack();
  whenOverdue(0, () => called.push('late'));
  await expect.poll(() => called).toEqual(['late']);
});
