import { expect, test } from 'vitest';
import { BoundedQueue } from '../../../src/base/bounded-queue.ts';

test('items leave in the order they came', async () => {
  const queue = new BoundedQueue<number>(3);
  expect([1, 2, 3].map((item) => queue.push(item))).toEqual([true, true, true]);
  expect(queue.size).toBe(3);
  expect([await queue.next(), await queue.next()]).toEqual([
    { value: 1, done: false },
    { value: 2, done: false },
  ]);
});

test('a full queue refuses', () => {
  const queue = new BoundedQueue<number>(1);
  expect([queue.push(1), queue.push(2)]).toEqual([true, false]);
});

test('a waiting consumer gets the next item at once', async () => {
  const queue = new BoundedQueue<number>(1);
  const next = queue.next();
  queue.push(7);
  expect(await next).toEqual({ value: 7, done: false });
  expect(queue.size).toBe(0);
});

test('a closed queue gives what it holds, then ends, and takes no more', async () => {
  const queue = new BoundedQueue<number>(2);
  queue.push(1);
  queue.close();
  expect(await queue.next()).toEqual({ value: 1, done: false });
  expect(await queue.next()).toEqual({ value: undefined, done: true });
  expect(() => queue.push(2)).toThrow(expect.objectContaining({ code: 'ABORTED' }));
});

test('closing wakes a waiting consumer', async () => {
  const queue = new BoundedQueue<number>(2);
  const next = queue.next();
  queue.close();
  expect(await next).toEqual({ value: undefined, done: true });
});
