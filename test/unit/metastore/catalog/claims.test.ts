import { expect, test } from 'vitest';
import {
  ClaimRow,
  type PartitionRow,
  SegmentRecord,
  SegmentState,
  TopicMode,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { claimKey, segmentKey } from '../../../../src/metastore/catalog/keys.ts';
import { partitionRow, rowsOf } from '../../../../src/metastore/catalog/partition-row.ts';
import { decodeRow } from '../../../../src/metastore/catalog/row.ts';
import { segmentId, topicId } from '../../../../src/segment/ids.ts';
import {
  CatalogWorld,
  CLUSTER,
  claimOp,
  idNumber,
  PARTITION,
  segmentOp,
  startOp,
  TOPIC_ID,
} from '../../../support/metastore-catalog.ts';

const ADDRESS = { cluster: 1, topicId: topicId(TOPIC_ID), partition: 0 };

async function rowOf(world: CatalogWorld): Promise<PartitionRow> {
  return (await partitionRow(rowsOf(world.engine), ADDRESS))!;
}

async function recordOf(world: CatalogWorld, id: string): Promise<SegmentRecord> {
  return decodeRow(SegmentRecord, (await world.engine.get(segmentKey(ADDRESS, segmentId(id))))!);
}

async function twoBrokers() {
  const world = await CatalogWorld.open();
  return { world, first: await world.register(1), second: await world.register(2) };
}

test('a claim gets a token that names its place in the log, and remembers who made it', async () => {
  const { world, first } = await twoBrokers();
  const token = await world.claim(first, { brokerLocalStart: 40n });
  expect(token).toEqual({ incarnation: 1, index: 3n });
  expect(await rowOf(world)).toEqual({
    partition: PARTITION,
    topic: 'orders',
    claim: {
      partition: PARTITION,
      leaderEpoch: 0,
      brokerId: 1,
      brokerEpoch: 0n,
      instanceAge: 1n,
      fenceToken: token,
      lastIntentNumber: 0n,
      mode: TopicMode.WATCH,
      released: false,
      reset: false,
    },
    lineage: [{ epoch: 0, startOffset: 40n }],
    remoteStart: 40n,
    deleted: false,
  });
});

test('one broker per epoch: another is refused at the same epoch and at a lower one (rule 26)', async () => {
  const { world, first, second } = await twoBrokers();
  await world.claim(first, { leaderEpoch: 5 });
  expect(await world.try(second, claimOp({ brokerId: 2, leaderEpoch: 5 }))).toEqual([
    'FENCED_LEADER_EPOCH',
  ]);
  expect(await world.try(second, claimOp({ brokerId: 2, leaderEpoch: 4 }))).toEqual([
    'FENCED_LEADER_EPOCH',
  ]);
  expect(await world.try(second, claimOp({ brokerId: 2, leaderEpoch: 6 }))).toEqual([
    'partitionClaimed',
  ]);
});

test('a token that a newer claim replaced moves nothing, even at an equal epoch', async () => {
  const { world, first } = await twoBrokers();
  const old = await world.claim(first);
  const young = await world.claim(first);
  expect(young.index).toBeGreaterThan(old.index);
  expect(await world.try(first, startOp(old, 1))).toEqual(['FENCED_LEADER_EPOCH']);
  expect(await world.try(first, startOp(young, 1))).toEqual(['segmentChanged']);
});

test('a claim for another broker than the session is of is refused', async () => {
  const { world, first } = await twoBrokers();
  expect(await world.try(first, claimOp({ brokerId: 2 }))).toEqual(['INVALID_ARGUMENT']);
});

test('the same broker that claims again keeps its open copies, under unchanged keys (rule 11)', async () => {
  const { world, first } = await twoBrokers();
  const old = await world.claim(first);
  await world.run(first, startOp(old, 1));
  const before = await recordOf(world, idNumber(1));
  const restarted = await world.register(1);
  const young = await world.claim(restarted);
  expect(await recordOf(world, idNumber(1))).toEqual({ ...before, fenceToken: young });
  expect(await world.try(restarted, segmentOp('finishCopy', young))).toEqual(['done']);
});

test('after a claim of another broker open copies are orphans: only adopted, never finished (rule 10)', async () => {
  const { world, first, second } = await twoBrokers();
  const old = await world.claim(first);
  await world.run(first, startOp(old, 1));
  const before = await recordOf(world, idNumber(1));
  const taken = await world.claim(second, { brokerId: 2, leaderEpoch: 1 });
  const back = await world.claim(first, { leaderEpoch: 2 });
  expect(await recordOf(world, idNumber(1))).toEqual(before);
  expect(await world.try(second, segmentOp('adoptIntent', taken))).toEqual(['FENCED_LEADER_EPOCH']);
  expect(await world.try(first, segmentOp('finishCopy', back))).toEqual(['FENCED_LEADER_EPOCH']);
  expect(await world.try(first, segmentOp('adoptIntent', back))).toEqual(['done']);
  expect(await recordOf(world, idNumber(1))).toEqual({
    ...before,
    state: SegmentState.COPY_SEGMENT_FINISHED,
    fenceToken: back,
    adopted: true,
  });
});

test('an older process of a broker is told that a younger one took over (rule 27)', async () => {
  const world = await CatalogWorld.open();
  const older = await world.register(1, 'older');
  const token = await world.claim(older);
  const younger = await world.register(1, 'younger');
  await world.claim(younger);
  expect(await world.try(older, startOp(token, 1))).toEqual(['FENCED_INSTANCE']);
  expect(await world.try(older, claimOp())).toEqual(['FENCED_INSTANCE']);
});

test('a renewed session is no younger than its process: it takes nothing back (rule 27)', async () => {
  const world = await CatalogWorld.open();
  await world.register(1, 'older');
  const younger = await world.register(1, 'younger');
  await world.claim(younger);
  const renewed = await world.register(1, 'older');
  expect(await world.try(renewed, claimOp())).toEqual(['FENCED_INSTANCE']);
});

test('a released claim fences its old owner and leaves the epoch to the true leader (rule 26)', async () => {
  const { world, first, second } = await twoBrokers();
  const token = await world.claim(first, { leaderEpoch: 3 });
  const release = {
    $case: 'releaseClaim',
    value: { partition: PARTITION, fenceToken: token },
  } as const;
  expect(await world.try(first, release)).toEqual(['done']);
  expect(await world.try(first, startOp(token, 1))).toEqual(['FENCED_LEADER_EPOCH']);
  expect(await world.try(second, claimOp({ brokerId: 2, leaderEpoch: 2 }))).toEqual([
    'FENCED_LEADER_EPOCH',
  ]);
  expect(await world.try(second, claimOp({ brokerId: 2, leaderEpoch: 3 }))).toEqual([
    'partitionClaimed',
  ]);
});

test('two changes of one claim in one command are refused whole: their tokens would be equal', async () => {
  const { world, first } = await twoBrokers();
  expect(await world.try(first, claimOp(), claimOp())).toEqual(['ABORTED', 'INVALID_ARGUMENT']);
  expect(await world.engine.get(claimKey(ADDRESS))).toBeUndefined();
});

test('the mode of a topic is a record: a claim in the other mode is refused (rule 13)', async () => {
  const { world, first } = await twoBrokers();
  await world.claim(first);
  const other = claimOp({
    mode: TopicMode.PLUGIN,
    partition: { topicId: TOPIC_ID, partition: 9 },
  });
  expect(await world.try(first, other)).toEqual(['MODE_CONFLICT']);
});

test('epochs that the broker forgot below its local start stay in the lineage (rule 1)', async () => {
  const { world, first } = await twoBrokers();
  await world.claim(first, {
    leaderEpoch: 2,
    lineage: [
      { epoch: 0, startOffset: 0n },
      { epoch: 1, startOffset: 50n },
      { epoch: 2, startOffset: 90n },
    ],
  });
  await world.claim(first, {
    leaderEpoch: 3,
    lineage: [
      { epoch: 2, startOffset: 200n },
      { epoch: 3, startOffset: 250n },
    ],
    brokerLocalStart: 200n,
  });
  const row = await rowOf(world);
  expect(row.lineage).toEqual([
    { epoch: 0, startOffset: 0n },
    { epoch: 1, startOffset: 50n },
    { epoch: 2, startOffset: 90n },
    { epoch: 3, startOffset: 250n },
  ]);
  // The broker's log start moved; ours did not (rule 2).
  expect(row.remoteStart).toBe(0n);
});

test('a reset lets epochs start anew and raises the token of every partition (rule 32)', async () => {
  const { world, first, second } = await twoBrokers();
  const old = await world.claim(first, {
    leaderEpoch: 70,
    lineage: [{ epoch: 70, startOffset: 0n }],
  });
  const operator = await world.register(-1);
  const reset = { $case: 'resetClaim', value: { topicId: TOPIC_ID, operator: 'ann' } } as const;
  expect(await world.try(operator, reset)).toEqual(['done']);
  expect(await world.try(first, startOp(old, 1))).toEqual(['FENCED_LEADER_EPOCH']);
  const fresh = claimOp({
    brokerId: 2,
    leaderEpoch: 1,
    lineage: [{ epoch: 1, startOffset: 500n }],
    brokerLocalStart: 500n,
  });
  expect(await world.try(second, fresh)).toEqual(['partitionClaimed']);
  expect((await rowOf(world)).lineage).toEqual([
    { epoch: 70, startOffset: 0n },
    { epoch: 1, startOffset: 500n },
  ]);
});

test('names and lists that cannot be are refused by value', async () => {
  const { world, first } = await twoBrokers();
  const bad = [
    claimOp({ partition: undefined }),
    claimOp({ partition: { topicId: 'short', partition: 0 } }),
    claimOp({ topic: '../etc' }),
    claimOp({ mode: TopicMode.UNSPECIFIED }),
    claimOp({
      lineage: [
        { epoch: 3, startOffset: 9n },
        { epoch: 2, startOffset: 10n },
      ],
    }),
  ];
  for (const op of bad) expect(await world.try(first, op)).toEqual(['INVALID_ARGUMENT']);
});

test('the events of a claim tell the whole row', async () => {
  const { world, first } = await twoBrokers();
  await world.claim(first);
  const row = await rowOf(world);
  expect(world.events).toEqual([{ clusterId: CLUSTER, event: { $case: 'partition', value: row } }]);
  expect(decodeRow(ClaimRow, (await world.engine.get(claimKey(ADDRESS)))!)).toEqual(row.claim);
});
