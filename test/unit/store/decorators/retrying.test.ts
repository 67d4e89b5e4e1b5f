import { expect, test } from 'vitest';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { failingStore } from '../../../../src/store/decorators/failing.ts';
import type { ScriptedFault } from '../../../../src/store/decorators/failing.ts';
import { retryingStore } from '../../../../src/store/decorators/retrying.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import { MemoryStore } from '../../../support/memory-store.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { SkippingClock } from '../../../support/skipping-clock.ts';
import { all, codeOf, collect, never } from '../../../support/store-probes.ts';

const bytes = sampleBytes(3_500_000, 7);
const unavailable = { kind: 'fail', code: 'STORE_UNAVAILABLE' } as const;

async function world(faults: readonly ScriptedFault[], retryForMs = 60_000) {
  const memory = new MemoryStore();
  await memory.put('object', bytesSource(bytes), nobody, never);
  const clock = new SkippingClock();
  const random = { bytes: (count: number) => new Uint8Array(count), share: () => 0 };
  const settings = { firstRetryMs: 200, longestRetryMs: 1000, retries: 3, retryForMs };
  const store = retryingStore({ clock, random }, settings, failingStore(faults, memory));
  return { store, clock, memory };
}

test('a call that fails is repeated with doubling waits', async () => {
  const calls = { start: 0, end: 3 };
  const { store, clock } = await world([{ op: 'stat', calls, fault: unavailable }]);
  expect(await store.stat('object', never)).toMatchObject({ sizeBytes: bytes.length });
  expect(clock.slept).toEqual([100, 200, 400]);
});

test('after the last repeat the error is told', async () => {
  const { store, clock } = await world([{ op: 'stat', fault: unavailable }]);
  expect(await codeOf(store.stat('object', never))).toBe('STORE_UNAVAILABLE');
  expect(clock.slept).toHaveLength(3);
});

test('no repeat starts after the time given', async () => {
  const { store, clock } = await world([{ op: 'stat', fault: unavailable }], 250);
  expect(await codeOf(store.stat('object', never))).toBe('STORE_UNAVAILABLE');
  expect(clock.slept).toEqual([100]);
});

test('other errors are told at once', async () => {
  const fault = { kind: 'fail', code: 'STORE_DENIED' } as const;
  const { store, clock } = await world([{ op: 'put', fault }]);
  const outcome = store.put('new', bytesSource(bytes), nobody, never);
  expect([await codeOf(outcome), clock.slept]).toEqual(['STORE_DENIED', []]);
});

test('a source that asks for a retry is its flow’s business', async () => {
  const fault = { kind: 'cut', afterBytes: 5, code: 'SOURCE_CHANGED' } as const;
  const { store, clock } = await world([{ op: 'put', fault }]);
  const outcome = store.put('new', bytesSource(bytes), nobody, never);
  expect([await codeOf(outcome), clock.slept]).toEqual(['SOURCE_CHANGED', []]);
});

test('a put whose answer was lost is repeated whole and resolves', async () => {
  const fault = { kind: 'lose-answer', code: 'STORE_UNAVAILABLE' } as const;
  const { store } = await world([{ op: 'put', calls: { start: 0, end: 1 }, fault }]);
  const stored = await store.put('new', bytesSource(bytes), nobody, never);
  expect(stored).toMatchObject({ key: 'new', sizeBytes: bytes.length });
});

test('a get goes on at the byte it reached, however often it is cut', async () => {
  const cut = { kind: 'cut', afterBytes: 300_001, code: 'STORE_UNAVAILABLE' } as const;
  const { store, clock } = await world([{ op: 'get', calls: { start: 0, end: 9 }, fault: cut }]);
  const found = await collect(store.get('object', { start: 17, end: bytes.length }, never));
  expect(found.equals(bytes.subarray(17))).toBe(true);
  expect(clock.slept).toEqual(Array.from({ length: 9 }, () => 100)); // each failure is a first one
});

test('a get cut behind its last byte is not asked again', async () => {
  const fault = { kind: 'lose-answer', code: 'STORE_UNAVAILABLE' } as const;
  const { store, clock } = await world([{ op: 'get', fault }]);
  const found = await collect(store.get('object', { start: 0, end: 1000 }, never));
  expect([found.length, clock.slept]).toEqual([1000, []]);
});

test('a list goes on after the key it reached', async () => {
  const fault = { kind: 'lose-answer', code: 'STORE_UNAVAILABLE' } as const;
  const { store, memory } = await world([{ op: 'list', calls: { start: 0, end: 1 }, fault }]);
  await memory.put('other', bytesSource(Buffer.from('x')), nobody, never);
  const keys = (await all(store.list('', '', never))).map(({ key }) => key);
  expect(keys).toEqual(['object', 'other']);
});

test('a wait ends with its signal', async () => {
  const { store } = await world([{ op: 'stat', fault: { kind: 'hang' } }]);
  const controller = new AbortController();
  const outcome = codeOf(store.stat('object', controller.signal));
  controller.abort();
  expect(await outcome).toBe('ABORTED');
});
