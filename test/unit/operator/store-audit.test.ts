import { expect, test } from 'vitest';
import { objectSnapshots, SNAPSHOT_PREFIX } from '../../../src/app/object-snapshots.ts';
import { auditStore } from '../../../src/operator/store-audit.ts';
import {
  buildObjectKey,
  parseObjectKey,
  partitionPrefix,
} from '../../../src/segment/object-key.ts';
import { bytesSource } from '../../../src/store/byte-source.ts';
import { nobody } from '../../../src/store/object-store.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import {
  FakeCatalog,
  ORDERS,
  record,
  segmentNumbered,
  snapshot,
  token,
} from '../../support/operator-world.ts';

const never = new AbortController().signal;
const id = { topicId: ORDERS, partition: 0 };

function keyOf(number: number, partition = 0): string {
  return buildObjectKey({
    clusterId: 'c',
    topic: 'orders',
    id: { ...id, partition },
    startOffset: BigInt(number) * 10n,
    token,
    segmentId: segmentNumbered(number),
  });
}

const OBJECT_BYTES = 100;

function recordOf(number: number) {
  const start = BigInt(number) * 10n;
  return record(number, start, start + 10n, {
    objectKey: keyOf(number),
    objectBytes: OBJECT_BYTES,
  });
}

/** Records 0, 1 and 2, and the objects of the first two. */
async function auditWorld() {
  const catalog = new FakeCatalog();
  catalog.snapshots = [snapshot([recordOf(0), recordOf(1)])];
  const store = new MemoryStore();
  const put = (key: string, bytes = OBJECT_BYTES) =>
    store.put(key, bytesSource(Buffer.alloc(bytes, 1)), nobody, never);
  await put(keyOf(0));
  await put(keyOf(1));
  const audit = async (name = '') => {
    const stores = new Map([['main', store]]);
    const findings = [];
    let last;
    for await (const answer of auditStore({ catalog, stores }, { clusterId: 'c' }, name, never)) {
      findings.push(...answer.findings.map(({ code, objectKey }) => [code, objectKey]));
      last = answer;
    }
    return { findings, counts: last?.counts, complete: last?.complete };
  };
  return { catalog, store, put, audit };
}

test('a store that holds what the catalog says has no findings', async () => {
  const world = await auditWorld();
  expect(await world.audit('main')).toEqual({
    findings: [],
    counts: { objects: 2n, objectBytes: 200n, partitions: 1n, findings: 0n },
    complete: true,
  });
});

test('parts of a metastore’s snapshots in the same store are neither strays nor counted', async () => {
  const world = await auditWorld();
  const snapshots = objectSnapshots(world.store, 'aMetastoreIdOf22Chars_');
  await snapshots.put('cafe-2/00000000000000000007-00/00000000', Buffer.from('part'), never);
  expect(await world.audit('main')).toEqual({
    findings: [],
    counts: { objects: 2n, objectBytes: 200n, partitions: 1n, findings: 0n },
    complete: true,
  });
  const keys = [...world.store.objects.keys()].filter((key) => key.startsWith(SNAPSHOT_PREFIX));
  expect(keys).toHaveLength(1);
  // What the eraser may list or delete stands below a cluster's id, and no id leads here.
  expect(keys.map(parseObjectKey)).toEqual([undefined]);
  const place = { topic: 'orders', id, clusterId: SNAPSHOT_PREFIX.replace('/', '') };
  expect(() => partitionPrefix(place)).toThrow('cannot stand in an object key');
});

test('objects without a record, missing ones, other sizes and foreign names are told', async () => {
  const world = await auditWorld();
  world.catalog.snapshots = [snapshot([recordOf(0), recordOf(1), recordOf(2)])];
  await world.store.delete([keyOf(1)], never);
  await world.put(keyOf(1), 7);
  await world.put(keyOf(5));
  await world.put(keyOf(6, 3));
  await world.put('c/notes.txt');
  await world.put('another-cluster/object');
  const { findings, counts } = await world.audit();
  const told = findings.map((found) => found.join(' '));
  expect(told.toSorted()).toEqual(
    [
      'OBJECT_FOREIGN c/notes.txt',
      `OBJECT_MISSING ${keyOf(2)}`,
      `OBJECT_SIZE_DIFFERS ${keyOf(1)}`,
      `OBJECT_WITHOUT_RECORD ${keyOf(5)}`,
      `OBJECT_WITHOUT_RECORD ${keyOf(6, 3)}`,
    ].toSorted(),
  );
  expect(counts).toMatchObject({ objects: 5n, findings: 5n });
});

test('a partition of which the store holds nothing misses every finished object', async () => {
  const world = await auditWorld();
  await world.store.delete([keyOf(0), keyOf(1)], never);
  expect((await world.audit()).findings).toEqual([
    ['OBJECT_MISSING', keyOf(0)],
    ['OBJECT_MISSING', keyOf(1)],
  ]);
});

test('an open copy needs no object yet, and an object that waits to be erased is accounted for', async () => {
  const world = await auditWorld();
  const open = { ...recordOf(2), state: 'COPY_SEGMENT_STARTED' as const };
  world.catalog.snapshots = [snapshot([recordOf(0), recordOf(1), open])];
  await world.put(keyOf(5));
  await world.put(keyOf(6, 3));
  const queued = { id, store: 'main', objectBytes: 1, passes: 0, queuedMs: 1, dueInMs: 0 };
  world.catalog.queue = [{ ...queued, objectKey: keyOf(5) }];
  const keyPrefix = keyOf(6, 3).slice(0, keyOf(6, 3).lastIndexOf('/') + 1);
  world.catalog.prefixes = [{ store: 'main', keyPrefix }];
  expect((await world.audit()).findings).toEqual([]);
  world.catalog.queue = [{ ...queued, objectKey: keyOf(5), store: 'elsewhere' }];
  expect((await world.audit()).findings).toEqual([['OBJECT_WITHOUT_RECORD', keyOf(5)]]);
});

test('a store that is not configured is named as such', async () => {
  const world = await auditWorld();
  await expect(world.audit('elsewhere')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
