import { expect, test } from 'vitest';
import {
  type DeleteReason,
  DeleteReason as Reason,
  EraseEntry,
  type FenceToken,
  RemoteStartMover,
  TopicMode,
} from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { eraseKey } from '../../../../src/metastore/catalog/keys.ts';
import { decodeRow } from '../../../../src/metastore/catalog/row.ts';
import { segmentId, topicId } from '../../../../src/segment/ids.ts';
import {
  type AnyOp,
  CatalogWorld,
  claimOp,
  HOUR_MS,
  idNumber,
  PARTITION,
  segmentOp,
  START_MS,
  startOp,
  TOPIC_ID,
} from '../../../support/metastore-catalog.ts';

async function claimed(facts: Parameters<CatalogWorld['claim']>[1] = {}) {
  const world = await CatalogWorld.open();
  const client = await world.register();
  return { world, client, token: await world.claim(client, facts) };
}

function deleteOp(
  fenceToken: FenceToken,
  reason: DeleteReason,
  contradiction?: { epoch: number; startOffset: bigint },
): AnyOp {
  const value = { partition: PARTITION, fenceToken, segmentId: idNumber(1), reason, contradiction };
  return { $case: 'startDelete', value };
}

function moveOp(fenceToken: FenceToken, remoteStart: bigint, by: RemoteStartMover): AnyOp {
  return { $case: 'moveRemoteStart', value: { partition: PARTITION, fenceToken, remoteStart, by } };
}

function epochTwo(startOffset: bigint) {
  return { epoch: 2, startOffset };
}

function confirm(nowMs: bigint): AnyOp {
  return { $case: 'confirmClock', value: { nowMs, confirmedBy: 'ann' } };
}

async function queued(world: CatalogWorld, number = 1): Promise<EraseEntry | undefined> {
  const address = { cluster: 1, topicId: topicId(TOPIC_ID), partition: 0 };
  const bytes = await world.engine.get(eraseKey(address, segmentId(idNumber(number))));
  return bytes === undefined ? undefined : decodeRow(EraseEntry, bytes);
}

test('a known id with equal facts gets its record again, with others it is refused', async () => {
  const { world, client, token } = await claimed();
  const [first, again] = [
    await world.run(client, startOp(token, 1)),
    await world.run(client, startOp(token, 2)),
  ];
  expect(again.results).toEqual(first.results);
  expect(await world.try(client, startOp(token, 3, { logBytes: 1n }))).toEqual([
    'ILLEGAL_TRANSITION',
  ]);
});

test('an intent number is used once, so that no late intent rises from the dead (rule 22)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 5));
  await world.run(client, segmentOp('abortCopy', token), segmentOp('finishDelete', token));
  const late = startOp(token, 5, { segmentId: idNumber(2) });
  expect(await world.try(client, late)).toEqual(['ILLEGAL_TRANSITION']);
  // Nor does an id come back while its object waits to be erased.
  expect(await world.try(client, startOp(token, 6))).toEqual(['ILLEGAL_TRANSITION']);
  expect(await world.try(client, startOp(token, 6, { segmentId: idNumber(2) }))).toEqual([
    'segmentChanged',
  ]);
});

test('facts that cannot be are refused: offsets, epochs, names and keys outside of the partition', async () => {
  const { world, client, token } = await claimed();
  const bad = [
    { nextOffset: 0n },
    { startOffset: -1n & 0xffff_ffff_ffff_ffffn },
    { epochs: [] },
    { epochs: [{ epoch: 1, startOffset: 5n }] },
    {
      epochs: [
        { epoch: 1, startOffset: 0n },
        { epoch: 1, startOffset: 9n },
      ],
    },
    { store: '' },
    { objectKey: '' },
    { objectKey: 'tier/everything' },
    { objectKey: `tier/c/orders-${TOPIC_ID}/1/x.segment` },
    { objectKey: `tier/c/orders-${TOPIC_ID}/0/` },
    { segmentId: 'x' },
    { customMetadata: Buffer.alloc(5_000) },
  ];
  for (const facts of bad) {
    expect(await world.try(client, startOp(token, 1, facts))).toEqual(['INVALID_ARGUMENT']);
  }
});

test('an abort is legal only from STARTED; on FINISHED the copy counts as done (rule 4)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  expect(await world.try(client, segmentOp('abortCopy', token))).toEqual(['ILLEGAL_TRANSITION']);
  expect(await world.try(client, segmentOp('finishCopy', token))).toEqual(['done']);
  expect(await queued(world)).toBeUndefined();
});

test('an aborted copy queues its object with every upload it may have left (rules 23, 24)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1));
  for (const uploadId of ['one', 'two', 'two']) {
    const value = { partition: PARTITION, fenceToken: token, segmentId: idNumber(1), uploadId };
    expect(await world.try(client, { $case: 'recordUpload', value })).toEqual(['done']);
  }
  await world.run(client, segmentOp('abortCopy', token));
  expect(await queued(world)).toMatchObject({
    clusterId: 'cluster-A',
    partition: PARTITION,
    store: 'main',
    uploadIds: ['one', 'two'],
    everFinished: false,
    reason: Reason.ABORTED,
    dueMs: START_MS,
    passes: 0,
  });
  expect(world.state).toMatchObject({ segments: 1n, eraseQueue: 1n });
  // The end of the record leaves the queue entry alone; only ObjectErased ends it.
  await world.run(client, segmentOp('finishDelete', token));
  expect(world.state).toMatchObject({ segments: 0n, eraseQueue: 1n });
  expect(await queued(world)).toBeDefined();
});

test('divergence needs the very entry of the stored lineage that contradicts (rule 1)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  expect(await world.try(client, deleteOp(token, Reason.DIVERGED, epochTwo(50n)))).toEqual([
    'ILLEGAL_TRANSITION',
  ]);
  const young = await world.claim(client, {
    leaderEpoch: 2,
    lineage: [{ epoch: 0, startOffset: 0n }, epochTwo(50n)],
  });
  const asked: [ReturnType<typeof epochTwo> | undefined, string][] = [
    [undefined, 'ILLEGAL_TRANSITION'],
    [epochTwo(60n), 'ILLEGAL_TRANSITION'],
    [{ epoch: 0, startOffset: 0n }, 'ILLEGAL_TRANSITION'],
    [epochTwo(50n), 'done'],
  ];
  for (const [contradiction, answer] of asked) {
    expect(await world.try(client, deleteOp(young, Reason.DIVERGED, contradiction))).toEqual([
      answer,
    ]);
  }
  expect(await queued(world)).toMatchObject({ contradiction: epochTwo(50n), everFinished: true });
});

test('an epoch that the broker merely forgot makes nothing divergent (rule 1)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  const young = await world.claim(client, {
    leaderEpoch: 3,
    lineage: [{ epoch: 3, startOffset: 500n }],
    brokerLocalStart: 500n,
  });
  const named = deleteOp(young, Reason.DIVERGED, { epoch: 3, startOffset: 500n });
  expect(await world.try(client, named)).toEqual(['ILLEGAL_TRANSITION']);
});

test('retention moves the remote start first, never back, and takes only what lies below it (rule 2)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  const { RETENTION, OPERATOR } = RemoteStartMover;
  const doomed = deleteOp(token, Reason.RETENTION_BYTES);
  expect(await world.try(client, moveOp(token, 99n, RETENTION))).toEqual(['done']);
  expect(await world.try(client, doomed)).toEqual(['ILLEGAL_TRANSITION']);
  expect(await world.try(client, moveOp(token, 50n, RETENTION))).toEqual(['ILLEGAL_TRANSITION']);
  expect(await world.try(client, moveOp(token, 50n, OPERATOR))).toEqual(['done']);
  expect(await world.try(client, moveOp(token, 100n, RETENTION), doomed)).toEqual(['done', 'done']);
});

test('while the clock is held retention stands still and copies go on (rule 8)', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('finishCopy', token));
  world.nowMs += HOUR_MS + 1n;
  const { RETENTION } = RemoteStartMover;
  expect(await world.try(client, moveOp(token, 100n, RETENTION))).toEqual(['CLOCK_SKEW']);
  expect(world.state).toMatchObject({ clockMs: START_MS, clockHeld: true });
  expect(await world.try(client, startOp(token, 2, { segmentId: idNumber(2) }))).toEqual([
    'segmentChanged',
  ]);
  // A remote start that does not move needs no clock: divergent segments still go.
  expect(await world.try(client, moveOp(token, 0n, RETENTION))).toEqual(['done']);
  expect(await world.try(client, confirm(world.nowMs + 2n * HOUR_MS))).toEqual(['CLOCK_SKEW']);
  expect(await world.try(client, confirm(world.nowMs))).toEqual(['done']);
  expect(world.state).toMatchObject({ clockMs: world.nowMs, clockHeld: false });
  expect(await world.try(client, moveOp(token, 100n, RETENTION))).toEqual(['done']);
});

test('a broker deletes in plugin mode only, and nobody deletes without a reason', async () => {
  const watching = await claimed();
  await watching.world.run(watching.client, startOp(watching.token, 1));
  const refused = [
    [Reason.BROKER, 'MODE_CONFLICT'],
    [Reason.ABORTED, 'INVALID_ARGUMENT'],
    [Reason.UNSPECIFIED, 'INVALID_ARGUMENT'],
    [Reason.OPERATOR, 'ILLEGAL_TRANSITION'],
  ] as const;
  for (const [reason, answer] of refused) {
    const op = deleteOp(watching.token, reason);
    expect(await watching.world.try(watching.client, op)).toEqual([answer]);
  }
  const plugin = await claimed({ mode: TopicMode.PLUGIN });
  await plugin.world.run(plugin.client, startOp(plugin.token, 1));
  const op = deleteOp(plugin.token, Reason.BROKER);
  expect(await plugin.world.try(plugin.client, op)).toEqual(['done']);
  expect(await queued(plugin.world)).toMatchObject({ everFinished: false });
});

test('a late commit after an abort leaves no record without an object', async () => {
  const { world, client, token } = await claimed();
  await world.run(client, startOp(token, 1), segmentOp('abortCopy', token));
  expect(await world.try(client, segmentOp('finishCopy', token))).toEqual(['ILLEGAL_TRANSITION']);
  expect(await world.try(client, segmentOp('adoptIntent', token))).toEqual(['ILLEGAL_TRANSITION']);
  await world.run(client, segmentOp('finishDelete', token));
  expect(await world.try(client, segmentOp('finishCopy', token))).toEqual(['NOT_FOUND']);
});

test('a partition takes 1,024 open copies and no more', async () => {
  const { world, client, token } = await claimed();
  const ops = Array.from({ length: 1_024 }, (_, at) =>
    startOp(token, at + 1, { segmentId: idNumber(at) }),
  );
  for (let start = 0; start < ops.length; start += 256) {
    const answers = await world.try(client, ...ops.slice(start, start + 256));
    expect(new Set(answers)).toEqual(new Set(['segmentChanged']));
  }
  const more = startOp(token, 2_000, { segmentId: idNumber(5_000) });
  expect(await world.try(client, more)).toEqual(['OVERLOADED']);
  expect(await world.try(client, claimOp())).toEqual(['partitionClaimed']);
});
