import { afterEach, expect, test } from 'vitest';
import type { MemoryLedger } from '../../support/memory-ledger.ts';
import {
  closeUploaderWorlds,
  eventually,
  ORDERS_ID,
  uploaderWorld,
} from '../../support/uploader-world.ts';

afterEach(closeUploaderWorlds);

const ID = { topicId: ORDERS_ID, partition: 0 } as Parameters<MemoryLedger['claim']>[0]['id'];

test('each local segment is told with its size, its state and when retention may take it', async () => {
  const world = await uploaderWorld();
  const built = await world.addPartition('orders', {
    segments: 2,
    config: { retentionMs: 1_000_000_000_000 },
  });
  await world.uploader.start();
  await eventually(() => world.reasons(), ['remote', 'remote', 'ACTIVE']);
  const status = await world.status();
  expect(status).toMatchObject({
    topic: 'orders',
    partition: 0,
    topicId: ORDERS_ID,
    logDir: world.logDir,
    isLeader: true,
    findings: [],
  });
  expect(status.lastUploadMs).toBeGreaterThan(0);
  expect(status.segments.map(({ logBytes }) => logBytes)).toEqual([
    ...built.map(({ log }) => log.length),
    0,
  ]);
  expect(status.segments.map(({ deletableAtMs }) => deletableAtMs)).toEqual([
    (built[0]?.maxTimestampMs ?? 0) + 1_000_000_000_000,
    (built[1]?.maxTimestampMs ?? 0) + 1_000_000_000_000,
    Infinity,
  ]);
});

test('a segment that straddles the remote start is remote when the rest of it is', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  await world.addPartition('orders', { segments: 2 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  // An earlier owner's segments had other borders: [10, 20) remains remote, what was below has ended.
  const row = world.catalog.rows.get([...world.catalog.rows.keys()][0] ?? '');
  const [first] = world.finished();
  if (row === undefined || first === undefined) throw new Error('nothing is remote');
  row.segments.set(first.segmentId, {
    ...first,
    startOffset: 10n,
    epochs: [{ epoch: 7, startOffset: 10n }],
  });
  row.remoteStart = 10n;
  expect(await world.reasons()).toEqual(['remote', 'remote', 'ACTIVE']);
});

test('what lies below the remote start and is not remote is told as such', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 2 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  const row = [...world.catalog.rows.values()][0];
  const [first] = world.finished();
  if (row === undefined || first === undefined) throw new Error('nothing is remote');
  row.segments.delete(first.segmentId);
  row.remoteStart = 20n;
  const { segments } = await world.status();
  expect(segments[0]?.waiting).toMatchObject({
    reason: 'BEFORE_FROM',
    detail: 'the remote start is 20',
  });
});

test('a follower tells what is remote without a claim', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n]);
  world.broker.partition('orders').leaderId = 2;
  await eventually(async () => (await world.status()).isLeader, false);
  await world.roll('orders', 20n);
  await eventually(() => world.reasons(), ['remote', 'NOT_LEADER', 'ACTIVE']);
  expect(world.catalog.peek(ID)?.claim?.released).toBe(true);
});

test('local retention that comes close to untiered records is told beforehand', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 2, config: { retentionMs: 1_000 } });
  world.broker.partition('orders').lastStableOffset = 0n;
  await world.uploader.start();
  await eventually(
    async () => (await world.status()).findings.map(({ code }) => code),
    ['HEADROOM_LOW'],
  );
  world.broker.partition('orders').lastStableOffset = 40n;
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  await eventually(async () => (await world.status()).findings, []);
});
