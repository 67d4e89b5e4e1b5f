import { afterEach, expect, test } from 'vitest';
import { FetchWorld } from '../../support/fetch-world.ts';
import { endTransaction, plainBatches, type BatchSpec } from '../../support/kafka-files.ts';

const worlds: FetchWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function openWorld(): Promise<FetchWorld> {
  const world = await FetchWorld.open();
  worlds.push(world);
  return world;
}

const committed = { isolation: 'read-committed' } as const;

function data(producerId: bigint, epoch = 0): BatchSpec {
  const records = [{ key: 'k', value: 'v', timestampMs: 1_700_000_000_000 }];
  return { epoch, transactional: true, producerId, producerEpoch: 0, records };
}

function marker(type: 'commit' | 'abort', producerId: bigint, epoch = 0): BatchSpec {
  return endTransaction(type, { epoch, producerId, timestampMs: 1_700_000_000_500 });
}

function epochsAt(startOffset: bigint, epoch = 0) {
  return [{ epoch, startOffset }];
}

test('aborted transactions of the range are told to who asks for committed records only', async () => {
  const world = await openWorld();
  const batches = [
    ...plainBatches(10),
    data(7n), // 10
    data(8n), // 11
    marker('abort', 7n), // 12
    marker('commit', 8n), // 13
    ...plainBatches(10),
  ];
  await world.add({ number: 1, baseOffset: 0n, batches, epochs: epochsAt(0n) });
  const answer = await world.fetch(0n, committed);
  expect(answer.end?.aborted).toMatchObject([
    { producerId: 7n, firstOffset: 10n, lastOffset: 12n },
  ]);
  expect((await world.fetch(0n)).end?.aborted).toEqual([]);
  expect((await world.fetch(14n, committed)).end?.aborted).toEqual([]);
});

test('a transaction that is aborted two segments later is told with the first', async () => {
  const world = await openWorld();
  const open = [{ producerId: 7n, lastOffset: 10n, openTransactionStart: 10n }];
  await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), data(7n)],
    epochs: epochsAt(0n),
    producers: open,
  });
  await world.add({
    number: 2,
    baseOffset: 11n,
    batches: plainBatches(10),
    epochs: epochsAt(11n),
    producers: open,
  });
  await world.add({
    number: 3,
    baseOffset: 21n,
    batches: [...plainBatches(5), marker('abort', 7n)],
    epochs: epochsAt(21n),
    aborted: [{ producerId: 7n, firstOffset: 10n, lastOffset: 26n, lastStableOffset: 27n }],
  });
  const answer = await world.fetch(0n, committed);
  expect(answer.end).toMatchObject({
    nextOffset: 11n,
    aborted: [{ producerId: 7n, firstOffset: 10n }],
  });
});

test('before the end of a transaction is tiered the answer ends, and then it is not ready', async () => {
  const world = await openWorld();
  const { built } = await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), data(7n), ...plainBatches(10)],
    epochs: epochsAt(0n),
    producers: [{ producerId: 7n, lastOffset: 10n, openTransactionStart: 10n }],
  });
  const answer = await world.fetch(0n, committed);
  expect([answer.bytes, answer.end?.nextOffset]).toEqual([built.batches[0]?.bytes, 10n]);
  await expect(world.fetch(10n, committed)).rejects.toMatchObject({ code: 'NOT_READY' });
  expect((await world.fetch(10n)).end?.nextOffset).toBe(21n); // uncommitted records are readable
  expect((await world.fetch(11n, committed)).end?.nextOffset).toBe(21n);
});

test('a transaction that ended in the local tail is told by the broker, aborted or committed', async () => {
  const world = await openWorld();
  const { built } = await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), data(7n), data(8n)],
    epochs: epochsAt(0n),
    producers: [
      { producerId: 7n, lastOffset: 10n, openTransactionStart: 10n },
      { producerId: 8n, lastOffset: 11n, openTransactionStart: 11n },
    ],
  });
  const asked: bigint[] = [];
  world.outcomesAt = (offset) => {
    asked.push(offset);
    const later = { producerId: 9n, firstOffset: 12n };
    return Promise.resolve({
      lastStableOffset: 20n,
      aborted: [{ producerId: 7n, firstOffset: 10n }, later],
    });
  };
  const answer = await world.fetch(0n, committed);
  expect(answer.bytes).toEqual(Buffer.concat(built.batches.map(({ bytes }) => bytes)));
  expect(answer.end?.nextOffset).toBe(12n);
  expect(
    answer.end?.aborted.map(({ producerId, firstOffset }) => [producerId, firstOffset]),
  ).toEqual([[7n, 10n]]);
  expect(asked).toEqual([12n]);
});

test('what is still open by the broker’s own word stays undecided', async () => {
  const world = await openWorld();
  await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), data(7n)],
    epochs: epochsAt(0n),
    producers: [{ producerId: 7n, lastOffset: 10n, openTransactionStart: 10n }],
  });
  world.outcomesAt = () => Promise.resolve({ lastStableOffset: 10n, aborted: [] });
  expect((await world.fetch(0n, committed)).end?.nextOffset).toBe(10n);
  await expect(world.fetch(10n, committed)).rejects.toMatchObject({ code: 'NOT_READY' });
});

test('without a producer snapshot only transactional batches wait for a later segment', async () => {
  const world = await openWorld();
  await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), data(7n), marker('abort', 7n)],
    epochs: epochsAt(0n),
    producers: null,
  });
  expect((await world.fetch(0n, committed)).end?.nextOffset).toBe(10n);
  await world.add({
    number: 2,
    baseOffset: 12n,
    batches: plainBatches(10),
    epochs: epochsAt(12n),
  });
  const answer = await world.fetch(0n, committed);
  expect(answer.end).toMatchObject({
    nextOffset: 12n,
    aborted: [{ producerId: 7n, firstOffset: 10n }],
  });
});

test('what a deposed leader wrote beyond the lineage decides no transaction', async () => {
  // Epoch 1 wrote data at 10 and a commit at 11. The lineage leaves it at 11: epoch 2 wrote an abort there.
  const world = await openWorld();
  world.lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 2, startOffset: 11n },
  ];
  await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10, { epoch: 1 }), data(7n, 1), marker('commit', 7n, 1)],
    epochs: epochsAt(0n, 1),
  });
  await world.add({
    number: 2,
    baseOffset: 11n,
    batches: [marker('abort', 7n, 2), ...plainBatches(10, { epoch: 2 })],
    epochs: epochsAt(11n, 2),
    aborted: [{ producerId: 7n, firstOffset: 10n, lastOffset: 11n, lastStableOffset: 12n }],
  });
  const answer = await world.fetch(0n, committed);
  expect(answer.end).toMatchObject({
    nextOffset: 11n,
    aborted: [{ producerId: 7n, firstOffset: 10n, lastOffset: 11n }],
  });
});

test('an abort that only a deposed leader wrote is not told', async () => {
  const world = await openWorld();
  world.lineage = [
    { epoch: 1, startOffset: 0n },
    { epoch: 2, startOffset: 11n },
  ];
  await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10, { epoch: 1 }), data(7n, 1), marker('abort', 7n, 1)],
    epochs: epochsAt(0n, 1),
  });
  await world.add({
    number: 2,
    baseOffset: 11n,
    batches: [marker('commit', 7n, 2), ...plainBatches(10, { epoch: 2 })],
    epochs: epochsAt(11n, 2),
  });
  const answer = await world.fetch(0n, committed);
  expect(answer.end).toMatchObject({ nextOffset: 11n, aborted: [] });
});
