import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { expectAllRemote } from '../../support/expect-all-remote.ts';
import {
  buildBatch,
  buildProducerSnapshot,
  buildSegment,
  encodeAborted,
  endTransaction,
  plainBatches,
} from '../../support/kafka-files.ts';
import { removeWorlds, uploadWorld } from '../../support/upload-world.ts';

afterEach(removeWorlds);

test('rule 15: a checkpoint that says another epoch than the batches is tried again later', async () => {
  const world = await uploadWorld({ lineage: [{ epoch: 6, startOffset: 1000n }] });
  await expect(world.copy(await world.claim())).rejects.toMatchObject({
    code: 'SOURCE_CHANGED',
    details: { waiting: 'CHECKPOINT_DISAGREES' },
  });
  await world.writeLineage([{ epoch: 7, startOffset: 1000n }]);
  await world.restart();
  await expectAllRemote(world);
});

test('rule 15: epochs without records in the checkpoint are allowed, and the batches decide', async () => {
  const batches = [
    ...plainBatches(100, { epoch: 7 }),
    ...plainBatches(100, { epoch: 9 }).map((batch, index) =>
      index === 0 ? { ...batch, baseOffset: 1110n } : batch,
    ),
  ];
  const world = await uploadWorld({
    segments: [batches],
    lineage: [
      { epoch: 7, startOffset: 1000n },
      { epoch: 8, startOffset: 1100n },
      { epoch: 9, startOffset: 1110n },
    ],
  });
  await world.copy(await world.claim());
  expect(world.finished()).toMatchObject([
    {
      epochs: [
        { epoch: 7, startOffset: 1000n },
        { epoch: 9, startOffset: 1110n },
      ],
    },
  ]);
});

test('rule 12: a damaged batch is quarantined, and nothing is promised', async () => {
  const world = await uploadWorld();
  const first = world.segments[0]!;
  const log = Buffer.from(first.log);
  log[first.batches[10]!.position + 100]! ^= 1;
  await writeFile(world.path(first.baseOffset, 'log'), log);
  await expect(world.copy(await world.claim())).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
  expect(world.catalog.records()).toEqual([]);
});

test('rule 12: a log that reaches into the next segment is damaged', async () => {
  const world = await uploadWorld();
  const first = world.segments[0]!;
  const more = await buildBatch(plainBatches(1, { epoch: 7 })[0]!, first.nextOffset);
  await writeFile(world.path(first.baseOffset, 'log'), Buffer.concat([first.log, more]));
  await expect(world.copy(await world.claim())).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
});

test('rule 12: a closed log that ends inside a batch is waited for, and damaged after the grace', async () => {
  const world = await uploadWorld();
  const first = world.segments[0]!;
  const cut = first.log.subarray(0, first.log.length - 9);
  await writeFile(world.path(first.baseOffset, 'log'), cut);
  const claim = await world.claim();
  await expect(world.copy(claim)).rejects.toMatchObject({
    code: 'TRUNCATED_FILE',
    details: { waiting: 'STILL_CHANGING' },
  });
  world.mayRebuild = true;
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
  expect(world.catalog.records()).toEqual([]);
  await writeFile(world.path(first.baseOffset, 'log'), first.log);
  await world.copy(claim);
  await expectAllRemote(world);
});

test('rule 12: message format 1 is not tiered', async () => {
  const world = await uploadWorld();
  const first = world.segments[0]!;
  const log = Buffer.from(first.log);
  log[16] = 1;
  await writeFile(world.path(first.baseOffset, 'log'), log);
  await expect(world.copy(await world.claim())).rejects.toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
  });
});

test.each([
  { what: 'missing', damage: () => undefined },
  { what: 'short', damage: (bytes: Buffer) => bytes.subarray(0, bytes.length - 3) },
  { what: 'untrimmed', damage: (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(4096)]) },
  { what: 'of another segment', damage: (bytes: Buffer) => Buffer.from(bytes).fill(9, 4, 8) },
])(
  'rule 12: an index that is $what is rebuilt from the log after the grace',
  async ({ damage }) => {
    for (const kind of ['index', 'timeindex'] as const) {
      const world = await uploadWorld();
      const path = world.path(1000n, kind);
      const bytes = damage(await readFile(path));
      await (bytes === undefined ? rm(path) : writeFile(path, bytes));
      const claim = await world.claim();
      await expect(world.copy(claim)).rejects.toMatchObject({
        code: 'TRUNCATED_FILE',
        details: { waiting: 'SNAPSHOT_GRACE' },
      });
      expect(world.catalog.records()).toEqual([]);
      world.mayRebuild = true;
      await world.copy(claim);
      expect(world.finished()).toMatchObject([{ rebuilt: true }]);
      await expectAllRemote(world);
    }
  },
);

test('rule 12: a missing producer snapshot is done without after the grace', async () => {
  const world = await uploadWorld();
  await rm(world.path(1300n, 'snapshot'));
  const claim = await world.claim();
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'TRUNCATED_FILE' });
  world.mayRebuild = true;
  await world.copy(claim);
  expect(world.finished()).toMatchObject([{ noProducerSnapshot: true, rebuilt: false }]);
  await expectAllRemote(world);
});

const transactions = [
  ...plainBatches(20, { epoch: 7 }),
  {
    ...plainBatches(1, { epoch: 7 })[0]!,
    transactional: true,
    producerId: 5n,
    producerEpoch: 0,
    baseSequence: 0,
  },
  {
    ...plainBatches(1, { epoch: 7 })[0]!,
    transactional: true,
    producerId: 6n,
    producerEpoch: 0,
    baseSequence: 0,
  },
  endTransaction('abort', { epoch: 7, producerId: 5n, timestampMs: 1_700_000_900_000 }),
  endTransaction('commit', { epoch: 7, producerId: 6n, timestampMs: 1_700_000_900_001 }),
  ...plainBatches(20, { epoch: 7 }),
];

test('a transaction index goes along', async () => {
  const world = await uploadWorld({ segments: [transactions] });
  await world.copy(await world.claim());
  expect(world.finished()).toMatchObject([{ txnIndexEmpty: false, rebuilt: false }]);
  await expectAllRemote(world);
});

test('rule 12: a transaction index that is missing or damaged is rebuilt as the broker wrote it', async () => {
  const expected = (await buildSegment({ baseOffset: 1000n, batches: transactions })).txnindex!;
  for (const damaged of [undefined, expected.subarray(5)]) {
    const world = await uploadWorld({ segments: [transactions] });
    const path = world.path(1000n, 'txnindex');
    await (damaged === undefined ? rm(path) : writeFile(path, damaged));
    world.mayRebuild = true;
    await world.copy(await world.claim());
    const [record] = world.finished();
    expect(record).toMatchObject({ rebuilt: true, txnIndexEmpty: false });
    const object = world.objects.objects.get(record!.objectKey)!.bytes;
    expect(object.includes(expected)).toBe(true);
    await expectAllRemote(world);
  }
});

test('transactions that were all committed need no index', async () => {
  const committed = transactions.filter((batch) => batch.producerId !== 5n);
  const world = await uploadWorld({ segments: [committed] });
  await world.copy(await world.claim());
  expect(world.finished()).toMatchObject([{ txnIndexEmpty: true, rebuilt: false }]);
});

test('a topic that was recreated under the same name is not copied', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  await writeFile(
    `${world.directory}/partition.metadata`,
    'version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ',
  );
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
});

test('a segment whose successor was taken away was truncated and is not copied', async () => {
  const world = await uploadWorld();
  const claim = await world.claim();
  const closed = await world.closed();
  await rm(world.path(1300n, 'log'));
  world.closed = () => Promise.resolve(closed);
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
});

test('an empty closed log is nothing to copy', async () => {
  const world = await uploadWorld();
  await writeFile(world.path(1000n, 'log'), '');
  expect(await world.copy(await world.claim())).toEqual({ kind: 'empty' });
});

test('rule 12: a transaction that began in an earlier segment is rebuilt from the snapshot between them', async () => {
  const open = transactions[2]!; // after two plain batches of ten records
  const abort = endTransaction('abort', {
    epoch: 7,
    producerId: 5n,
    timestampMs: 1_700_000_900_000,
  });
  const world = await uploadWorld({
    segments: [
      [...plainBatches(20, { epoch: 7 }), open],
      [...plainBatches(20, { epoch: 7 }), abort],
    ],
  });
  const border = world.segments[1]!.baseOffset;
  await rm(world.path(border, 'txnindex'));
  const producer = { producerId: 5n, lastOffset: 1020n, openTransactionStart: 1020n };
  await writeFile(world.path(border, 'snapshot'), buildProducerSnapshot([producer]));
  world.mayRebuild = true;
  await world.copy(await world.claim(), { startOffset: border });
  const [record] = world.finished();
  expect(record).toMatchObject({ rebuilt: true, txnIndexEmpty: false });
  const lastOffset = record!.nextOffset - 1n;
  const entry = {
    producerId: 5n,
    firstOffset: 1020n,
    lastOffset,
    lastStableOffset: lastOffset + 1n,
  };
  const object = world.objects.objects.get(record!.objectKey)!.bytes;
  expect(object.includes(encodeAborted(entry))).toBe(true);
});
