import { afterEach, expect, test } from 'vitest';
import { LogtierError, type ErrorCode } from '../../../src/base/errors.ts';
import { MemoryLedger } from '../../support/memory-ledger.ts';
import {
  closeUploaderWorlds,
  eventually,
  ORDERS_ID,
  uploaderWorld,
} from '../../support/uploader-world.ts';

afterEach(closeUploaderWorlds);

const ID = { topicId: ORDERS_ID, partition: 0 } as Parameters<MemoryLedger['claim']>[0]['id'];

test.each<[ErrorCode, string]>([
  ['METASTORE_UNAVAILABLE', 'METASTORE_UNREACHABLE'],
  ['OUTCOME_UNKNOWN', 'METASTORE_UNREACHABLE'],
  ['SESSION_EXPIRED', 'METASTORE_UNREACHABLE'],
  ['MODE_CONFLICT', 'CLAIM_REFUSED'],
  ['TOPIC_DELETED', 'CLAIM_REFUSED'],
  ['NOT_READY', 'VIEW_NOT_READY'],
])(
  'a claim that ends in %s blocks the partition as %s, and is tried again',
  async (code, reason) => {
    const world = await uploaderWorld();
    await world.addPartition('orders', { segments: 1 });
    let isBroken = true;
    world.ledger.faults = {
      before: (method) => {
        if (method === 'claim' && isBroken) throw new LogtierError(code, 'why');
      },
    };
    await world.uploader.start();
    await eventually(async () => (await world.status()).blocked?.reason, reason);
    isBroken = false;
    await eventually(() => world.finishedStarts(), [0n]);
    await eventually(async () => (await world.status()).blocked, undefined);
  },
);

test('the first claim carries where tiering begins, and the broker’s lineage', async () => {
  const world = await uploaderWorld({ topics: [{ from: 'now' }] });
  await world.addPartition('orders', { baseOffset: 100n });
  await world.uploader.start();
  await eventually(() => world.catalog.peek(ID)?.remoteStart, 140n);
  expect(world.catalog.peek(ID)?.lineage).toEqual([{ epoch: 7, startOffset: 100n }]);
});

test('a view that is not complete plans nothing: only NOT_READY is told', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  const snapshot = world.catalog.snapshot.bind(world.catalog);
  world.catalog.snapshot = () => Promise.reject(new LogtierError('NOT_READY', 'loading'));
  await world.uploader.start();
  await eventually(() => world.reasons(), ['VIEW_NOT_READY', 'ACTIVE']);
  expect(world.catalog.records()).toEqual([]);
  world.catalog.snapshot = snapshot;
  await eventually(() => world.finishedStarts(), [0n]);
  expect(world.claims).toHaveLength(1);
});

test('the open intent of an earlier owner whose records are on disk is dropped, then copied anew', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  const orphan = await openIntent(world.catalog);
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n]);
  expect(world.finished()[0]?.segmentId).not.toBe(orphan);
  expect(world.catalog.eraseQueue.map(({ segmentId }) => segmentId)).toEqual([orphan]);
});

test('the open intent of an earlier owner that left no object and no local records is reported', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1, baseOffset: 20n });
  const orphan = await openIntent(world.catalog);
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [20n]);
  const { findings } = await world.status();
  expect(findings.find(({ code }) => code === 'ORPHAN')?.text).toContain(orphan);
  expect(world.catalog.records().map(({ state }) => state)).toContain('COPY_SEGMENT_STARTED');
});

/** Broker 2 began to copy [0, 20) at epoch 6 and was never heard of again. */
async function openIntent(catalog: ConstructorParameters<typeof MemoryLedger>[0]): Promise<string> {
  const other = new MemoryLedger(catalog, 2);
  const lineage = [{ epoch: 6, startOffset: 0n }];
  const claim = await other.claim({
    id: ID,
    topic: 'orders',
    leaderEpoch: 6,
    lineage,
    brokerLocalStart: 0n,
    initialRemoteStart: 0n,
  });
  const segmentId = 'AAAAAAAAAAAAAAAAAAAABw' as Parameters<MemoryLedger['finishCopy']>[1];
  await other.startCopy(claim, {
    topicId: ID.topicId,
    partition: 0,
    segmentId,
    store: 'main',
    objectKey: 'tier/elsewhere/0.segment',
    startOffset: 0n,
    nextOffset: 20n,
    maxTimestampMs: 5,
    brokerId: 2,
    logBytes: 1_000,
    objectBytes: 1_100,
    epochs: lineage,
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
    brokerLineage: lineage,
    brokerLocalStart: 0n,
  });
  return segmentId;
}
