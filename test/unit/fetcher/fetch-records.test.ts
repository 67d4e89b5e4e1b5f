import { afterEach, expect, test } from 'vitest';
import { crc32 } from '../../../src/base/checksum.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import { Gate, loadOf } from '../../support/cache-world.ts';
import { FetchWorld, notReady, TOPIC, type WorldOptions } from '../../support/fetch-world.ts';
import { plainBatches, type BatchSpec } from '../../support/kafka-files.ts';

const worlds: FetchWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function openWorld(options: WorldOptions = {}): Promise<FetchWorld> {
  const world = await FetchWorld.open(options);
  worlds.push(world);
  return world;
}

const EPOCH_0 = [{ epoch: 0, startOffset: 0n }];

/** Segments [0, 100) and [100, 200) in batches of ten records; local from 150. */
async function usualWorld(options: WorldOptions = {}) {
  const world = await openWorld(options);
  const first = await world.add({
    number: 1,
    baseOffset: 0n,
    batches: plainBatches(100),
    epochs: EPOCH_0,
  });
  const second = await world.add({
    number: 2,
    baseOffset: 100n,
    batches: plainBatches(100),
    epochs: [{ epoch: 0, startOffset: 100n }],
  });
  world.local = { localStart: 150n, highWatermark: 300n, lastStableOffset: 300n };
  return { world, first, second };
}

test('row 1: an offset below the remote start is out of range, with the first one offered', async () => {
  const { world } = await usualWorld();
  world.remoteStart = 50n;
  const { verdict, end } = await world.fetch(49n);
  expect(verdict).toEqual({ kind: 'out-of-range', start: 50n, end: 300n });
  expect(end).toBeUndefined();
});

test('row 2: an offset in a finished segment below the local start is served from its batch on', async () => {
  const { world, first } = await usualWorld();
  const answer = await world.fetch(25n);
  expect(answer.verdict).toEqual({ kind: 'served', segment: first.record });
  expect(answer.bytes.equals(first.built.log.subarray(first.built.batches[2]?.position))).toBe(
    true,
  );
  expect(answer.end).toEqual({ kind: 'end', nextOffset: 100n, aborted: [] });
});

test('row 2: history is read through all segments up to where the broker takes over', async () => {
  const { world, first, second } = await usualWorld();
  const answers = await world.readOn(0n);
  expect(Buffer.concat(answers.map(({ bytes }) => bytes))).toEqual(
    Buffer.concat([first.built.log, second.built.log]),
  );
  expect(answers.at(-1)?.verdict).toEqual({ kind: 'ask-broker', offset: 200n });
});

test('rows 3 and 4: a gap is told only after a re-read with a barrier, with the next offset held', async () => {
  const { world } = await usualWorld();
  const [first, second] = world.segments;
  world.segments = second === undefined ? [] : [second];
  expect((await world.fetch(10n)).verdict).toEqual({ kind: 'gap', next: 100n });
  expect(world.asked.linearizable).toBe(1);
  world.segments = [];
  expect((await world.fetch(10n)).verdict).toEqual({ kind: 'gap', next: 150n });
  world.lookUpLinearizable = () => {
    world.segments = first === undefined ? [] : [first];
    return Promise.resolve(world.snapshot());
  };
  expect((await world.fetch(10n)).verdict).toMatchObject({ kind: 'served' });
  expect(await world.metric('fetcher_gaps_total')).toBe(2);
});

test('rows 5 to 8: from the local start on the broker is asked, whatever is remote too', async () => {
  const { world } = await usualWorld();
  for (const offset of [150n, 199n, 250n, 300n, 5000n]) {
    expect((await world.fetch(offset)).verdict).toEqual({ kind: 'ask-broker', offset });
  }
});

test('a local start heard a moment ago serves the answer remote, and is asked anew for every other', async () => {
  const { world } = await usualWorld();
  await world.fetch(0n);
  await world.fetch(0n);
  expect(world.asked.broker).toBe(1);
  world.local = { ...world.local, localStart: 200n }; // retention went on since
  expect((await world.fetch(160n)).verdict).toMatchObject({ kind: 'served' });
  expect(world.asked.broker).toBe(2);
});

test('while the broker is silent what a segment holds is served, and all else is not ready', async () => {
  const { world } = await usualWorld({ settings: { brokerWaitMs: '20ms' } });
  world.askBroker = () => new Promise(() => undefined);
  expect((await world.fetch(120n)).verdict).toMatchObject({ kind: 'served' });
  world.askBroker = () => Promise.reject(new LogtierError('BROKER_UNAVAILABLE', 'down'));
  expect((await world.fetch(500n)).verdict).toEqual({
    kind: 'not-ready',
    why: 'local-start-unknown',
  });
  expect(await world.metric('fetcher_broker_silences_total')).toBe(2);
});

test('row 10: an offset in a hole inside a segment is served from the next batch', async () => {
  const world = await openWorld();
  const batches: BatchSpec[] = [
    ...plainBatches(10),
    ...plainBatches(10).map((batch) => ({ ...batch, baseOffset: 50n })),
  ];
  const { built } = await world.add({
    number: 1,
    baseOffset: 0n,
    batches,
    epochs: EPOCH_0,
    nextOffset: 80n,
  });
  const answer = await world.fetch(20n);
  expect(answer.bytes).toEqual(built.batches[1]?.bytes);
  expect(answer.end?.nextOffset).toBe(80n); // the tail was compacted away
  const tail = await world.fetch(70n);
  expect([tail.bytes.length, tail.end?.nextOffset]).toEqual([0, 80n]);
});

test('row 11: a finished segment without its object is a retriable error that is counted, never empty', async () => {
  const { world, first } = await usualWorld();
  world.store.objects.delete(first.record.objectKey);
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(world.asked.linearizable).toBe(1);
  expect(await world.metric('fetcher_missing_objects_total')).toBe(1);
});

test('row 11: an object that retention took is looked up again: out of range, or another segment', async () => {
  const { world, first } = await usualWorld();
  world.store.objects.delete(first.record.objectKey);
  world.lookUpLinearizable = () => {
    world.remoteStart = 100n;
    world.segments = world.segments.slice(1);
    return Promise.resolve(world.snapshot());
  };
  expect((await world.fetch(0n)).verdict).toEqual({
    kind: 'out-of-range',
    start: 100n,
    end: 300n,
  });
  expect(await world.metric('fetcher_missing_objects_total')).toBeNaN();
});

test('row 11: an object that goes between two answers is an error, and counted when it should be there', async () => {
  const { world, first } = await usualWorld();
  world.store.before = (_, range) => {
    if (range.start === 0) world.store.objects.delete(first.record.objectKey);
    return Promise.resolve();
  };
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(await world.metric('fetcher_missing_objects_total')).toBe(1);
});

test('row 12: a view that is not complete or not fresh is not ready, never empty', async () => {
  const { world } = await usualWorld();
  world.lookUp = () => Promise.reject(notReady);
  expect((await world.fetch(0n)).verdict).toEqual({ kind: 'not-ready', why: 'view' });
  world.lookUp = () => Promise.reject(new LogtierError('NOT_FOUND', 'no such topic'));
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a stream ends where the lineage leaves the epoch, and the next look-up leads to the other segment', async () => {
  // Leader of epoch 1 wrote [100, 200); an unclean election at 150 gave epoch 2 its own [150, 250).
  const world = await openWorld();
  world.lineage = [
    { epoch: 1, startOffset: 100n },
    { epoch: 2, startOffset: 150n },
  ];
  const lost = await world.add({
    number: 1,
    baseOffset: 100n,
    batches: plainBatches(100, { epoch: 1 }),
    epochs: [{ epoch: 1, startOffset: 100n }],
  });
  const live = await world.add({
    number: 2,
    baseOffset: 150n,
    batches: plainBatches(100, { epoch: 2, firstMs: 1_800_000_000_000 }),
    epochs: [{ epoch: 2, startOffset: 150n }],
  });
  world.remoteStart = 100n;
  const answers = await world.readOn(100n);
  expect(answers.map(({ end }) => end?.nextOffset)).toEqual([150n, 250n, undefined]);
  const valid = lost.built.log.subarray(0, lost.built.batches[5]?.position);
  expect(Buffer.concat(answers.map(({ bytes }) => bytes))).toEqual(
    Buffer.concat([valid, live.built.log]),
  );
});

test('a batch of another epoch than its record says is never sent', async () => {
  // Record and lineage say epoch 1 everywhere; the log holds batches of epoch 2 from 150 on.
  const world = await openWorld();
  world.lineage = [{ epoch: 1, startOffset: 100n }];
  world.remoteStart = 100n;
  const { built } = await world.add({
    number: 1,
    baseOffset: 100n,
    batches: [...plainBatches(50, { epoch: 1 }), ...plainBatches(50, { epoch: 2 })],
    epochs: [{ epoch: 1, startOffset: 100n }],
  });
  const answer = await world.fetch(100n);
  expect(answer.bytes).toEqual(built.log.subarray(0, built.batches[5]?.position));
  expect(answer.end?.nextOffset).toBe(150n);
  await expect(world.fetch(150n)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
});

test('the limit is soft: one batch is always sent, and no batch is cut', async () => {
  const { world, first } = await usualWorld();
  const [batch0, batch1] = first.built.batches;
  expect((await world.fetch(0n, { maxBytes: 1 })).bytes).toEqual(batch0?.bytes);
  const room = (batch0?.bytes.length ?? 0) + (batch1?.bytes.length ?? 0);
  const answer = await world.fetch(0n, { maxBytes: room });
  expect([answer.bytes.length, answer.end?.nextOffset]).toEqual([room, 20n]);
  expect((await world.fetch(0n, { maxBytes: room + 5 })).bytes.length).toBe(room);
});

test('many chunks and messages: whole batches in messages of at most 1 MiB', async () => {
  const world = await openWorld({ slots: 6 });
  const { built } = await world.add({
    number: 1,
    baseOffset: 0n,
    batches: plainBatches(900, { valueBytes: 10_000, batchRecords: 20 }),
    epochs: EPOCH_0,
  });
  expect(built.log.length).toBeGreaterThan(2 * 4 * 2 ** 20);
  const answer = await world.fetch(0n);
  expect(answer.bytes.equals(built.log)).toBe(true);
  const starts = new Set(built.batches.map(({ position }) => position));
  let at = 0;
  for (const message of answer.messages) {
    expect(starts.has(at)).toBe(true);
    expect(message.length).toBeLessThanOrEqual(2 ** 20);
    at += message.length;
  }
  const middle = await world.fetch(455n);
  expect(middle.bytes.equals(built.log.subarray(built.batches[22]?.position))).toBe(true);
});

test('a batch larger than a message goes on in the next ones, and what follows begins anew', async () => {
  const world = await openWorld({ slots: 6 });
  const large = plainBatches(30, { valueBytes: 100_000, batchRecords: 30 });
  const { built } = await world.add({
    number: 1,
    baseOffset: 0n,
    batches: [...plainBatches(10), ...large, ...plainBatches(10), ...large],
    epochs: EPOCH_0,
  });
  const answer = await world.fetch(0n);
  expect(answer.bytes.equals(built.log)).toBe(true);
  expect(answer.end?.nextOffset).toBe(80n);
  const sizes = answer.messages.map(({ length }) => length);
  expect(Math.max(...sizes)).toBe(2 ** 20);
  const first = await world.fetch(39n, { maxBytes: 1 });
  expect(first.bytes.equals(built.batches[1]!.bytes)).toBe(true);
  expect((await world.fetch(40n, { maxBytes: 1 })).bytes).toEqual(built.batches[2]?.bytes);
});

test('altered, short and excess bytes of the store are errors, never data', async () => {
  const { world, first } = await usualWorld();
  const isLog = (start: number): boolean => start < first.record.logBytes;
  world.store.alter = (bytes, _, range) => {
    const altered = Buffer.from(bytes);
    if (isLog(range.start)) altered[200] = (altered[200] ?? 0) ^ 4;
    return altered;
  };
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  world.store.alter = (bytes, _, range) => (isLog(range.start) ? bytes.subarray(1) : bytes);
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  world.store.alter = (bytes, _, range) =>
    isLog(range.start) ? Buffer.concat([bytes, Buffer.alloc(9)]) : bytes;
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  world.store.alter = (bytes) => bytes;
  expect((await world.fetch(0n)).bytes.equals(first.built.log)).toBe(true);
});

test('altered indexes are errors too', async () => {
  const { world } = await usualWorld();
  world.store.alter = (bytes, _, range) => {
    const altered = Buffer.from(bytes);
    if (range.start > 0) altered[3] = (altered[3] ?? 0) ^ 1;
    return altered;
  };
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
});

test('a slot that went bad under a reader is found by its batches and loaded again', async () => {
  const { world, first } = await usualWorld({ slots: 14 });
  await world.fetch(0n);
  await expect.poll(() => world.metric('cache_slots_used')).toBe(1);
  world.cache.distrust({ segmentId: first.record.segmentId, chunk: 0 }); // leave memory
  await world.fetch(0n); // checked, in memory again
  const path = '/state/cache/chunks-0000000000000000.slots';
  const bytes = world.disk.contents().find(([name]) => name === path)?.[1];
  const slot = Array.from({ length: 14 }, (_, index) => index).find((index) => {
    const at = index * (4 * 2 ** 20 + 4096) + 4096;
    return bytes?.subarray(at, at + 61).equals(first.built.log.subarray(0, 61)) === true;
  });
  expect(slot).toBeDefined();
  const at = (slot ?? 0) * (4 * 2 ** 20 + 4096) + 4096;
  for (let bit = 0; bit < 8; bit += 1) world.disk.flipBit(path, at + 16, bit); // the magic byte
  await crowdOut(world);
  world.store.gets.length = 0;
  expect((await world.fetch(0n)).bytes.equals(first.built.log)).toBe(true);
  expect(world.store.gets.length).toBe(1);
  expect(await world.metric('fetcher_bad_batches_total{outcome="repaired"}')).toBe(1);
});

/** Reads so many chunks of another segment that none of the first is in memory. */
async function crowdOut(world: FetchWorld): Promise<void> {
  for (let number = 0; number < 9; number += 1) {
    const crc = crc32(Buffer.alloc(10));
    const ref = { segmentId: world.segments[1]!.segmentId, chunk: 100 + number, bytes: 10, crc };
    const into = Buffer.alloc(10);
    const load = loadOf(Buffer.alloc(10));
    await world.cache
      .read({ ref, range: { start: 0, end: 10 }, into }, load, world.stopping.signal)
      .catch(() => undefined);
  }
}

test('a store that hangs does not delay what is cached, nor other partitions’ cold reads', async () => {
  const { world, first, second } = await usualWorld();
  await world.fetch(0n); // [0, 100) is warm
  const hung = new Gate();
  world.store.before = (key) => (key === second.record.objectKey ? hung.opened : Promise.resolve());
  const slow = Array.from({ length: 20 }, () => world.fetch(120n));
  expect((await world.fetch(0n)).bytes.equals(first.built.log)).toBe(true);
  hung.open();
  for (const answer of slow) expect((await answer).messages.length).toBeGreaterThan(0);
});

test('a reader that leaves in mid-answer frees its place, and the chunk it asked for is still loaded', async () => {
  const { world, first } = await usualWorld({ settings: { streamsAtOnce: 1 } });
  const hung = new Gate();
  world.store.before = (_, range) => (range.start === 0 ? hung.opened : Promise.resolve());
  const leaving = new AbortController();
  const parts = world.fetcher.fetch(world.question(0n), leaving.signal);
  expect((await parts.next()).value).toMatchObject({ kind: 'served' });
  const waiting = parts.next();
  await expect(world.fetch(0n)).rejects.toMatchObject({ code: 'OVERLOADED' });
  await expect.poll(() => world.store.gets.length).toBe(2);
  leaving.abort(new LogtierError('ABORTED', 'the reader went away'));
  await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
  hung.open();
  world.store.gets.length = 0;
  expect((await world.fetch(0n)).bytes.equals(first.built.log)).toBe(true);
  expect(world.store.gets).toEqual([]);
});

test('who goes on where the last answer ended gets the next segment loaded ahead', async () => {
  const { world, second } = await usualWorld();
  await world.fetch(0n, { maxBytes: 1 });
  world.store.gets.length = 0;
  await world.fetch(10n, { maxBytes: 1 });
  await expect
    .poll(() =>
      world.store.gets.some(([key, range]) => key === second.record.objectKey && range.start === 0),
    )
    .toBe(true);
  expect(world.snapshot().topic).toBe(TOPIC);
});
