import { afterEach, expect, test } from 'vitest';
import { FetchWorld, TOPIC, TOPIC_ID } from '../../support/fetch-world.ts';
import { plainBatches } from '../../support/kafka-files.ts';
import type { Codec } from '../../../src/base/decompress.ts';

const FIRST_MS = 1_700_000_000_000;
const worlds: FetchWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

/** Segments [0, 200) and [200, 400); record n is stamped n seconds after FIRST_MS. */
async function timedWorld(codec: Codec = 'none'): Promise<FetchWorld> {
  const world = await FetchWorld.open();
  worlds.push(world);
  for (const [index, baseOffset] of [0n, 200n].entries()) {
    const firstMs = FIRST_MS + Number(baseOffset) * 1000;
    await world.add({
      number: index + 1,
      baseOffset,
      batches: plainBatches(200, { firstMs, codec }),
      epochs: [{ epoch: 0, startOffset: baseOffset }],
    });
  }
  world.local = { localStart: 350n, highWatermark: 500n, lastStableOffset: 500n };
  return world;
}

function resolve(world: FetchWorld, timestampMs: number) {
  const question = { topic: TOPIC, partition: 0, timestampMs };
  return world.fetcher.resolveTimestamp(question, new AbortController().signal);
}

test('a time leads to the first record at or after it, in plain and compressed batches', async () => {
  for (const codec of ['none', 'gzip', 'zstd', 'lz4', 'snappy'] as const) {
    const world = await timedWorld(codec);
    for (const [wantedMs, offset] of [
      [0, 0],
      [FIRST_MS, 0],
      [FIRST_MS + 1, 1],
      [FIRST_MS + 57_000, 57],
      [FIRST_MS + 199_001, 200],
      [FIRST_MS + 333_333, 334],
    ] as const) {
      expect(await resolve(world, wantedMs)).toEqual({
        kind: 'found',
        offset: BigInt(offset),
        timestampMs: FIRST_MS + offset * 1000,
      });
    }
  }
});

test('what is local too, and what is younger than all, is the broker’s, after a read with a barrier', async () => {
  const world = await timedWorld();
  const askBroker = { kind: 'ask-broker', offset: 350n };
  expect(await resolve(world, FIRST_MS + 360_000)).toEqual(askBroker);
  expect(await resolve(world, FIRST_MS + 10_000_000)).toEqual(askBroker);
  expect(world.asked.linearizable).toBe(2);
});

test('a broker that is silent makes only the missing answer not ready', async () => {
  const world = await timedWorld();
  world.local = { localStart: undefined, highWatermark: undefined, lastStableOffset: undefined };
  expect(await resolve(world, FIRST_MS + 5000)).toMatchObject({ kind: 'found', offset: 5n });
  expect(await resolve(world, FIRST_MS + 10_000_000)).toMatchObject({ kind: 'not-ready' });
});

test('records below the remote start, and of epochs outside the lineage, are not found', async () => {
  const world = await timedWorld();
  world.remoteStart = 105n;
  expect(await resolve(world, FIRST_MS)).toMatchObject({ kind: 'found', offset: 105n });
  world.lineage = [
    { epoch: 0, startOffset: 0n },
    { epoch: 3, startOffset: 150n },
  ];
  expect(await resolve(world, FIRST_MS + 170_000)).toEqual({ kind: 'ask-broker', offset: 350n });
});

test('offsets tell both tiers; what covers without a hole counts as tiered', async () => {
  const world = await timedWorld();
  const { signal } = new AbortController();
  expect(await world.fetcher.offsets(TOPIC, 0, signal)).toEqual({
    topicId: TOPIC_ID,
    remoteStart: 0n,
    tieredTo: 400n,
    localStart: 350n,
    highWatermark: 500n,
    lastStableOffset: 500n,
    leaderEpoch: 0,
  });
  world.segments = world.segments.slice(1);
  expect((await world.fetcher.offsets(TOPIC, 0, signal)).tieredTo).toBeUndefined();
});
