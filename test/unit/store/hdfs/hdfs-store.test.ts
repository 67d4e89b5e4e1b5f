import { afterEach, beforeEach, expect, test } from 'vitest';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import type { ByteSource, ObjectStore } from '../../../../src/store/object-store.ts';
import { hdfsStoreOn } from '../../../support/hdfs-store-on.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { all, codeOf, collect, keysOf, never, recorder } from '../../../support/store-probes.ts';
import { startWebhdfsFake } from '../../../support/webhdfs-fake.ts';
import type { FakeAct, FakeStep, WebhdfsFake } from '../../../support/webhdfs-fake.ts';

let fake: WebhdfsFake;
let store: ObjectStore;
beforeEach(async () => {
  fake = await startWebhdfsFake();
  store = hdfsStoreOn(fake.nameNodeUrl, { replicaWaitMs: '50ms' });
});
afterEach(() => fake.stop());

/** Of what happens at once on an idle machine. */
const PATIENT = { timeout: 15_000 };

const KEY = 'topic/0/one';
const bytes = sampleBytes(100_000);

function strike(op: string, step: FakeStep, act: FakeAct, times = 1): void {
  fake.faults.push({ op, step, act, times });
}

function put(key = KEY, content = bytes): Promise<unknown> {
  return store.put(key, bytesSource(content), nobody, never);
}

const paths = (): string[] => [...fake.tree.nodes.keys()].filter((path) => path.startsWith('/t'));
const ops = (): string[] => fake.requests.map(({ step, op }) => `${step} ${op}`);

test('a put is a temporary file that is proven and then renamed, told to the observer before', async () => {
  const observer = recorder();
  const told: number[] = [];
  await store.put(
    KEY,
    bytesSource(bytes),
    {
      uploadStarted: (id) => {
        told.push(fake.requests.filter(({ op }) => op === 'CREATE').length);
        return observer.uploadStarted(id);
      },
    },
    never,
  );
  const [uploadId] = observer.uploadIds;
  expect(told).toEqual([0]);
  expect(uploadId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{32}$/);
  expect(ops()).toEqual([
    'name GETFILESTATUS',
    'name MKDIRS',
    'name CREATE',
    'data CREATE',
    'name GETFILESTATUS',
    'name GETFILEBLOCKLOCATIONS',
    'name RENAME',
    'name GETFILESTATUS',
    'name MKDIRS',
    'name RENAME',
  ]);
  expect(fake.requests.at(-1)).toMatchObject({
    path: `/tiered/.uploading/${uploadId}`,
    query: { renameoptions: 'NONE', destination: `/tiered/${KEY}` },
  });
});

test('a file that lost its end on the way is not published, and its temporary file removed', async () => {
  strike('CREATE', 'data', { kind: 'cut', bytes: 60_000 });
  await expect(put()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('60000 of 100000 bytes'),
  });
  expect(paths()).toEqual(['/tiered', '/tiered/.uploading']);
});

test('fewer live replicas than the minimum are not enough', async () => {
  fake.tree.liveReplicas = 1;
  await expect(put()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('1 of 2 live replicas'),
  });
  expect(paths()).toEqual(['/tiered', '/tiered/.uploading']);
});

test('replicas that come late are waited for', async () => {
  store = hdfsStoreOn(fake.nameNodeUrl, { replicaWaitMs: '20s' });
  fake.tree.liveReplicas = 1;
  const storing = codeOf(put());
  await expect.poll(() => ops().includes('name GETFILEBLOCKLOCATIONS'), PATIENT).toBe(true);
  fake.tree.liveReplicas = 2;
  expect(await storing).toBe('resolved');
});

test('a rename that was carried out but not answered counts', async () => {
  await put('topic/0/first');
  strike('RENAME', 'name', { kind: 'forgetAnswer' });
  expect(await codeOf(put())).toBe('resolved');
  expect(paths().filter((path) => path.includes('.uploading/'))).toEqual([]);
  expect(
    (await collect(store.get(KEY, { start: 0, end: bytes.length }, never))).equals(bytes),
  ).toBe(true);
});

test('a rename that was lost is sent again', async () => {
  await put('topic/0/first');
  strike('RENAME', 'name', { kind: 'reset' });
  expect(await codeOf(put())).toBe('resolved');
  expect(await keysOf(store.list('', '', never))).toEqual(['topic/0/first', KEY]);
});

test('safe mode is waited out by the caller, with nothing published', async () => {
  await put('topic/0/first');
  fake.tree.isSafe = true;
  expect(await codeOf(put())).toBe('STORE_UNAVAILABLE');
  expect(await codeOf(store.delete(['topic/0/first'], never))).toBe('STORE_UNAVAILABLE');
  fake.tree.isSafe = false;
  expect(await codeOf(put())).toBe('resolved');
});

function removeTemporary(): void {
  for (const path of paths()) if (path.includes('.uploading/')) fake.tree.nodes.delete(path);
}

test.each([
  ['data CREATE', 'data', 'CREATE'],
  ['length', 'name', 'GETFILESTATUS'],
  ['replicas', 'name', 'GETFILEBLOCKLOCATIONS'],
  ['RENAME', 'name', 'RENAME'],
] as const)('an upload that is abandoned before its %s ends without an object', async (...at) => {
  await put('topic/0/first');
  const [, step, op] = at;
  const source = bytesSource(bytes);
  const body: ByteSource = {
    ...source,
    async *read(range, signal) {
      if (step === 'name') strike(op, step, { kind: 'first', act: removeTemporary });
      yield* source.read(range, signal);
      if (step === 'name') return;
      await expect
        .poll(() => paths().some((path) => path.includes('.uploading/')), PATIENT)
        .toBe(true);
      removeTemporary();
    },
  };
  expect(await codeOf(store.put(KEY, body, nobody, never))).toBe('STORE_REFUSED');
  expect(await keysOf(store.list('', '', never))).toEqual(['topic/0/first']);
});

test('each attempt has a temporary name of its own', async () => {
  const observer = recorder();
  strike('CREATE', 'data', { kind: 'reset' }, 2);
  for (const outcome of ['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE', 'resolved']) {
    expect(await codeOf(store.put(KEY, bytesSource(bytes), observer, never))).toBe(outcome);
  }
  expect(new Set(observer.uploadIds).size).toBe(3);
});

test('abandon removes only temporary files of exactly this key', async () => {
  const observer = recorder();
  await put('topic/0/kept');
  strike('CREATE', 'data', { kind: 'cut', bytes: 10 });
  strike('DELETE', 'name', { kind: 'refuse', status: 503, exception: '', message: 'busy' });
  const outcome = codeOf(store.put(KEY, bytesSource(bytes), observer, never));
  expect(await outcome).toBe('STORE_UNAVAILABLE');
  const temporary = `/tiered/.uploading/${observer.uploadIds[0]}`;
  await store.abandon('another/key', observer.uploadIds, never);
  await store.abandon(
    KEY,
    ['../topic/0/kept', '', '..', 'x', observer.uploadIds[0]!.slice(1)],
    never,
  );
  expect(paths()).toContain(temporary);
  await store.abandon(KEY, observer.uploadIds, never);
  expect(paths()).not.toContain(temporary);
  expect(await keysOf(store.list('', '', never))).toEqual(['topic/0/kept']);
});

test('keys that may not be deleted are told one by one', async () => {
  await put('topic/0/a');
  await put('topic/0/b');
  const act = { kind: 'refuse', status: 403, exception: 'AccessControlException' } as const;
  strike('DELETE', 'name', { ...act, message: 'Permission denied: user=logtier\n\tat java' });
  const refused = await store.delete(['topic/0/a', 'topic/0/b'], never);
  expect(refused).toEqual([
    {
      key: 'topic/0/a',
      reason:
        'DELETE /tiered/topic/0/a: 403 AccessControlException Permission denied: user=logtier',
    },
  ]);
  expect(await keysOf(store.list('', '', never))).toEqual(['topic/0/a']);
});

test('a delete takes the directories that it emptied, never one that it did not', async () => {
  await put('a/b/c/one');
  await put('a/two');
  await store.delete(['a/b/c/one'], never);
  expect(paths()).toEqual(['/tiered', '/tiered/.uploading', '/tiered/a', '/tiered/a/two']);
  await store.delete(['a/two/below/a/file', 'a/absent'], never);
  expect(await keysOf(store.list('', '', never))).toEqual(['a/two']);
});

test('a key that is a directory of other keys is no object, and its delete takes nothing', async () => {
  await put('a/b');
  expect(await store.delete(['a'], never)).toEqual([]);
  expect(await codeOf(put('a'))).toBe('STORE_REFUSED');
  expect(await codeOf(put('a/b/c'))).toBe('STORE_REFUSED');
  expect(await keysOf(store.list('', '', never))).toEqual(['a/b']);
});

test('files that others left under the root are not ours to show', async () => {
  await put('a/b');
  fake.tree.create('/tiered/a/no key', '1');
  fake.tree.close('/tiered/a/no key', Buffer.from('x'));
  expect((await all(store.list('', '', never))).map(({ key }) => key)).toEqual(['a/b']);
});

test('a bit that turned is never taken for the same content', async () => {
  await put();
  strike('OPEN', 'data', { kind: 'flip', at: 77_000 });
  expect(await codeOf(put())).toBe('OBJECT_EXISTS');
  expect(await codeOf(put())).toBe('resolved');
});

test('a cancelled put leaves its clean-up to abandon and sends nothing more', async () => {
  const stop = new AbortController();
  const body = bytesSource(bytes);
  const storing = codeOf(
    store.put(
      KEY,
      {
        ...body,
        read: (range, signal) => {
          stop.abort();
          return body.read(range, signal);
        },
      },
      nobody,
      stop.signal,
    ),
  );
  expect(await storing).toBe('ABORTED');
  expect(ops().filter((op) => op === 'name DELETE')).toEqual([]);
});
