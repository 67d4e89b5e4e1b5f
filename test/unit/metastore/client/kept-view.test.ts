// A view that is kept on disk: what a restarted sidecar knows, and what it asks for.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ListSegmentsRequest, WatchRequest } from '../../../../src/gen/logtier/v1/catalog.ts';
import { diskViewHome } from '../../../../src/metastore/client/disk-view-home.ts';
import type { LocalView } from '../../../../src/metastore/client/local-view.ts';
import type {
  KeptPartition,
  ViewHome,
  ViewKeeper,
} from '../../../../src/metastore/client/view-home.ts';
import { MemoryStore } from '../../../../src/metastore/engine/memory-engine.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import type { PartitionSnapshot } from '../../../../src/segment/segment-record.ts';
import type { Claim } from '../../../../src/uploader/segment-ledger.ts';
import { CLUSTER } from '../../../support/metastore-catalog.ts';
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
const OTHER = { topicId: TOPIC, partition: 1 };

let world: MetastoreWorld;
let client: TestMetastoreClient;
let claim: Claim;
let kept: MemoryStore;
let watches: WatchRequest[];
let lists: ListSegmentsRequest[];

beforeEach(async () => {
  world = await MetastoreWorld.open();
  client = world.client();
  claim = await client.ledger.claim(claimRequest(), NEVER);
  kept = new MemoryStore();
  watches = [];
  lists = [];
  const { watch, listSegments } = world.door;
  world.door.watch = (request, signal) => {
    watches.push(request);
    return watch(request, signal);
  };
  world.door.listSegments = (request, signal) => {
    lists.push(request);
    return listSegments(request, signal);
  };
});
afterEach(async () => {
  await world.close();
});

async function viewOn(store: MemoryStore, clusterId = CLUSTER): Promise<LocalView> {
  const engine = await store.open();
  return await world.view(diskViewHome({ engine, logger: silentLogger }, clusterId));
}

async function finished(number: number, of: Claim = claim): Promise<void> {
  await client.ledger.startCopy(of, intent(number, of.id.partition), NEVER);
  await client.ledger.finishCopy(of, segmentName(number), NEVER);
}

async function newest(view: LocalView, id = ID): Promise<PartitionSnapshot> {
  const { revision } = await client.queries.status(NEVER);
  const waiting = view.snapshot(id, revision, NEVER);
  await world.clock.advance(3_000, 500);
  return await waiting;
}

function names(snapshot: PartitionSnapshot | undefined): string[] | undefined {
  return snapshot?.segments.map(({ startOffset, state }) => `${startOffset} ${state}`);
}

test('a restarted view answers from its disk, and goes on from its revision without loading again', async () => {
  await finished(0);
  const first = await viewOn(kept);
  const before = await newest(first);
  await first.stop();
  await finished(1);
  world.door.isShut = true;
  lists.length = 0;
  watches.length = 0;
  const second = await viewOn(kept);
  // Cut off it knows what it knew, and says NOT_READY to who needs it fresh.
  expect(second.peek(ID)).toEqual(before);
  expect(await codeOf(second.find('orders', 0, NEVER))).toBe('NOT_READY');
  world.door.isShut = false;
  const after = await newest(second);
  expect(names(after)).toEqual(['0 COPY_SEGMENT_FINISHED', '100 COPY_SEGMENT_FINISHED']);
  expect((await second.find('orders', 0, NEVER)).segments).toEqual(after.segments);
  expect(lists).toEqual([]);
  for (const { after: from } of watches) expect(from).toEqual(before.revision);
});

test('after a power loss an older position comes back with the rows of that position', async () => {
  for (let lost = 0; lost < 8; lost += 1) {
    const store = new MemoryStore();
    const first = await viewOn(store);
    await newest(first);
    const base = names(await newest(first))!.length;
    await finished(base);
    await finished(base + 1);
    await newest(first);
    store.crash(lost);
    await first.stop();
    const second = await viewOn(store);
    const seen = second.peek(ID);
    const all = names(await newest(second));
    expect(all).toHaveLength(base + 2);
    if (seen !== undefined) expect(all).toEqual(expect.arrayContaining(finishedOf(seen)));
    await second.stop();
  }
});

function finishedOf(snapshot: PartitionSnapshot): string[] {
  return names(snapshot)!.filter((name) => name.endsWith('COPY_SEGMENT_FINISHED'));
}

async function nextHome(): Promise<ViewHome> {
  return diskViewHome({ engine: await kept.open(), logger: silentLogger }, CLUSTER);
}

function loadedAt(index: bigint): KeptPartition {
  return { id: ID, loadedAt: { incarnation: 1, index }, row: undefined, segments: [] };
}

test('a view that was not whole yet is read by nobody: the one before it comes back, or none (rule 3)', async () => {
  const keepWhole = (keeper: ViewKeeper, index: bigint): void => {
    keeper.keep({ incarnation: 1, index }, [{ kind: 'whole', partition: loadedAt(index) }]);
  };
  const first = await nextHome();
  keepWhole(first.begin(), 5n);
  await first.stop();
  const second = await nextHome();
  expect(await second.restored()).toBeUndefined();
  const live = second.begin();
  keepWhole(live, 6n);
  second.live(live);
  keepWhole(second.begin(), 7n);
  await second.stop();
  const third = await nextHome();
  expect((await third.restored())?.view).toEqual({
    position: { incarnation: 1, index: 6n },
    partitions: [loadedAt(6n)],
    topics: new Map(),
  });
  await third.stop();
});

test('the feed is filtered at the source: no segment of a partition that nobody here asked for comes', async () => {
  const other = await client.ledger.claim(claimRequest({ id: OTHER }), NEVER);
  const seen: string[] = [];
  const { watch } = world.door;
  world.door.watch = async function* (request, signal) {
    for await (const message of watch(request, signal)) {
      for (const { event } of message.events) {
        if (event?.$case === 'segment') seen.push(`${event.value.partition}`);
      }
      yield message;
    }
  };
  const view = await viewOn(kept);
  await newest(view);
  await finished(0);
  await finished(1, other);
  expect(names(await newest(view))).toHaveLength(1);
  expect(new Set(seen)).toEqual(new Set(['0']));
  // From here on it is wanted, whole and followed.
  expect(names(await newest(view, OTHER))).toHaveLength(1);
  await finished(2, other);
  expect(names(await newest(view, OTHER))).toHaveLength(2);
  expect(new Set(seen)).toEqual(new Set(['0', '1']));
  expect(watches.at(-1)?.filter?.partitions).toEqual([ID, OTHER]);
});

test('what is written while the filter widens is neither lost nor shown half (rule 3)', async () => {
  const claims = [claim];
  for (let partition = 1; partition < 6; partition += 1) {
    const id = { topicId: TOPIC, partition };
    claims.push(await client.ledger.claim(claimRequest({ id }), NEVER));
  }
  const view = await viewOn(kept);
  const acts: Promise<unknown>[] = [];
  for (const [at, of] of claims.entries()) {
    acts.push(finished(at, of), view.snapshot(of.id, of.revision, NEVER), finished(at + 10, of));
    await settled(at);
  }
  await Promise.all(acts);
  for (const of of claims) expect(names(await newest(view, of.id))).toHaveLength(2);
});

test('others’ changes do not hold up who waits for a revision', async () => {
  const other = await client.ledger.claim(claimRequest({ id: OTHER }), NEVER);
  const view = await viewOn(kept);
  await newest(view);
  await finished(0, other);
  const waiting = view.findLinearizable('orders', 0, NEVER);
  await world.clock.advance(100, 10);
  expect((await waiting).id).toEqual(ID);
});

test('a view of another Kafka cluster, or of another history, is thrown away (rule 6)', async () => {
  await finished(0);
  const first = await viewOn(kept);
  await newest(first);
  await first.stop();
  const foreign = await viewOn(kept, 'cluster-B');
  expect(foreign.peek(ID)).toBeUndefined();
  await foreign.stop();
  const again = await viewOn(kept);
  expect(again.peek(ID)).toBeUndefined();
  expect(names(await newest(again))).toHaveLength(1);
  await again.stop();
  const { watch } = world.door;
  let isRestored = true;
  world.door.watch = (request, signal) => {
    if (!isRestored || request.after === undefined) return watch(request, signal);
    isRestored = false;
    return watch({ ...request, after: { incarnation: 7, index: 1n } }, signal);
  };
  lists.length = 0;
  const last = await viewOn(kept);
  await finished(1);
  await world.clock.advance(5_000, 500);
  expect(names(await newest(last))).toHaveLength(2);
  expect(lists).toHaveLength(1);
  await last.stop();
  // What took its place is what was kept.
  world.door.isShut = true;
  expect(names((await viewOn(kept)).peek(ID))).toHaveLength(2);
});

test('what was asked for by nobody for an hour is let go, on disk too', async () => {
  await finished(0);
  const first = await viewOn(kept);
  await newest(first);
  await world.clock.advance(3_700_000, 60_000);
  expect(first.peek(ID)).toBeUndefined();
  await first.stop();
  expect((await viewOn(kept)).peek(ID)).toBeUndefined();
});

test('a deleted topic is gone from the disk too', async () => {
  await finished(0);
  const first = await viewOn(kept);
  await newest(first);
  await client.operator.deleteTopic(TOPIC, 'evidence', NEVER);
  const before = await newest(first);
  await first.stop();
  world.door.isShut = true;
  expect((await viewOn(kept)).peek(ID)).toEqual({ ...before, segments: [] });
});

test('a disk that fails leaves a view in memory', async () => {
  const engine = await kept.open();
  const full = { ...engine, get: () => Promise.reject(new Error('no')) };
  Object.setPrototypeOf(full, engine);
  const view = await world.view(diskViewHome({ engine: full, logger: silentLogger }, CLUSTER));
  await finished(0);
  expect(names(await newest(view))).toHaveLength(1);
});

test('the view says how far behind it is, in time and in revisions', async () => {
  const view = await viewOn(kept);
  await newest(view);
  expect(view.lag().revisions).toBe(0);
  const { watch } = world.door;
  world.door.watch = () => {
    throw new Error('cut off');
  };
  world.door.breakStreams();
  await finished(0);
  await world.clock.advance(6_000, 500);
  const { silentMs, revisions } = view.lag();
  expect(revisions).toBeGreaterThanOrEqual(2);
  expect(silentMs).toBeGreaterThan(4_000);
  world.door.watch = watch;
  await world.clock.advance(20_000, 500);
  expect(view.lag()).toEqual({ silentMs: expect.any(Number), revisions: 0 });
});
