import { expect, test } from 'vitest';
import type { StoredObject } from '../../../src/store/object-store.ts';
import { sweepProbes } from '../../../src/store/sweep-probes.ts';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

function storeAt(nowMs: number, objects: readonly StoredObject[], refuses: readonly string[] = []) {
  const deleted: string[] = [];
  return {
    deleted,
    wallClockMs: () => Promise.resolve(nowMs),
    async *list(prefix: string) {
      yield* objects.filter(({ key }) => key.startsWith(prefix));
    },
    delete: (keys: readonly string[]) => {
      deleted.push(...keys.filter((key) => !refuses.includes(key)));
      return Promise.resolve(
        keys.filter((key) => refuses.includes(key)).map((key) => ({ key, reason: 'AccessDenied' })),
      );
    },
  };
}

function object(key: string, modifiedMs: number): StoredObject {
  return { key, sizeBytes: 1, modifiedMs };
}

test("only probe objects over an hour old go, by the store's clock", async () => {
  const nowMs = 10 * HOUR_MS;
  const store = storeAt(nowMs, [
    object('.logtier-probe/old', nowMs - HOUR_MS - 1),
    object('.logtier-probe/young', nowMs - HOUR_MS),
    object('prefix/orders/0/1.segment', 0),
  ]);
  expect(await sweepProbes(store, never)).toBe(1);
  expect(store.deleted).toEqual(['.logtier-probe/old']);
});

test('a refused delete is not counted, and nothing old means no delete', async () => {
  const refusing = storeAt(3 * HOUR_MS, [object('.logtier-probe/a', 0)], ['.logtier-probe/a']);
  expect(await sweepProbes(refusing, never)).toBe(0);
  const empty = storeAt(3 * HOUR_MS, []);
  expect(await sweepProbes(empty, never)).toBe(0);
  expect(empty.deleted).toEqual([]);
});
