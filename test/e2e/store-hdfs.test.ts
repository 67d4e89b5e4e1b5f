// The hdfs home of the object store on a real NameNode and DataNode, and what happens when they or we die.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/checksum.ts';
import { readBackCrc32 } from '../../src/store/compare-existing.ts';
import { bytesSource } from '../../src/store/byte-source.ts';
import { nobody } from '../../src/store/object-store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { describeObjectStore } from '../contract/object-store.ts';
import { startFlippingProxy } from '../support/flipping-proxy.ts';
import { hdfsStoreOn } from '../support/hdfs-store-on.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import {
  all,
  codeOf,
  collect,
  interruptedSource,
  never,
  recorder,
} from '../support/store-probes.ts';
import { startHdfs } from '../support/testbeds/hdfs.ts';
import type { HdfsTestbed } from '../support/testbeds/hdfs.ts';

const START_MS = 600_000;
const MIB = 2 ** 20;

/** One DataNode holds one replica. */
const ONE_REPLICA = { replication: 1, minReplicas: 1 };

let hdfs: HdfsTestbed;
let directories = 0;

function freshStore(overrides: Readonly<Record<string, unknown>> = {}): ObjectStore {
  directories += 1;
  const directory = `/tiered/${directories}`;
  return hdfsStoreOn(hdfs.nameNodeUrl, { ...ONE_REPLICA, directory, ...overrides });
}

beforeAll(async () => {
  hdfs = await startHdfs();
}, START_MS);
afterAll(() => hdfs.stop(), START_MS);

// A small file costs 0.2 s here, and a page of this cluster holds 40 entries.
describeObjectStore(
  'hdfs',
  () => Promise.resolve({ store: freshStore(), close: () => Promise.resolve() }),
  { largeBytes: 9 * MIB + 123, manyKeys: 120 },
);

/** What WebHDFS itself shows of a directory. */
async function namesIn(path: string): Promise<string[]> {
  const asked = `${hdfs.nameNodeUrl}/webhdfs/v1${path}?op=LISTSTATUS&user.name=${hdfs.user}`;
  const listing = (await (await fetch(asked)).json()) as {
    FileStatuses?: { FileStatus: { pathSuffix: string }[] };
  };
  return (listing.FileStatuses?.FileStatus ?? []).map(({ pathSuffix }) => pathSuffix);
}

describe('the hdfs store when something goes wrong', () => {
  test('a writer that dies midway leaves a temporary file only, which abandon removes', async () => {
    const directory = '/dying/writer';
    const store = freshStore({ directory });
    const death = new AbortController();
    const body = interruptedSource(sampleBytes(8 * MIB), 3 * MIB, () => death.abort());
    const observer = recorder();
    expect(await codeOf(store.put('a/key', body, observer, death.signal))).toBe('ABORTED');
    expect(await namesIn(`${directory}/.uploading`)).toEqual(observer.uploadIds);
    expect(await all(store.list('', '', never))).toEqual([]);
    await store.abandon('another/key', observer.uploadIds, never);
    expect(await namesIn(`${directory}/.uploading`)).toEqual(observer.uploadIds);
    await store.abandon('a/key', observer.uploadIds, never);
    expect(await namesIn(`${directory}/.uploading`)).toEqual([]);
  });

  test(
    'a DataNode killed midway fails the put; the next one succeeds when it is back',
    async () => {
      const store = freshStore({ idleTimeoutMs: '20s' });
      const bytes = sampleBytes(12 * MIB, 7);
      const body = interruptedSource(bytes, 3 * MIB, () => {
        process.kill(hdfs.pids.datanode, 'SIGKILL');
      });
      const observer = recorder();
      expect(await codeOf(store.put('a/key', body, observer, never))).toBe('STORE_UNAVAILABLE');
      expect(await codeOf(store.stat('a/key', never))).toBe('OBJECT_NOT_FOUND');
      await hdfs.restart('datanode');
      const stored = await store.put('a/key', bytesSource(bytes), observer, never);
      expect(stored.sizeBytes).toBe(bytes.length);
      expect(new Set(observer.uploadIds).size).toBe(2);
      expect(await readBackCrc32(store, stored, never)).toBe(crc32(bytes));
    },
    START_MS,
  );

  test(
    'a NameNode that stands still is given up after the idle timeout, and served again',
    async () => {
      const directory = '/standing/still';
      const patient = freshStore({ directory });
      await patient.put('a/key', bytesSource(Buffer.from('x')), nobody, never);
      const store = freshStore({ directory, idleTimeoutMs: '1s' });
      await hdfs.kill('namenode', 'SIGSTOP');
      expect(await codeOf(store.stat('a/key', never))).toBe('STORE_UNAVAILABLE');
      await hdfs.kill('namenode', 'SIGCONT');
      await expect
        .poll(() => codeOf(store.stat('a/key', never)), { timeout: 240_000 })
        .toBe('resolved');
    },
    START_MS,
  );

  test('more replicas than there are DataNodes are waited for, then refused', async () => {
    const store = freshStore({ replication: 2, minReplicas: 2, replicaWaitMs: '500ms' });
    const outcome = store.put('a/key', bytesSource(Buffer.from('x')), nobody, never);
    await expect(outcome).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/[01] of 2 live replicas/),
    });
    expect(await all(store.list('', '', never))).toEqual([]);
  });

  test('a bit that turns on the way is seen when the object is read back', async () => {
    const proxy = await startFlippingProxy(hdfs.dataNodeHost, { atByte: 2 * MIB });
    try {
      const reachDataNode = (named: URL): URL => {
        const rewritten = new URL(named);
        rewritten.host = proxy.host;
        return rewritten;
      };
      const settings = { ...ONE_REPLICA, directory: '/flipped' };
      const disturbed = hdfsStoreOn(hdfs.nameNodeUrl, settings, { reachDataNode });
      const bytes = sampleBytes(4 * MIB, 9);
      const stored = await disturbed.put('a/key', bytesSource(bytes), nobody, never);
      expect([stored.sizeBytes, stored.crc32, proxy.flips]).toEqual([bytes.length, undefined, 1]);
      const straight = hdfsStoreOn(hdfs.nameNodeUrl, settings);
      expect(await readBackCrc32(straight, stored, never)).not.toBe(crc32(bytes));
      const again = straight.put('a/key', bytesSource(bytes), nobody, never);
      expect(await codeOf(again)).toBe('OBJECT_EXISTS');
    } finally {
      await proxy.stop();
    }
  });

  test('nothing lies below an object, and none takes the place of a directory', async () => {
    const store = freshStore();
    await store.put('a/b', bytesSource(Buffer.from('x')), nobody, never);
    const below = ['a/b/c', 'a/b/c/d'];
    for (const key of below) expect(await codeOf(store.stat(key, never))).toBe('OBJECT_NOT_FOUND');
    expect(await store.delete(['a', ...below], never)).toEqual([]);
    for (const key of ['a', ...below]) {
      const outcome = store.put(key, bytesSource(Buffer.from('y')), nobody, never);
      expect(await codeOf(outcome)).toBe('STORE_REFUSED');
    }
    expect((await all(store.list('', '', never))).map(({ key }) => key)).toEqual(['a/b']);
  });

  test('a full quota is DISK_FULL, and what was written of the file is removed', async () => {
    const directory = '/quota/full';
    const store = freshStore({ directory, blockBytes: '1MiB' });
    await store.put('a/small', bytesSource(Buffer.from('x')), nobody, never);
    const query = `op=SETQUOTA&storagespacequota=${3 * MIB}&user.name=${hdfs.user}`;
    const asked = `${hdfs.nameNodeUrl}/webhdfs/v1${directory}?${query}`;
    expect((await fetch(asked, { method: 'PUT' })).status).toBe(200);
    const outcome = store.put('a/key', bytesSource(sampleBytes(5 * MIB)), nobody, never);
    expect(await codeOf(outcome)).toBe('DISK_FULL');
    expect(await namesIn(`${directory}/.uploading`)).toEqual([]);
    expect((await all(store.list('', '', never))).map(({ key }) => key)).toEqual(['a/small']);
  });

  test('a user without permission is STORE_DENIED', async () => {
    const store = freshStore({ user: 'stranger' });
    const outcome = store.put('a/key', bytesSource(Buffer.from('x')), nobody, never);
    expect(await codeOf(outcome)).toBe('STORE_DENIED');
    await freshStore({ directory: '/closed' }).put(
      'a',
      bytesSource(Buffer.from('x')),
      nobody,
      never,
    );
    const closed = freshStore({ directory: '/closed', user: 'stranger' });
    expect(await codeOf(closed.stat('a', never))).toBe('STORE_DENIED');
    expect(await codeOf(all(closed.list('', '', never)))).toBe('STORE_DENIED');
  });

  test('objects of several blocks come back, from any block', async () => {
    const store = freshStore({ blockBytes: '1MiB' });
    const bytes = sampleBytes(5 * MIB + 100, 3);
    await store.put('a/key', bytesSource(bytes), nobody, never);
    const range = { start: MIB - 5, end: 4 * MIB + 5 };
    const found = await collect(store.get('a/key', range, never));
    expect(found.equals(bytes.subarray(range.start, range.end))).toBe(true);
  });
});
