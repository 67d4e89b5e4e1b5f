import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/platform/log.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { bytesSource } from '../../../src/store/byte-source.ts';
import { failingStore, type ScriptedFault } from '../../../src/store/decorators/failing.ts';
import { nobody, type ObjectStore } from '../../../src/store/object-store.ts';
import { Eraser } from '../../../src/uploader/eraser.ts';
import { uploaderMetrics } from '../../../src/uploader/metrics.ts';
import { MemoryCatalog, MemoryLedger } from '../../support/memory-ledger.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { partitionId, segmentRecord } from '../../support/segment-records.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const signal = new AbortController().signal;
const WINDOW_MS = 3_600_000;

function eraseWorld(wrap: (store: ObjectStore) => ObjectStore = (store) => store) {
  const clock = new SkippingClock(1_000_000);
  const catalog = new MemoryCatalog(() => clock.wallMs());
  const objects = new MemoryStore();
  const stores = new Map([['main', { objects: wrap(objects), lateWindowMs: WINDOW_MS }]]);
  const eraserOf = (brokerId: number) => {
    const queue = new MemoryLedger(catalog, brokerId);
    const metrics = createMetrics().live(uploaderMetrics);
    const deps = { queue, stores, clock, metrics, logger: silentLogger };
    return new Eraser(deps, { intervalMs: 30_000 });
  };
  const put = (key: string) => objects.put(key, bytesSource(Buffer.from(key)), nobody, signal);
  return { clock, catalog, objects, put, eraserOf, eraser: eraserOf(1) };
}

const scripted =
  (...faults: ScriptedFault[]) =>
  (store: ObjectStore) =>
    failingStore(faults, store);

test('an object that was once FINISHED is deleted and leaves the queue', async () => {
  const world = eraseWorld();
  const record = segmentRecord([0, 10]);
  await world.put(record.objectKey);
  await world.put('another');
  world.catalog.enqueue(record, true);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 1, passed: 0, failed: 0 });
  expect([...world.objects.objects.keys()]).toEqual(['another']);
  expect(world.catalog.eraseQueue).toEqual([]);
});

test('rule 24: an intent that never finished is erased twice, a late window apart', async () => {
  const world = eraseWorld();
  const record = segmentRecord([0, 10], { uploadIds: ['upload-1'] });
  world.objects.unfinished.set('upload-1', record.objectKey);
  world.catalog.enqueue(record, false);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 1, failed: 0 });
  expect(world.objects.unfinished.size).toBe(0);
  await world.put(record.objectKey); // the late writer
  world.clock.advance(WINDOW_MS - 1);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 0 });
  expect(world.catalog.eraseQueue).toHaveLength(1);
  world.clock.advance(1);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 1, passed: 0, failed: 0 });
  expect(world.objects.objects.size).toBe(0);
  expect(world.catalog.eraseQueue).toEqual([]);
});

test('rule 24: an upload that a crash left before its record is ended with its key', async () => {
  const world = eraseWorld();
  const record = segmentRecord([0, 10], { uploadIds: [] });
  world.objects.unfinished.set('never recorded', record.objectKey);
  world.objects.unfinished.set('another’s', `${record.objectKey}-longer`);
  world.catalog.enqueue(record, false);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 1, failed: 0 });
  expect([...world.objects.unfinished.keys()]).toEqual(['another’s']);
});

test('rule 24: a first pass whose abandon fails is no pass', async () => {
  const fault = { kind: 'fail', code: 'STORE_UNAVAILABLE' } as const;
  const world = eraseWorld(scripted({ op: 'abandon', calls: { start: 0, end: 1 }, fault }));
  world.catalog.enqueue(segmentRecord([0, 10], { uploadIds: ['u'] }), false);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 1 });
  expect(world.catalog.eraseQueue).toMatchObject([{ passes: 0 }]);
  expect([...world.eraser.status().failures.values()]).toEqual([
    expect.stringContaining('STORE_UNAVAILABLE'),
  ]);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 1, failed: 0 });
});

test('a store that is away keeps everything queued and is asked again', async () => {
  const fault = { kind: 'fail', code: 'STORE_UNAVAILABLE' } as const;
  const world = eraseWorld(scripted({ op: 'delete', calls: { start: 0, end: 1 }, fault }));
  world.catalog.enqueue(segmentRecord([0, 10]), true);
  world.catalog.enqueue(segmentRecord([10, 20]), true);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 2 });
  expect(await world.eraser.pass(signal)).toEqual({ erased: 2, passed: 0, failed: 0 });
});

test('an answer that was lost is no failure: deleting again succeeds', async () => {
  const fault = { kind: 'lose-answer', code: 'STORE_UNAVAILABLE' } as const;
  const world = eraseWorld(scripted({ op: 'delete', calls: { start: 0, end: 1 }, fault }));
  const record = segmentRecord([0, 10]);
  await world.put(record.objectKey);
  world.catalog.enqueue(record, true);
  await world.eraser.pass(signal);
  expect(world.objects.objects.size).toBe(0);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 1, passed: 0, failed: 0 });
});

test('a refused object stays queued and does not hide the others', async () => {
  const stubborn = segmentRecord([0, 10]);
  const world = eraseWorld((store) => ({
    ...bound(store),
    delete: async (keys, by) => {
      const refused = keys.filter((key) => key === stubborn.objectKey);
      await store.delete(
        keys.filter((key) => key !== stubborn.objectKey),
        by,
      );
      return refused.map((key) => ({ key, reason: 'AccessDenied' }));
    },
  }));
  world.catalog.enqueue(stubborn, true);
  world.catalog.enqueue(segmentRecord([10, 20]), true);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 1, passed: 0, failed: 1 });
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 0 });
  expect(world.catalog.eraseQueue.map(({ objectKey }) => objectKey)).toEqual([stubborn.objectKey]);
  world.clock.advance(3_600_000);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 1 });
});

test('rule 25: any sidecar drains the queue, one at a time for each store', async () => {
  const world = eraseWorld();
  const [first, second] = [world.eraserOf(1), world.eraserOf(2)];
  await first.pass(signal);
  world.catalog.enqueue(segmentRecord([0, 10]), true);
  expect(await second.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 0 });
  world.clock.advance(3_600_000); // the first one died; its lease ends
  expect(await second.pass(signal)).toEqual({ erased: 1, passed: 0, failed: 0 });
});

test('entries of a store that this sidecar has not are left to others', async () => {
  const world = eraseWorld();
  world.catalog.enqueue(segmentRecord([0, 10], { store: 'elsewhere' }), true);
  expect(await world.eraser.pass(signal)).toEqual({ erased: 0, passed: 0, failed: 0 });
  expect(world.catalog.eraseQueue).toHaveLength(1);
});

test('rule 23: a prefix ends after two empty listings a wait apart', async () => {
  const world = eraseWorld();
  await world.put('c/t-1/0/a');
  await world.put('c/t-1/0/b');
  await world.put('c/t-1/01');
  world.catalog.prefixQueue.push({
    id: partitionId,
    store: 'main',
    keyPrefix: 'c/t-1/0/',
    emptyListings: 0,
    dueMs: 0,
  });
  expect(await world.eraser.pass(signal)).toEqual({ erased: 2, passed: 0, failed: 0 });
  expect([...world.objects.objects.keys()]).toEqual(['c/t-1/01']);
  await world.eraser.pass(signal);
  expect(world.catalog.prefixQueue).toMatchObject([{ emptyListings: 1 }]);
  await world.put('c/t-1/0/late');
  world.clock.advance(WINDOW_MS);
  await world.eraser.pass(signal);
  expect(world.catalog.prefixQueue).toMatchObject([{ emptyListings: 0 }]);
  await world.eraser.pass(signal);
  world.clock.advance(WINDOW_MS);
  await world.eraser.pass(signal);
  expect(world.catalog.prefixQueue).toEqual([]);
  expect([...world.objects.objects.keys()]).toEqual(['c/t-1/01']);
});

test('stop is heard while waiting, and twice', async () => {
  const world = eraseWorld();
  world.eraser.start();
  await world.eraser.stop();
  await world.eraser.stop();
  expect(world.catalog.eraseQueue).toEqual([]);
});

function bound(store: ObjectStore): ObjectStore {
  return {
    put: store.put.bind(store),
    get: store.get.bind(store),
    stat: store.stat.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store),
    abandon: store.abandon.bind(store),
    wallClockMs: store.wallClockMs.bind(store),
    probe: store.probe.bind(store),
  };
}
