import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import type { ObjectStore } from '../../../src/store/object-store.ts';
import { Gate } from '../../support/cache-world.ts';
import { closeUploaderWorlds, eventually, uploaderWorld } from '../../support/uploader-world.ts';

afterEach(closeUploaderWorlds);

interface Hanging {
  isHanging: boolean;
  readonly cancelled: unknown[];
  /** Lets the puts that hang go on. */
  readonly released?: Promise<void>;
}

/** Puts wait until they are released or cancelled, as long as `isHanging`. */
function hangingPuts(state: Hanging) {
  return (store: ObjectStore): ObjectStore =>
    Object.assign(Object.create(store) as ObjectStore, {
      put: (...args: Parameters<ObjectStore['put']>) => {
        if (!state.isHanging) return store.put(...args);
        const signal = args[3];
        return new Promise((resolve, reject) => {
          const goOn = (): void => {
            if (!signal.aborted) resolve(store.put(...args));
          };
          void state.released?.then(goOn);
          const onAbort = (): void => {
            state.cancelled.push(signal.reason);
            reject(signal.reason as Error);
          };
          if (signal.aborted) onAbort();
          else signal.addEventListener('abort', onAbort, { once: true });
        });
      },
    });
}

test('a copy that moves nothing is cancelled, tried again, and ends in one object', async () => {
  const state = { isHanging: true, cancelled: [] as unknown[] };
  const world = await uploaderWorld({
    wrapStore: hangingPuts(state),
    settings: { progressTimeoutMs: 2_000 },
  });
  await world.addPartition('orders', { segments: 1 });
  await world.uploader.start();
  await eventually(() => state.cancelled.length > 0, true);
  expect(state.cancelled[0]).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  state.isHanging = false;
  await eventually(() => world.finishedStarts(), [0n]);
  expect(world.objects.objects.size).toBe(1);
});

test('what a copy does is told while it runs', async () => {
  const state = { isHanging: true, cancelled: [] as unknown[] };
  const world = await uploaderWorld({ wrapStore: hangingPuts(state) });
  await world.addPartition('orders', { segments: 2 });
  await world.uploader.start();
  await eventually(
    () => world.uploader.tasks().copies.map(({ startOffset, step }) => [startOffset, step]),
    [[0n, 'sending']],
  );
  expect(world.uploader.tasks().queued).toBe(1);
  expect(await world.reasons()).toEqual(['COPYING', 'QUEUED', 'ACTIVE']);
});

test('a stop cancels what is in flight and leaves its intent for the next life', async () => {
  const state = { isHanging: true, cancelled: [] as unknown[] };
  const world = await uploaderWorld({ wrapStore: hangingPuts(state) });
  await world.addPartition('orders', { segments: 1 });
  await world.uploader.start();
  await eventually(() => world.uploader.tasks().copies.map(({ step }) => step), ['sending']);
  await world.uploader.stop();
  expect(world.catalog.records().map((record) => record.state)).toEqual(['COPY_SEGMENT_STARTED']);
  expect(world.catalog.eraseQueue).toEqual([]);
  const [open] = world.catalog.records();
  world.uploader = world.newUploader({});
  await world.uploader.start();
  await eventually(() => world.finished().map(({ segmentId }) => segmentId), [open?.segmentId]);
});

test('a fenced copy drops its claim and asks for a new one', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  let refusals = 1;
  world.ledger.faults = {
    before: (method) => {
      if (method !== 'startCopy' || refusals === 0) return;
      refusals -= 1;
      throw new LogtierError('FENCED_LEADER_EPOCH', 'a newer claim owns the partition');
    },
  };
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n]);
  expect(world.claims).toHaveLength(2);
});

test('after a refused claim nothing of the old one stays queued', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 5 });
  let starts = 0;
  world.ledger.faults = {
    before: (method) => {
      if (method === 'startCopy') starts += 1;
      const isSecondClaim = method === 'claim' && world.claims.length > 1;
      if (method === 'startCopy' || isSecondClaim)
        throw new LogtierError('FENCED_LEADER_EPOCH', 'another broker owns it');
    },
  };
  await world.uploader.start();
  await eventually(async () => (await world.status()).blocked?.reason, 'CLAIM_REFUSED');
  await eventually(() => world.uploader.tasks(), { copies: [], queued: 0 });
  // The next one may have been taken before the partition was stepped.
  expect(starts).toBeLessThanOrEqual(2);
});

test('a store that a topic names and nobody configured is told, and the sidecar goes on', async () => {
  const world = await uploaderWorld({
    topics: [{ match: 'orders', store: 'absent' }, { match: '*' }],
  });
  await world.addPartition('orders', { segments: 1 });
  await world.addPartition('logs', { segments: 1, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' });
  await world.uploader.start();
  await eventually(() => world.finishedStarts('AAAAAAAAAAAAAAAAAAAAAQ'), [0n]);
  await eventually(
    async () => (await world.status()).findings.map(({ code }) => code),
    ['STORE_REFUSES'],
  );
});

test('records that are not decided yet wait, and are copied once they are', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 2 });
  world.broker.partition('orders').lastStableOffset = 20n;
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n]);
  await eventually(() => world.reasons(), ['remote', 'ABOVE_LAST_STABLE_OFFSET', 'ACTIVE']);
  world.broker.partition('orders').lastStableOffset = 40n;
  await eventually(() => world.finishedStarts(), [0n, 20n]);
});

test('copies queued for a partition survive its move to another log directory', async () => {
  const hanging = new Gate();
  const world = await uploaderWorld({
    wrapStore: hangingPuts({ isHanging: true, cancelled: [], released: hanging.opened }),
    settings: { copiesInFlight: 1, scanIntervalMs: 300 },
  });
  const [first = '', second = ''] = world.logDirs;
  await world.addPartition('logs', { segments: 1, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' });
  await world.uploader.start();
  await eventually(() => world.uploader.tasks().copies.length, 1);
  await world.addPartition('orders', { segments: 2, logDir: second });
  await eventually(() => world.uploader.tasks().queued, 2);
  await rename(join(second, 'orders-0'), join(first, 'orders-0'));
  await eventually(async () => (await world.status()).logDir, first);
  hanging.open();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
});
