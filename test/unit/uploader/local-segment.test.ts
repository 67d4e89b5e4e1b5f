// What becomes of a copy when the broker's files change under it.
import { writeFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { failingStore } from '../../../src/store/decorators/failing.ts';
import { isSameHistory } from '../../../src/uploader/local-segment.ts';
import { expectAllRemote } from '../../support/expect-all-remote.ts';
import { removeWorlds, uploadWorld } from '../../support/upload-world.ts';

afterEach(removeWorlds);

test.each(['renamed', 'unlinked'] as const)(
  'rule 2: local retention has %s the segment in mid-copy: it commits',
  async (how) => {
    const world = await uploadWorld();
    const claim = await world.claim();
    world.faults({
      before: async (method) => {
        if (method === 'recordUpload') await world.deleteLocally(world.segments[0]!, how);
      },
    });
    expect(await world.copy(claim)).toMatchObject({ kind: 'copied' });
    await expectAllRemote(world);
  },
);

test('a segment that is deleted locally while its store is away is put again from the open descriptors', async () => {
  const away = { op: 'put', fault: { kind: 'fail', code: 'STORE_UNAVAILABLE' } } as const;
  const world = await uploadWorld({
    wrapStore: (store) => failingStore([{ ...away, calls: { start: 0, end: 3 } }], store),
  });
  const claim = await world.claim();
  world.faults({
    after: async (method) => {
      if (method === 'startCopy') await world.deleteLocally(world.segments[0]!, 'unlinked');
    },
  });
  expect(await world.copy(claim)).toMatchObject({ kind: 'copied' });
  expect(world.clock.slept).toEqual([5000, 5000, 5000]);
  await expectAllRemote(world);
});

test('a segment already renamed by local retention is still found', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const closed = await world.closed();
  await world.deleteLocally(world.segments[0]!, 'renamed');
  world.closed = () => Promise.resolve(closed);
  expect(await world.copy(claim)).toMatchObject({ kind: 'copied' });
});

test('a segment that is gone before it could be opened is reported', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const closed = await world.closed();
  await world.deleteLocally(world.segments[0]!, 'unlinked');
  world.closed = () => Promise.resolve(closed);
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_GONE' });
});

test('a log truncated in mid-copy is SOURCE_CHANGED and aborted', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const first = world.segments[0]!;
  world.faults({
    after: async (method) => {
      if (method === 'startCopy') await world.truncateLog(first, first.batches[20]!.position);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  expect(world.catalog.records()).toEqual([]);
  expect(world.catalog.eraseQueue).toHaveLength(1);
  expect(world.unaccounted()).toEqual([]);
});

test('a log truncated after the put is aborted, not committed', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const first = world.segments[0]!;
  const { store } = world;
  world.store = new Proxy(store, {
    get: (target, name) =>
      name !== 'put'
        ? Reflect.get(target, name).bind(target)
        : async (...args: Parameters<typeof store.put>) => {
            const stored = await store.put(...args);
            await world.truncateLog(first, first.batches[20]!.position);
            return stored;
          },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  expect(world.finished()).toEqual([]);
  expect(world.catalog.eraseQueue).toHaveLength(1);
});

test('a log that is truncated and written again to the same size is not sent', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const first = world.segments[0]!;
  world.faults({
    after: async (method) => {
      if (method !== 'startCopy') return;
      const log = Buffer.from(first.log);
      log[log.length - 1]! ^= 1;
      await writeFile(world.path(first.baseOffset, 'log'), log);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  expect(world.finished()).toEqual([]);
});

test('leader epochs that change below the end before the commit abort it', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  world.faults({
    after: async (method) => {
      if (method !== 'recordUpload') return;
      await world.writeLineage([
        { epoch: 7, startOffset: 1000n },
        { epoch: 9, startOffset: 1150n },
      ]);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  expect(world.finished()).toEqual([]);
  expect(world.catalog.eraseQueue).toHaveLength(1);
});

const before = [
  { epoch: 2, startOffset: 0n },
  { epoch: 5, startOffset: 100n },
  { epoch: 6, startOffset: 200n },
];

test.each([
  ['as it was', before, true],
  ['cut from below at the log start', [{ epoch: 5, startOffset: 130n }, before[2]!], true],
  ['cut from below past the segment', [{ epoch: 6, startOffset: 400n }], true],
  ['with a new epoch above', [...before, { epoch: 9, startOffset: 300n }], true],
  ['with a new epoch inside', [before[0]!, { epoch: 9, startOffset: 150n }], false],
  ['with its newest entry truncated', before.slice(0, 2), false],
  ['empty', [], false],
  ['with an older epoch', [{ epoch: 4, startOffset: 100n }, before[2]!], false],
])('a checkpoint %s tells whether history changed', (_name, after, isSame) => {
  expect(isSameHistory(before, after, 300n)).toBe(isSame);
});
