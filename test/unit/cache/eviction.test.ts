import { array, assert, boolean, integer, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { Eviction } from '../../../src/cache/eviction.ts';

const never = (): boolean => false;

/** What a cache does with each key it is asked for; answers whether it was there. */
function use(eviction: Eviction, capacity: number, key: string): boolean {
  if (eviction.has(key)) {
    eviction.touch(key);
    return true;
  }
  if (eviction.size >= capacity) eviction.evict();
  eviction.admit(key, never);
  return false;
}

test('a scan over ten times the cache, four steps a chunk, does not flush the hot set', () => {
  const capacity = 100;
  const eviction = new Eviction(capacity);
  const hot = Array.from({ length: 40 }, (_, index) => `hot-${index}`);
  for (let round = 0; round < 6; round += 1) {
    for (const key of hot) use(eviction, capacity, key);
    for (let other = 0; other < 20; other += 1) use(eviction, capacity, `warm-${round}-${other}`);
  }
  for (let chunk = 0; chunk < 1000; chunk += 1) {
    for (let step = 0; step < 4; step += 1) use(eviction, capacity, `scan-${chunk}`);
  }
  expect(hot.filter((key) => eviction.has(key))).toEqual(hot);
});

test('a chunk that comes again soon after it was evicted is kept longer than new ones', () => {
  const eviction = new Eviction(20);
  for (let index = 0; index < 20; index += 1) use(eviction, 20, `first-${index}`);
  use(eviction, 20, 'second');
  expect(eviction.has('first-0')).toBe(false);
  use(eviction, 20, 'first-0');
  for (let index = 0; index < 50; index += 1) use(eviction, 20, `new-${index}`);
  expect(eviction.has('first-0')).toBe(true);
});

test('a busy key is never chosen, and nothing is chosen when all are busy', () => {
  const eviction = new Eviction(3);
  let isBusy = true;
  for (const key of ['a', 'b', 'c']) eviction.admit(key, () => isBusy);
  expect(eviction.evict()).toBeUndefined();
  isBusy = false;
  expect(['a', 'b', 'c']).toContain(eviction.evict());
  expect(eviction.size).toBe(2);
});

test('the order survives a round through the index', () => {
  const eviction = new Eviction(10);
  for (let index = 0; index < 10; index += 1) use(eviction, 10, `k${index}`);
  const copy = new Eviction(10);
  for (const ranked of eviction.ranked()) copy.restore(ranked, never);
  expect(copy.ranked()).toEqual(eviction.ranked());
  expect(copy.evict()).toBe(eviction.evict());
});

test('whatever is asked: never more keys than the capacity, every victim was there, the newest stays', () => {
  const steps = array(record({ key: integer({ min: 0, max: 30 }), remove: boolean() }), {
    maxLength: 300,
  });
  assert(
    property(integer({ min: 1, max: 12 }), steps, (capacity, script) => {
      const eviction = new Eviction(capacity);
      const model = new Set<string>();
      for (const { key: number, remove } of script) {
        const key = `k${number}`;
        if (remove) {
          eviction.remove(key);
          model.delete(key);
          continue;
        }
        if (eviction.has(key)) eviction.touch(key);
        else {
          if (model.size >= capacity) {
            const victim = eviction.evict();
            expect(victim !== undefined && model.delete(victim)).toBe(true);
          }
          eviction.admit(key, never);
          model.add(key);
        }
        expect(eviction.size).toBe(model.size);
        expect(eviction.has(key)).toBe(true);
        expect(
          eviction
            .ranked()
            .map((ranked) => ranked.key)
            .toSorted(),
        ).toEqual([...model].toSorted());
      }
      expect(model.size).toBeLessThanOrEqual(capacity);
    }),
  );
});
