import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { Places } from '../../../src/cache/places.ts';

test('places are given in the order of asking, each once', async () => {
  const places = new Places(2, 10);
  const [first, second] = [await places.take(), await places.take()];
  expect(places.tryTake()).toBeUndefined();
  const order: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    const leave = await places.take();
    order.push(name);
    return leave;
  });
  first();
  first(); // gives back once only
  await expect.poll(() => order).toEqual(['a']);
  expect(places.waiting).toBe(1);
  second();
  await Promise.all(waiting);
  expect(order).toEqual(['a', 'b']);
});

test('who is aborted leaves the line, and the line has an end', async () => {
  const places = new Places(1, 1);
  const leave = await places.take();
  const leaving = new AbortController();
  const waiting = places.take(leaving.signal);
  await expect(places.take()).rejects.toMatchObject({ code: 'OVERLOADED' });
  leaving.abort(new LogtierError('ABORTED', 'gone'));
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  expect(places.waiting).toBe(0);
  leave();
  expect(places.tryTake()).toBeDefined();
});

test('closing sends the line away, and who comes later', async () => {
  const places = new Places(1, 5);
  await places.take();
  const waiting = places.take();
  places.close(new LogtierError('ABORTED', 'the cache stops'));
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  await expect(places.take()).rejects.toMatchObject({ code: 'ABORTED' });
});
