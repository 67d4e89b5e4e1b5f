import { appendFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { segmentFileName } from '../../../src/kafka/segment-files.ts';
import {
  closeUploaderWorlds,
  eventually,
  ORDERS_ID,
  uploaderWorld,
} from '../../support/uploader-world.ts';

afterEach(closeUploaderWorlds);

const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

test('everything closed becomes remote under one claim, and what rolls later follows', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 3 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n, 40n]);
  await world.roll('orders', 60n);
  await eventually(() => world.finishedStarts(), [0n, 20n, 40n, 60n]);
  expect(world.claims).toEqual([{ topicId: ORDERS_ID, leaderEpoch: 7 }]);
  await eventually(() => world.reasons(), ['remote', 'remote', 'remote', 'remote', 'ACTIVE']);
});

test('a partition that this broker does not lead is not claimed', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  world.broker.partition('orders').leaderId = 2;
  await world.uploader.start();
  await eventually(() => world.reasons(), ['NOT_LEADER', 'NOT_LEADER', 'ACTIVE']);
  expect(world.claims).toEqual([]);
});

test('a claimant that learns that it does not lead gives the claim back', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  world.broker.partition('orders').leaderId = 2;
  await eventually(() => world.releases, [{ topicId: ORDERS_ID, partition: 0 }]);
  expect((await world.status()).claim).toBeUndefined();
});

test('a claim is given back also when a copy was the first to learn that another leads', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  world.broker.partition('orders').lastStableOffset = 0n;
  await world.uploader.start();
  await eventually(() => world.claims.length, 1);
  const held = world.broker.metadata.bind(world.broker);
  const stale = await held(['orders']);
  // The copy asks a broker that knows better than its last metadata answer.
  world.broker.metadata = () => Promise.resolve(stale);
  world.broker.partition('orders').leaderId = 2;
  await eventually(
    async () => (await world.status()).segments[0]?.waiting?.detail?.includes('NOT_LEADER'),
    true,
  );
  world.broker.metadata = held;
  await eventually(() => world.releases, [{ topicId: ORDERS_ID, partition: 0 }]);
});

test('a silent broker keeps the claim: silence is no answer', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  world.broker.isSilent = true;
  await eventually(() => world.uploader.notReady().length, 1);
  await world.roll('orders', 40n);
  await eventually(async () => (await world.reasons()).slice(2), ['BROKER_UNREACHABLE', 'ACTIVE']);
  expect(world.releases).toEqual([]);
  world.broker.isSilent = false;
  await eventually(() => world.finishedStarts(), [0n, 20n, 40n]);
  expect(world.claims).toHaveLength(1);
});

test('a refused true leader alarms, tries again, and the alarm ends with the claim', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  world.ledger.faults = {
    before: (method) => {
      if (method === 'claim') throw new LogtierError('FENCED_LEADER_EPOCH', 'claimed at epoch 9');
    },
  };
  await world.uploader.start();
  await eventually(
    async () => (await world.status()).findings.map(({ code }) => code),
    ['CLAIM_REFUSED'],
  );
  await eventually(() => world.claims.length > 3, true);
  expect(await world.reasons()).toEqual(['CLAIM_REFUSED', 'CLAIM_REFUSED', 'ACTIVE']);
  world.ledger.faults = {};
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  expect((await world.status()).findings).toEqual([]);
});

test('an instance fenced by a younger one of its own broker tells it and never claims again', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.addPartition('orders', { partition: 1 });
  world.ledger.faults = {
    before: (method) => {
      if (method === 'claim') throw new LogtierError('FENCED_INSTANCE', 'a younger process');
    },
  };
  await world.uploader.start();
  await eventually(() => world.fenced.length > 0, true);
  expect(world.fenced[0]?.code).toBe('FENCED_INSTANCE');
  // The younger process does its work beside the older one, which has all the time to ask again and must not.
  world.ledger.faults = {};
  const younger = world.newUploader({});
  await younger.start();
  await eventually(() => world.finishedStarts(ORDERS_ID, 0), [0n, 20n]);
  await eventually(() => world.finishedStarts(ORDERS_ID, 1), [0n, 20n]);
  await world.roll('orders', 40n);
  await eventually(() => world.finishedStarts(ORDERS_ID, 0), [0n, 20n, 40n]);
  // Two of the younger one, and at most one a partition of the older one.
  expect(world.claims.length).toBeLessThanOrEqual(4);
});

test('a second broker that knows a newer epoch stops the claim', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  world.broker.elsewhere = 8;
  await world.uploader.start();
  await eventually(() => world.reasons(), ['CLAIM_REFUSED', 'CLAIM_REFUSED', 'ACTIVE']);
  expect(world.claims).toEqual([]);
  world.broker.elsewhere = undefined; // silence does not stop
  await eventually(() => world.finishedStarts(), [0n, 20n]);
});

test('a new leader epoch of the same broker is claimed anew, and nothing is copied twice', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  world.broker.partition('orders').leaderEpoch = 8;
  await eventually(() => world.claims.map(({ leaderEpoch }) => leaderEpoch), [7, 8]);
  await eventually(async () => (await world.status()).claim?.leaderEpoch, 8);
  expect(world.finishedStarts()).toEqual([0n, 20n]);
});

test.each([
  ['a compacted topic', { config: { cleanupPolicy: 'compact,delete' } }, 'TOPIC_COMPACTED'],
  ['an internal topic', { internal: true }, 'TOPIC_INTERNAL'],
  [
    'a topic tiered by the broker',
    { config: { remoteStorageEnabled: true } },
    'TOPIC_TIERED_BY_BROKER',
  ],
])('%s is left alone, with that reason', async (_what, options, reason) => {
  const world = await uploaderWorld();
  await world.addPartition('orders', options);
  await world.uploader.start();
  await eventually(() => world.reasons(), [reason, reason, 'ACTIVE']);
  expect(world.claims).toEqual([]);
});

test('a topic that no entry matches is left alone, with that reason', async () => {
  const world = await uploaderWorld({ topics: [{ match: 'logs-*' }] });
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.reasons(), ['TOPIC_NOT_MATCHED', 'TOPIC_NOT_MATCHED', 'ACTIVE']);
});

test('a topic recreated under its name is another topic: both stay whole', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  await world.deleteTopic('orders');
  await world.addPartition('orders', { topicId: OTHER_ID, segments: 1, leaderEpoch: 0 });
  await eventually(() => world.finishedStarts(OTHER_ID), [0n]);
  expect(world.finishedStarts(ORDERS_ID)).toEqual([0n, 20n]);
  expect(world.claims.map(({ topicId }) => topicId)).toEqual([ORDERS_ID, OTHER_ID]);
});

test('partition.metadata of another topic than the broker names copies nothing', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  const topic = world.broker.topics.get('orders');
  if (topic !== undefined) topic.topicId = OTHER_ID;
  await world.uploader.start();
  await eventually(() => world.reasons(), ['TOPIC_ID_UNKNOWN', 'TOPIC_ID_UNKNOWN', 'ACTIVE']);
  expect(world.claims).toEqual([]);
});

test('from: now leaves alone what had closed, and copies what closes later', async () => {
  const world = await uploaderWorld({ topics: [{ from: 'now' }] });
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.reasons(), ['BEFORE_FROM', 'BEFORE_FROM', 'ACTIVE']);
  await world.roll('orders', 40n);
  await eventually(() => world.finishedStarts(), [40n]);
  expect((await world.status()).findings).toEqual([]);
});

test('a damaged segment is set aside with a finding, and the others go on', async () => {
  const world = await uploaderWorld();
  const [, second] = await world.addPartition('orders', { segments: 3 });
  const path = join(world.directory('orders'), segmentFileName(20n, 'log'));
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 40n]);
  await eventually(() => world.reasons(), ['remote', 'QUARANTINED', 'remote', 'ACTIVE']);
  const { findings } = await world.status();
  expect(
    findings.map(({ code, startOffset, endOffset }) => [code, startOffset, endOffset]),
  ).toEqual([['QUARANTINED', 20n, second?.nextOffset]]);
});

test('a closed log that ends inside a batch is set aside after the grace, and the others go on', async () => {
  const world = await uploaderWorld({ settings: { snapshotGraceMs: 1_000 } });
  const [, second] = await world.addPartition('orders', { segments: 3 });
  const path = join(world.directory('orders'), segmentFileName(20n, 'log'));
  await truncate(path, (second?.log.length ?? 0) - 5);
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 40n]);
  await eventually(() => world.reasons(), ['remote', 'QUARANTINED', 'remote', 'ACTIVE']);
  const { findings } = await world.status();
  expect(
    findings.map(({ code, startOffset, endOffset }) => [code, startOffset, endOffset]),
  ).toEqual([['QUARANTINED', 20n, second?.nextOffset]]);
});

test('what local retention deletes before it was copied is told with its offsets', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 3 });
  world.broker.partition('orders').lastStableOffset = 0n; // nothing is decided yet
  await world.uploader.start();
  await eventually(async () => (await world.status()).segments.length, 4);
  await eventually(() => world.claims.length, 1);
  await world.removeLog('orders', 0n);
  await world.removeLog('orders', 20n);
  await eventually(
    async () =>
      (await world.status()).findings.map(({ code, startOffset, endOffset }) => [
        code,
        startOffset,
        endOffset,
      ]),
    [['LOST_BEFORE_COPY', 0n, 40n]],
  );
});

test('what does not fit into the queue is offered again until all is remote', async () => {
  const world = await uploaderWorld({ settings: { queueLimit: 1, copiesInFlight: 1 } });
  await world.addPartition('orders', { segments: 4 });
  await world.addPartition('orders', { partition: 1, segments: 4 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(ORDERS_ID, 0), [0n, 20n, 40n, 60n]);
  await eventually(() => world.finishedStarts(ORDERS_ID, 1), [0n, 20n, 40n, 60n]);
});

test('a partition moved to another log directory goes on from there', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 1 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n]);
  const [, other = ''] = world.logDirs;
  world.broker.partition('orders').lastStableOffset = 20n;
  await rename(world.directory('orders'), join(other, 'orders-0'));
  await eventually(async () => (await world.status()).logDir, other);
  expect(world.finishedStarts()).toEqual([0n]);
});

test('a moved partition keeps its queue, whichever directory is looked at first', async () => {
  const world = await uploaderWorld();
  const [first = '', other = ''] = world.logDirs;
  await world.addPartition('orders', { segments: 2, logDir: other });
  world.broker.partition('orders').lastStableOffset = 0n;
  await world.uploader.start();
  await eventually(() => world.claims.length, 1);
  await rename(join(other, 'orders-0'), join(first, 'orders-0'));
  await eventually(async () => (await world.status()).logDir, first);
  world.broker.partition('orders').lastStableOffset = 40n;
  await eventually(() => world.finishedStarts(), [0n, 20n]);
});

test('a log directory that vanishes unreadies the sidecar, and its return is enough', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  await rename(world.logDir, `${world.logDir}.gone`);
  await eventually(() => world.uploader.findings().map(({ code }) => code), ['LOG_DIR_FAILED']);
  expect(world.uploader.notReady()).toHaveLength(1);
  await rename(`${world.logDir}.gone`, world.logDir);
  await eventually(() => world.uploader.notReady(), []);
  await eventually(() => world.reasons(), ['remote', 'remote', 'ACTIVE']);
  expect(world.finishedStarts()).toEqual([0n, 20n]);
});

test('a second life finds everything remote and copies nothing again', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  await world.uploader.stop();
  const before = world.finished().map(({ segmentId }) => segmentId);
  world.uploader = world.newUploader({});
  await world.uploader.start();
  await eventually(() => world.claims.length, 2);
  await world.roll('orders', 40n);
  await eventually(() => world.finishedStarts(), [0n, 20n, 40n]);
  expect(
    world
      .finished()
      .slice(0, 2)
      .map(({ segmentId }) => segmentId),
  ).toEqual(before);
});

test('an operator may give a claim back; a partition without one is told so', async () => {
  const world = await uploaderWorld({ settings: { leadershipIntervalMs: 600_000 } });
  await world.addPartition('orders');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  const { signal } = new AbortController();
  await world.uploader.releaseClaim('orders', 0, signal);
  expect(world.releases).toHaveLength(1);
  await expect(world.uploader.releaseClaim('orders', 9, signal)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('files that are not segments are not looked at twice', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders');
  await mkdir(join(world.logDir, 'orders-1.0123456789abcdef0123456789abcdef-future'));
  await appendFile(join(world.directory('orders'), 'stray.tmp'), 'x');
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  await rm(join(world.directory('orders'), 'stray.tmp'));
  const all = await world.uploader.partitions(undefined, new AbortController().signal);
  expect(all.map(({ topic, partition }) => `${topic}-${partition}`)).toEqual(['orders-0']);
});

test('rule 5: a topic that the broker does not list is told, and nothing of it is erased', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 2 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  const topic = world.broker.topics.get('orders');
  if (topic === undefined) throw new Error('no topic');
  world.broker.topics.delete('orders');
  const codes = async () => (await world.status()).findings.map(({ code }) => code);
  await eventually(codes, ['TOPIC_NOT_LISTED']);
  await eventually(async () => (await world.status()).claim, undefined);
  const before = world.catalog.records();
  const { metadataAnswers } = world.broker;
  await eventually(() => world.broker.metadataAnswers > metadataAnswers + 5, true);
  expect(world.catalog.records()).toEqual(before);
  expect(world.catalog.eraseQueue).toEqual([]);
  world.broker.topics.set('orders', topic);
  await eventually(async () => (await codes()).includes('TOPIC_NOT_LISTED'), false);
});

test('rule 5: a broker of another cluster is told, believed in nothing, and nothing is erased', async () => {
  const world = await uploaderWorld();
  await world.addPartition('orders', { segments: 2 });
  await world.uploader.start();
  await eventually(() => world.finishedStarts(), [0n, 20n]);
  world.broker.metadata = () =>
    Promise.reject(new LogtierError('WRONG_CLUSTER', 'the broker belongs to cluster other'));
  await eventually(
    () => world.uploader.findings().map(({ code, text }) => [code, text]),
    [['BROKER_UNREACHABLE', 'the broker belongs to cluster other']],
  );
  await world.roll('orders', 40n);
  await eventually(() => world.reasons(), ['remote', 'remote', 'BROKER_UNREACHABLE', 'ACTIVE']);
  expect(world.finishedStarts()).toEqual([0n, 20n]);
  expect(world.catalog.eraseQueue).toEqual([]);
});
