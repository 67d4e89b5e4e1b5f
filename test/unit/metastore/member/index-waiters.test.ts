import { expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import { IndexWaiters } from '../../../../src/metastore/member/index-waiters.ts';

const NEVER: AbortSignal = new AbortController().signal;

function failure(promise: Promise<void>): Promise<unknown> {
  return promise.then(
    () => 'reached',
    (error: unknown) => error,
  );
}

test('who waits hears of its index, of its own signal or of the end', async () => {
  const ended = new AbortController();
  const waiters = new IndexWaiters(5n, ended.signal);
  await waiters.wait(5n, NEVER);
  const seventh = failure(waiters.wait(7n, NEVER));
  const left = new AbortController();
  const impatient = failure(waiters.wait(8n, left.signal));
  const ninth = failure(waiters.wait(9n, NEVER));
  waiters.reached(7n);
  left.abort(new LogtierError('ABORTED', 'waits no more'));
  const end = new LogtierError('METASTORE_UNAVAILABLE', 'the member stops');
  ended.abort(end);
  expect(await Promise.all([seventh, impatient, ninth])).toEqual([
    'reached',
    new LogtierError('ABORTED', 'waits no more'),
    end,
  ]);
  expect(await failure(waiters.wait(10n, NEVER))).toEqual(end);
  await waiters.wait(7n, NEVER);
});
