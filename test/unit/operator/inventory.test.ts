import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { describePartition, listPartitions } from '../../../src/operator/inventory.ts';
import { topicId } from '../../../src/segment/ids.ts';
import {
  FakeCatalog,
  FakeUploader,
  localPartition,
  localSegment,
  offsetsFrom,
  ORDERS,
  queuedSegment,
  record,
  snapshot,
  token,
  type FakeOffsets,
} from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const never = new AbortController().signal;
const NOW_MS = 1_000_000;
const settings = {
  clusterId: 'cluster',
  brokerId: 1,
  brokerWaitMs: 1_000,
  metastoreWaitMs: 1_000,
  headroomAlarmMs: 3_600_000,
};
const everything = { topic: undefined, partition: undefined };

function world(told: Readonly<Record<string, FakeOffsets>> = {}) {
  const uploader = new FakeUploader();
  const catalog = new FakeCatalog();
  const clock = new SkippingClock(NOW_MS);
  return { uploader, catalog, clock, broker: { offsets: offsetsFrom(told) } };
}

const ownLine = {
  topic: 'orders',
  topicId: ORDERS,
  partition: 0,
  remoteSegments: 2n,
  localSegments: 3n,
  remoteOnlyBytes: 1000n,
  bothBytes: 1000n,
  localOnlyBytes: 2000n,
  lagBytes: 1000n,
  lagSegments: 1n,
  remoteStart: 0n,
  localStart: 100n,
  tieredTo: 200n,
  logEnd: 350n,
  leader: true,
  claimed: true,
  findings: 0n,
  headroomMs: undefined,
  overlapUnknown: undefined,
};

function ownWorld() {
  const made = world({
    'orders:0': { earliestLocal: 100n, logEnd: 350n, latest: 340n, stable: 330n },
  });
  const segments = [
    localSegment(100n, 200n),
    queuedSegment(200n, 300n),
    localSegment(300n, undefined),
  ];
  made.uploader.all = [localPartition({ segments })];
  made.catalog.snapshots = [snapshot([record(0, 0n, 100n), record(1, 100n, 200n)])];
  return made;
}

test('joins disk, catalog and broker in one line', async () => {
  expect(await listPartitions(ownWorld(), settings, everything, never)).toEqual({
    partitions: [ownLine],
    clusterId: 'cluster',
    brokerId: 1,
    notReady: [],
  });
});

test('a broker and a metastore that are silent leave their facts unknown, never zero', async () => {
  const made = ownWorld();
  made.catalog.snapshots = [];
  made.catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no answer');
  made.broker.offsets = () =>
    Promise.reject(new LogtierError('BROKER_UNAVAILABLE', 'broker 1 is gone'));
  made.uploader.unready = ['the first look is not done'];
  const answer = await listPartitions(made, settings, everything, never);
  expect(answer.notReady).toEqual([
    'the first look is not done',
    'broker 1 is gone',
    'the metastore does not answer: no answer',
  ]);
  expect(answer.partitions).toEqual([
    {
      ...ownLine,
      remoteSegments: 0n,
      remoteOnlyBytes: 0n,
      bothBytes: 0n,
      localOnlyBytes: 3000n,
      remoteStart: undefined,
      tieredTo: undefined,
      logEnd: undefined,
    },
  ]);
});

test('a follower owes nothing, and what overlaps is said to be unknown until it is named', async () => {
  const made = world({ 'orders:0': { logEnd: 250n } });
  const waiting = { reason: 'NOT_LEADER', detail: undefined, sinceMs: 1 } as const;
  const segments = [
    localSegment(100n, 200n, { state: 'waiting', waiting }),
    localSegment(200n, undefined),
  ];
  made.uploader.all = [localPartition({ isLeader: false, claim: undefined, segments })];
  made.catalog.unloaded = [snapshot([record(0, 0n, 100n), record(1, 100n, 200n)])];
  const follower = {
    ...ownLine,
    localSegments: 2n,
    localOnlyBytes: 2000n,
    remoteOnlyBytes: 2000n,
    bothBytes: 0n,
    lagBytes: 0n,
    lagSegments: 0n,
    tieredTo: undefined,
    logEnd: 250n,
    leader: false,
    claimed: false,
    overlapUnknown: true,
  };
  const all = await listPartitions(made, settings, everything, never);
  expect(all.partitions).toEqual([follower]);
  expect(all.notReady).toEqual([
    'what 1 partitions of other leaders have in both tiers is not known here; their sizes overlap',
  ]);
  const one = await listPartitions(made, settings, { topic: 'orders', partition: 0 }, never);
  expect(one.notReady).toEqual([]);
  expect(one.partitions).toEqual([
    {
      ...follower,
      remoteOnlyBytes: 1000n,
      bothBytes: 1000n,
      localOnlyBytes: 1000n,
      tieredTo: 200n,
      overlapUnknown: undefined,
    },
  ]);
});

test('partitions that only the catalog knows are listed after a deleted topic or for another leader', async () => {
  const made = ownWorld();
  const old = topicId('AAAAAAAAAAAAAAAAAAAAAQ');
  made.catalog.unloaded = [
    snapshot([record(5, 10n, 20n, { topicId: old })], {
      id: { topicId: old, partition: 4 },
      topic: 'gone',
      remoteStart: 10n,
    }),
  ];
  const { partitions } = await listPartitions(made, settings, everything, never);
  expect(partitions).toEqual([
    {
      topic: 'gone',
      topicId: old,
      partition: 4,
      remoteSegments: 1n,
      localSegments: 0n,
      remoteOnlyBytes: 1000n,
      bothBytes: 0n,
      localOnlyBytes: 0n,
      lagBytes: 0n,
      lagSegments: 0n,
      remoteStart: 10n,
      localStart: undefined,
      tieredTo: undefined,
      logEnd: undefined,
      leader: false,
      claimed: false,
      findings: 0n,
      headroomMs: undefined,
      overlapUnknown: undefined,
    },
    ownLine,
  ]);
});

test('what neither the broker nor the catalog has is NOT_FOUND, and NOT_READY while one is silent', async () => {
  const made = ownWorld();
  const absent = { topic: 'absent', partition: undefined };
  await expect(listPartitions(made, settings, absent, never)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  made.catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no answer');
  await expect(listPartitions(made, settings, absent, never)).rejects.toMatchObject({
    code: 'NOT_READY',
  });
});

test('describes a partition with its holes, its head-room, its queue and its settings', async () => {
  const made = ownWorld();
  made.uploader.all = [
    localPartition({
      segments: [queuedSegment(200n, 300n, NOW_MS + 60_000), localSegment(300n, undefined)],
      findings: [{ code: 'QUARANTINED', text: 'damaged', sinceMs: 77, startOffset: 200n }],
    }),
  ];
  made.broker.offsets = offsetsFrom({
    'orders:0': { earliestLocal: 200n, logEnd: 350n, latest: 340n, stable: 330n },
  });
  made.catalog.snapshots = [
    snapshot([
      record(0, 0n, 50n),
      record(1, 100n, 150n, { store: 'old' }),
      record(2, 150n, 160n, { state: 'COPY_SEGMENT_STARTED' }),
    ]),
  ];
  const id = { topicId: ORDERS, partition: 0 };
  const queued = { objectKey: 'c/orders/9', passes: 0, queuedMs: 1, dueInMs: 0 };
  made.catalog.queue = [
    { id, store: 'main', objectBytes: 30, ...queued },
    { id: { ...id, partition: 1 }, store: 'main', objectBytes: 40, ...queued },
  ];
  const answer = await describePartition(made, settings, { topic: 'orders', partition: 0 }, never);
  expect(answer).toEqual({
    line: {
      ...ownLine,
      localSegments: 2n,
      remoteOnlyBytes: 2000n,
      bothBytes: 0n,
      localOnlyBytes: 2000n,
      localStart: 200n,
      tieredTo: 50n,
      findings: 4n,
      headroomMs: 60_000n,
    },
    mode: 'watch',
    store: 'main',
    storesInUse: ['main', 'old'],
    row: expect.objectContaining({
      topic: 'orders',
      remoteStart: 0n,
      lineage: [{ epoch: 0, startOffset: 0n }],
      claim: expect.objectContaining({ leaderEpoch: 3, fenceToken: token, instanceAge: 9n }),
    }),
    gaps: [
      { start: 50n, end: 100n },
      { start: 150n, end: 200n },
    ],
    findings: [
      {
        code: 'QUARANTINED',
        text: 'damaged',
        sinceMs: 77n,
        startOffset: 200n,
        endOffset: undefined,
      },
      expect.objectContaining({ code: 'GAP', startOffset: 50n, endOffset: 100n }),
      expect.objectContaining({ code: 'GAP', startOffset: 150n, endOffset: 200n }),
      {
        code: 'HEADROOM_LOW',
        text: 'local retention may delete records that are not remote in 1m',
        sinceMs: 0n,
        startOffset: 200n,
        endOffset: 300n,
      },
    ],
    highWatermark: 340n,
    lastStableOffset: 330n,
    lastUploadMs: 2_001n,
    remoteObjectBytes: 3300n,
    eraseQueueObjects: 1n,
    eraseQueueBytes: 30n,
    topicSettings: {
      match: '*',
      store: 'main',
      from: 'earliest',
      'retention.time': 'for ever',
      'retention.bytes': 'without bound',
    },
  });
});

test('a follower names only holes below other remote data: the leader may have the rest', async () => {
  const made = ownWorld();
  made.uploader.all = [
    localPartition({ isLeader: false, segments: [localSegment(200n, undefined)] }),
  ];
  made.catalog.snapshots = [snapshot([record(0, 0n, 50n), record(1, 100n, 150n)])];
  const { gaps } = await describePartition(
    made,
    settings,
    { topic: 'orders', partition: 0 },
    never,
  );
  expect(gaps).toEqual([{ start: 50n, end: 100n }]);
});

test('a description without the metastore is refused: its zeros would be lies', async () => {
  const made = ownWorld();
  made.catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no answer');
  await expect(
    describePartition(made, settings, { topic: 'orders', partition: 0 }, never),
  ).rejects.toMatchObject({ code: 'METASTORE_UNAVAILABLE' });
});

test('5,000 partitions of 40 segments are joined, in order, giving others turns', async () => {
  const made = world();
  const numbers = Array.from({ length: 5_000 }, (_, index) => index);
  const records = Array.from({ length: 40 }, (_, index) =>
    record(index, BigInt(index * 10), BigInt(index * 10 + 10)),
  );
  made.uploader.all = numbers.map((partition) =>
    localPartition({
      partition,
      segments: [localSegment(300n, 400n), localSegment(400n, undefined)],
    }),
  );
  made.catalog.snapshots = numbers.map((partition) =>
    snapshot([...records], { id: { topicId: ORDERS, partition } }),
  );
  const byPartition = new Map(made.catalog.snapshots.map((kept) => [kept.id.partition, kept]));
  made.catalog.peek = ({ partition }) => byPartition.get(partition);
  const { partitions } = await listPartitions(made, settings, everything, never);
  expect(partitions.map(({ partition }) => partition)).toEqual(numbers);
  expect(new Set(partitions.map(({ remoteOnlyBytes }) => remoteOnlyBytes))).toEqual(
    new Set([30_000n]),
  );
  expect(made.clock.slept.length).toBeGreaterThan(10);
});
