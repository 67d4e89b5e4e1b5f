import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LocalView } from '../../../../src/metastore/client/local-view.ts';
import type { PartitionSnapshot } from '../../../../src/segment/segment-record.ts';
import type { Claim } from '../../../../src/uploader/segment-ledger.ts';
import { settled } from '../../../support/metastore-clock.ts';
import {
  claimRequest,
  codeOf,
  intent,
  MetastoreWorld,
  NEVER,
  segmentName,
  type TestMetastoreClient,
  TOPIC,
} from '../../../support/metastore-world.ts';

const ID = { topicId: TOPIC, partition: 0 };
const START = { incarnation: 0, index: 0n };

let world: MetastoreWorld;
let client: TestMetastoreClient;
let claim: Claim;
beforeEach(async () => {
  world = await MetastoreWorld.open();
  client = world.client();
  claim = await client.ledger.claim(claimRequest(), NEVER);
});
afterEach(async () => {
  await world.close();
});

async function finished(number: number): Promise<void> {
  await client.ledger.startCopy(claim, intent(number), NEVER);
  await client.ledger.finishCopy(claim, segmentName(number), NEVER);
}

function names(snapshot: PartitionSnapshot | undefined): string[] | undefined {
  return snapshot?.segments.map(({ startOffset, state }) => `${startOffset} ${state}`);
}

/** What the metastore says now, in the view's words: a fresh view is loaded in one go. */
async function truth(): Promise<PartitionSnapshot> {
  const view = await world.view();
  const { revision } = await client.queries.status(NEVER);
  const waiting = view.snapshot(ID, revision, NEVER);
  await world.clock.advance(3_000);
  return await waiting;
}

async function freshView(): Promise<LocalView> {
  const view = await world.view();
  await world.clock.advance(3_000);
  return view;
}

test('a snapshot is complete for its partition and holds what was written before it', async () => {
  await finished(0);
  const view = await world.view();
  await finished(1);
  const [{ revision }] = [await client.queries.status(NEVER)];
  const snapshot = await view.snapshot(ID, revision, NEVER);
  expect(names(snapshot)).toEqual(['0 COPY_SEGMENT_FINISHED', '100 COPY_SEGMENT_FINISHED']);
  expect(snapshot).toMatchObject({
    id: ID,
    topic: 'orders',
    lineage: [{ epoch: 0, startOffset: 0n }],
    remoteStart: 0n,
    claim: { leaderEpoch: 0, brokerId: 1, token: claim.token, released: false },
  });
});

test('a partition that nobody asked for is not answered for (rule 3)', async () => {
  const view = await freshView();
  expect(view.peek(ID)).toBeUndefined();
  await view.snapshot(ID, claim.revision, NEVER);
  expect(names(view.peek(ID))).toEqual([]);
  view.leave(ID);
  expect(view.peek(ID)).toBeUndefined();
});

test('a partition that left and came back with the feed paused is silent until complete (rule 3)', async () => {
  const view = await freshView();
  await finished(0);
  await view.snapshot(ID, claim.revision, NEVER);
  view.leave(ID);
  world.door.isShut = true;
  world.door.breakStreams();
  const { door } = world;
  door.isShut = false;
  await finished(1);
  const doomed = [{ segmentId: segmentName(0), reason: 'OPERATOR' as const }];
  await client.ledger.deleteSegments(claim, 100n, doomed, NEVER);
  door.isShut = true;
  const back = codeOf(view.snapshot(ID, claim.revision, NEVER));
  await world.clock.advance(11_000);
  expect(await back).toBe('NOT_READY');
  expect(view.peek(ID)).toBeUndefined();
  door.isShut = false;
  await world.clock.advance(10_000);
  expect(names(view.peek(ID))).toEqual(['100 COPY_SEGMENT_FINISHED']);
});

test('what is written while a partition loads is neither lost nor applied twice', async () => {
  for (let number = 0; number < 20; number += 1) await finished(number);
  const view = await freshView();
  const writes = [20, 21, 22].map((number) => finished(number));
  const first = view.snapshot(ID, claim.revision, NEVER);
  await Promise.all([...writes, first]);
  const { revision } = await client.queries.status(NEVER);
  const seen = await view.snapshot(ID, revision, NEVER);
  expect(names(seen)).toHaveLength(23);
  expect(seen.segments).toEqual((await truth()).segments);
});

test('a snapshot that was handed out never changes', async () => {
  const view = await freshView();
  await finished(0);
  const before = await view.snapshot(ID, (await client.queries.status(NEVER)).revision, NEVER);
  const copy = structuredClone(before);
  await finished(1);
  await view.snapshot(ID, (await client.queries.status(NEVER)).revision, NEVER);
  expect(before).toEqual(copy);
});

test('a view that hears nothing for 10 s says NOT_READY instead of something old (rule 21)', async () => {
  await finished(0);
  const view = await freshView();
  expect(names(await view.find('orders', 0, NEVER))).toEqual(['0 COPY_SEGMENT_FINISHED']);
  world.door.isShut = true;
  world.door.breakStreams();
  await world.clock.advance(7_000);
  expect(await codeOf(view.find('orders', 0, NEVER))).toBe('none');
  await world.clock.advance(5_000);
  expect(await codeOf(view.find('orders', 0, NEVER))).toBe('NOT_READY');
  // The operator's page still shows what is known.
  expect(names(view.peek(ID))).toEqual(['0 COPY_SEGMENT_FINISHED']);
  world.door.isShut = false;
  await world.clock.advance(8_000);
  expect(await codeOf(view.find('orders', 0, NEVER))).toBe('none');
});

test('a late answer makes nothing look fresh: the question dates it (rule 21)', async () => {
  const view = await freshView();
  await view.snapshot(ID, claim.revision, NEVER);
  const { query } = world.door;
  const release = new AbortController();
  const held = once(release.signal, 'abort');
  world.door.query = async (request, signal) => {
    const answer = await query(request, signal);
    await held;
    return answer;
  };
  await world.clock.advance(15_000);
  release.abort();
  await settled();
  expect(await codeOf(view.find('orders', 0, NEVER))).toBe('NOT_READY');
  await world.clock.advance(6_000);
  expect(await codeOf(view.find('orders', 0, NEVER))).toBe('none');
});

test('a topic nobody ever claimed is NOT_FOUND, until somebody claims it', async () => {
  const view = await freshView();
  expect(await codeOf(view.find('payments', 0, NEVER))).toBe('NOT_FOUND');
  expect(await codeOf(view.find('payments', 0, NEVER))).toBe('NOT_FOUND');
  expect(await codeOf(view.find('orders', 7, NEVER))).toBe('NOT_FOUND');
  const id = { topicId: 'AAAAAAAAAAAAAAAAAAAAAg' as typeof TOPIC, partition: 0 };
  await client.ledger.claim(claimRequest({ id, topic: 'payments' }), NEVER);
  expect((await view.findLinearizable('payments', 0, NEVER)).id).toEqual(id);
});

test('a linearizable look sees what was committed before it', async () => {
  const view = await freshView();
  for (let number = 0; number < 5; number += 1) {
    await finished(number);
    expect(names(await view.findLinearizable('orders', 0, NEVER))).toHaveLength(number + 1);
  }
});

test('a deleted topic is gone by name and empty by id', async () => {
  await finished(0);
  const view = await freshView();
  await view.find('orders', 0, NEVER);
  await client.operator.deleteTopic(TOPIC, 'evidence', NEVER);
  expect(await codeOf(view.findLinearizable('orders', 0, NEVER))).toBe('NOT_FOUND');
  const { revision } = await client.queries.status(NEVER);
  const snapshot = await view.snapshot(ID, revision, NEVER);
  expect(snapshot).toMatchObject({ segments: [], lineage: [], remoteStart: 0n });
  expect(snapshot).toEqual({ ...(await truth()), revision: expect.anything() });
});

test('a topic that was made anew is found under its new id', async () => {
  const view = await freshView();
  await view.find('orders', 0, NEVER);
  await client.operator.deleteTopic(TOPIC, 'evidence', NEVER);
  const id = { topicId: 'AAAAAAAAAAAAAAAAAAAAAg' as typeof TOPIC, partition: 0 };
  await client.ledger.claim(claimRequest({ id }), NEVER);
  expect((await view.findLinearizable('orders', 0, NEVER)).id).toEqual(id);
});

test('after a break the feed goes on where it stopped', async () => {
  const view = await freshView();
  await view.snapshot(ID, claim.revision, NEVER);
  await finished(0);
  world.door.breakStreams();
  await finished(1);
  await world.clock.advance(5_000);
  expect(names(view.peek(ID))).toHaveLength(2);
});

test('history that was cut, or another incarnation, is loaded anew beside the old and swapped (rules 3, 6)', async () => {
  await finished(0);
  const view = await freshView();
  await view.snapshot(ID, claim.revision, NEVER);
  const { watch, listSegments } = world.door;
  let cuts = 1;
  world.door.watch = (request, signal) => {
    if (request.after !== undefined && cuts > 0) {
      cuts -= 1;
      // A history that ends before this one: what a restored metastore has.
      return watch({ ...request, after: { incarnation: 7, index: 1n } }, signal);
    }
    return watch(request, signal);
  };
  let isListing = false;
  world.door.listSegments = (request, signal) => {
    if (!isListing) throw new Error('not yet');
    return listSegments(request, signal);
  };
  world.door.breakStreams();
  await finished(1);
  await world.clock.advance(5_000);
  // The half-filled store does not answer; the old one does, as of before the break.
  expect(names(view.peek(ID))).toEqual(['0 COPY_SEGMENT_FINISHED']);
  isListing = true;
  await world.clock.advance(8_000);
  expect(names(view.peek(ID))).toHaveLength(2);
});

test('random histories: the view says what a fresh load says', async () => {
  const view = await freshView();
  await view.snapshot(ID, START, NEVER);
  for (let step = 0; step < 60; step += 1) {
    const number = (step * 7) % 25;
    const id = segmentName(number);
    const acts = [
      () => client.ledger.startCopy(claim, intent(number), NEVER),
      () => client.ledger.finishCopy(claim, id, NEVER),
      () => client.ledger.abortCopy(claim, id, 'random', NEVER),
      () => client.ledger.deleteSegments(claim, 0n, [{ segmentId: id, reason: 'OPERATOR' }], NEVER),
    ];
    await codeOf(acts[(step * 5 + Math.floor(step / 9)) % acts.length]!());
    if (step % 13 === 5) world.door.breakStreams();
    if (step % 17 === 9) view.leave(ID);
    const { revision } = await client.queries.status(NEVER);
    const waiting = view.snapshot(ID, revision, NEVER);
    await world.clock.advance(3_000, 500);
    const seen = await waiting;
    if (step % 10 === 9) expect(seen.segments).toEqual((await truth()).segments);
  }
});

test('a stopped view rejects who waits and asks for nothing more', async () => {
  const view = await freshView();
  await view.stop();
  await view.stop();
  expect(await codeOf(view.snapshot(ID, claim.revision, NEVER))).toBe('ABORTED');
});
