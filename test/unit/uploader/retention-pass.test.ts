import { afterEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { systemClock, type Clock } from '../../../src/platform/clock.ts';
import { hastyClock } from '../../support/hasty-clock.ts';
import { PartitionState } from '../../../src/uploader/partition-state.ts';
import { RetentionPass, type RetentionDeps } from '../../../src/uploader/retention-pass.ts';
import type { Claim } from '../../../src/uploader/segment-ledger.ts';
import { topicSettings } from '../../../src/uploader/settings.ts';
import {
  closeUploaderWorlds,
  eventually,
  uploaderWorld,
  type UploaderWorld,
} from '../../support/uploader-world.ts';

afterEach(closeUploaderWorlds);

/** Four segments of about 2.4 KB, all remote, then a retention of so many bytes. */
async function tieredWorld(
  retention: { readonly bytes: number },
  clock: Clock = hastyClock,
): Promise<UploaderWorld> {
  const world = await uploaderWorld({ settings: { retentionIntervalMs: 600_000 } });
  await world.addPartition('orders', { segments: 4 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n, 40n, 60n]);
  await world.uploader.stop();
  world.uploader = world.newUploader({ topics: [{ retention }], clock });
  return world;
}

test('retention by size moves the remote start first, and queues what it ends', async () => {
  const world = await tieredWorld({ bytes: 7_000 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [20n, 40n, 60n]);
  expect([...world.catalog.rows.values()].map(({ remoteStart }) => remoteStart)).toEqual([20n]);
  expect(world.catalog.ended.map(({ reason }) => reason)).toEqual(['RETENTION_BYTES']);
  expect(world.catalog.eraseQueue.map(({ everFinished }) => everFinished)).toEqual([true]);
});

test('what retention ended is not copied again, though it is still on disk', async () => {
  const world = await tieredWorld({ bytes: 7_000 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [20n, 40n, 60n]);
  await world.roll('orders', 80n);
  await eventually(() => world.finishedStarts().includes(80n), true);
  expect(world.finishedStarts()).not.toContain(0n);
  expect((await world.status()).findings).toEqual([]);
});

test('a pass that would erase more than half of a partition waits, with a finding', async () => {
  const world = await tieredWorld({ bytes: 2_400 });
  await world.uploader.start();
  await eventually(
    async () => (await world.status()).findings.map(({ code }) => code),
    ['RETENTION_HELD'],
  );
  expect(world.finishedStarts()).toEqual([0n, 20n, 40n, 60n]);
});

test('a clock a year ahead erases nothing', async () => {
  const ahead = { ...hastyClock, wallMs: () => Date.now() + 365 * 86_400_000 };
  const world = await tieredWorld({ bytes: 7_000 }, ahead);
  await world.uploader.start();
  await eventually(
    async () => (await world.status()).findings.map(({ code }) => code),
    ['RETENTION_HELD'],
  );
  expect((await world.status()).findings[0]?.text).toMatch(/clock/i);
  expect(world.catalog.ended).toEqual([]);
});

test('a second broker that knows a newer epoch stops the pass; silence does not', async () => {
  const world = await tieredWorld({ bytes: 7_000 });
  // Silent at the claim; at the pass it knows more.
  const answers: (number | undefined)[] = [undefined, 8, 8];
  world.broker.epochElsewhere = () => Promise.resolve(answers.shift());
  await world.uploader.start();
  await eventually(() => answers.length, 0);
  expect(world.catalog.ended).toEqual([]);
  await eventually(() => world.finishedStarts(), [20n, 40n, 60n]);
});

test('a store whose clock cannot be asked erases nothing', async () => {
  const world = await tieredWorld({ bytes: 7_000 });
  world.objects.wallClockMs = () =>
    Promise.reject(new LogtierError('STORE_UNAVAILABLE', 'no answer'));
  let asked = 0;
  const peek = world.catalog.peek.bind(world.catalog);
  world.catalog.peek = (id) => {
    asked += 1;
    return peek(id);
  };
  await world.uploader.start();
  await eventually(() => asked > 5, true);
  expect(world.catalog.ended).toEqual([]);
});

test('a store that is not configured has no clock: the pass deletes nothing (rule 8)', async () => {
  const state = new PartitionState({
    logDir: '/d',
    path: '/d/orders-0',
    topic: 'orders',
    partition: 0,
    ino: 1n,
    fileNames: [],
  });
  state.rule = topicSettings.parse({ match: '*', store: 'gone', retention: { bytes: '1B' } });
  state.claim = { revision: { incarnation: 1, index: 1n } } as Claim;
  const deps = {
    clock: systemClock,
    view: { snapshot: () => Promise.resolve({}) },
    stores: new Map(),
  } as unknown as RetentionDeps;
  const pass = new RetentionPass(deps, 0).run(state, new AbortController().signal);
  await expect(pass).rejects.toMatchObject({ code: 'STORE_REFUSED' });
});
