import { afterEach, expect, test } from 'vitest';
import {
  Isolation,
  RecordFetchServiceService,
  type FetchRequest,
  type FetchResponse,
} from '../../../src/gen/logtier/v1/record_fetch.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { openChannel, type RpcChannel } from '../../../src/rpc/channel.ts';
import { defaultServeSettings, serve } from '../../../src/rpc/serve.ts';
import { recordFetchService } from '../../../src/services/record-fetch.ts';
import { Gate } from '../../support/cache-world.ts';
import { CLUSTER_ID, FetchWorld, TOPIC, type AddedSegment } from '../../support/fetch-world.ts';
import { plainBatches, type BatchSpec } from '../../support/kafka-files.ts';

const stops: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

interface Served {
  readonly world: FetchWorld;
  readonly channel: RpcChannel;
  readonly added: AddedSegment;
}

/** A segment of some 9 MB behind the real service on a free port. */
async function served(
  batches: readonly BatchSpec[] = plainBatches(900, { valueBytes: 10_000, batchRecords: 20 }),
): Promise<Served> {
  const world = await FetchWorld.open({ slots: 14, settings: { streamsAtOnce: 2 } });
  stops.push(() => world.stop());
  const added = await world.add({
    number: 1,
    baseOffset: 0n,
    batches,
    epochs: [{ epoch: 0, startOffset: 0n }],
  });
  const server = await serve(
    { clock: systemClock, log: silentLogger },
    { ...defaultServeSettings, address: '127.0.0.1:0', stopMs: 200 },
    [recordFetchService(world.fetcher, { clusterId: CLUSTER_ID })],
  );
  stops.push(() => server.stop());
  const channel = openChannel(systemClock, {
    address: server.address,
    unavailableAs: 'STORE_UNAVAILABLE',
    maxMessageBytes: 4 * 2 ** 20,
    windowBytes: 2 ** 20,
  });
  stops.push(() => {
    channel.stop();
  });
  return { world, channel, added };
}

function request(fields: Partial<FetchRequest> = {}): FetchRequest {
  return {
    clusterId: '',
    topic: TOPIC,
    partition: 0,
    offset: 0n,
    maxBytes: 0,
    isolation: Isolation.READ_UNCOMMITTED,
    ...fields,
  };
}

async function fetchAll(
  channel: RpcChannel,
  fields: Partial<FetchRequest> = {},
): Promise<FetchResponse[]> {
  const { signal } = new AbortController();
  const answers: FetchResponse[] = [];
  const stream = channel.stream(RecordFetchServiceService.fetch, request(fields), signal);
  for await (const answer of stream) answers.push(answer);
  return answers;
}

function batchesOf(answers: readonly FetchResponse[]): Buffer {
  return Buffer.concat(
    answers.flatMap(({ message }) => (message?.$case === 'batches' ? [message.value] : [])),
  );
}

test('a reader gets the verdict, the very bytes of the log, and where to go on', async () => {
  const { channel, added } = await served();
  for (let round = 0; round < 3; round += 1) {
    const answers = await fetchAll(channel);
    const { segmentId } = added.record;
    expect(answers[0]?.message).toEqual({
      $case: 'verdict',
      value: {
        verdict: {
          $case: 'served',
          value: { segmentId, segmentStart: 0n, segmentNext: 900n },
        },
      },
    });
    expect(batchesOf(answers).equals(added.built.log)).toBe(true);
    expect(answers.at(-1)?.message).toEqual({
      $case: 'end',
      value: { nextOffset: 900n, aborted: [] },
    });
  }
});

test('readers side by side get their own bytes: no buffer is used again before it was sent', async () => {
  const { channel, added } = await served();
  const offsets = [0n, 440n];
  const rounds = Array.from({ length: 6 }, async () => {
    for (const offset of offsets) {
      const answers = await fetchAll(channel, { offset }).catch(() => undefined);
      const from = added.built.batches[Number(offset) / 20]?.position;
      if (answers !== undefined) {
        expect(batchesOf(answers).equals(added.built.log.subarray(from))).toBe(true);
      }
    }
  });
  await Promise.all(rounds);
});

test('every other verdict is one message', async () => {
  const { world, channel } = await served();
  world.local = { localStart: 900n, highWatermark: 950n, lastStableOffset: 950n };
  world.remoteStart = 20n;
  const verdicts = [];
  for (const offset of [1n, 900n]) {
    const [answer, ...others] = await fetchAll(channel, { offset });
    expect(others).toEqual([]);
    verdicts.push(answer?.message?.value);
  }
  expect(verdicts).toEqual([
    { verdict: { $case: 'outOfRange', value: { start: 20n, end: 950n } } },
    { verdict: { $case: 'askBroker', value: { offset: 900n } } },
  ]);
});

test('another cluster and a missing topic are refused', async () => {
  const { channel } = await served();
  await expect(fetchAll(channel, { clusterId: 'another' })).rejects.toMatchObject({
    code: 'WRONG_CLUSTER',
  });
  await expect(fetchAll(channel, { topic: '' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

test('a reader that disconnects in mid-answer frees its place at once', async () => {
  const { world, channel, added } = await served();
  const hung = new Gate();
  world.store.before = (_, { start }) =>
    start > 0 && start < 9e6 ? hung.opened : Promise.resolve();
  for (let reader = 0; reader < 3; reader += 1) {
    const leaving = new AbortController();
    const stream = channel.stream(RecordFetchServiceService.fetch, request(), leaving.signal);
    for await (const { message } of stream) {
      if (message?.$case === 'batches') break; // leaving the loop cancels the call
    }
    await expect.poll(() => world.metric('fetcher_streams')).toBe(0);
  }
  hung.open();
  expect(batchesOf(await fetchAll(channel)).equals(added.built.log)).toBe(true);
});

test('a reader that does not read holds back the answer', async () => {
  // 50 MB. A client of grpc-js takes 16 messages on its own; then the window and a few messages are full.
  const batches = plainBatches(50, { valueBytes: 1_000_000, batchRecords: 1 });
  const { world, channel } = await served(batches);
  const { signal } = new AbortController();
  const asked = request({ maxBytes: 64 * 2 ** 20 });
  const answers = channel.stream(RecordFetchServiceService.fetch, asked, signal);
  const stream = answers[Symbol.asyncIterator]();
  await stream.next();
  const sentBytes = (): Promise<number> => world.metric('fetcher_sent_bytes_total');
  await expect.poll(sentBytes).toBeGreaterThan(2 ** 20);
  let [before, now] = [0, await sentBytes()];
  while (now > before) {
    for (let turn = 0; turn < 500; turn += 1) await new Promise((wake) => setImmediate(wake));
    [before, now] = [now, await sentBytes()];
  }
  expect(now).toBeLessThan(30e6);
  await stream.return?.();
  await expect.poll(() => world.metric('fetcher_streams')).toBe(0);
});

test('times and offsets are answered as the fetcher says', async () => {
  const { world, channel } = await served();
  world.local = { localStart: 880n, highWatermark: 900n, lastStableOffset: undefined };
  const { signal } = new AbortController();
  const partition = { clusterId: CLUSTER_ID, topic: TOPIC, partition: 0 };
  const timestampMs = 1_700_000_000_000n + 42_000n;
  const resolved = await channel.unary(
    RecordFetchServiceService.resolveTimestamp,
    { ...partition, timestampMs },
    5_000,
    signal,
  );
  expect(resolved).toEqual({ answer: { $case: 'found', value: { offset: 42n, timestampMs } } });
  const offsets = await channel.unary(RecordFetchServiceService.offsets, partition, 5_000, signal);
  expect(offsets).toMatchObject({ remoteStart: 0n, tieredTo: 900n, localStart: 880n });
  expect(offsets.lastStableOffset).toBeUndefined();
});
