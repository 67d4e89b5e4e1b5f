import { afterEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { failingStore } from '../../../src/store/decorators/failing.ts';
import { decideOrphans } from '../../../src/uploader/orphans.ts';
import { MemoryLedger } from '../../support/memory-ledger.ts';
import { plainBatches } from '../../support/kafka-files.ts';
import { closedSegment, partitionSnapshot, segmentRecord } from '../../support/segment-records.ts';
import { removeWorlds, uploadWorld, type UploadWorld } from '../../support/upload-world.ts';

afterEach(removeWorlds);

const started = { state: 'COPY_SEGMENT_STARTED', brokerId: 2 } as const;

function decide(
  segments: readonly ReturnType<typeof segmentRecord>[],
  closed: readonly ReturnType<typeof closedSegment>[],
  more: Parameters<typeof partitionSnapshot>[1] = {},
) {
  const snapshot = partitionSnapshot(segments, more);
  const input = { snapshot, closed, brokerId: 1, inFlight: new Set<string>() };
  return decideOrphans(input).map(({ record: _record, ...decision }) => decision);
}

test('rule 10: an intent whose records are remote already is aborted', () => {
  const orphan = segmentRecord([5, 15], started);
  const remote = [segmentRecord([0, 10]), segmentRecord([10, 20])];
  expect(decide([...remote, orphan], [])).toEqual([{ kind: 'abort', why: 'COVERED' }]);
});

test('rule 10: an intent whose records are on our own disk is aborted', () => {
  const orphan = segmentRecord([5, 25], started);
  expect(decide([orphan], [closedSegment(0, 10), closedSegment(10, 30)])).toEqual([
    { kind: 'abort', why: 'ON_OWN_DISK' },
  ]);
});

test('rule 10: remote and local together may hold what an intent held', () => {
  const orphan = segmentRecord([5, 25], started);
  expect(decide([segmentRecord([0, 12]), orphan], [closedSegment(10, 30)])).toEqual([
    { kind: 'abort', why: 'ON_OWN_DISK' },
  ]);
});

test('rule 10: an intent with records that nobody else holds is looked at, never erased', () => {
  const orphan = segmentRecord([5, 25], started);
  expect(decide([orphan], [closedSegment(10, 30)])).toEqual([{ kind: 'verify' }]);
  expect(decide([orphan], [closedSegment(0, 20)])).toEqual([{ kind: 'verify' }]);
  expect(decide([orphan], [closedSegment(0, 10), closedSegment(15, 30)])).toEqual([
    { kind: 'verify' },
  ]);
});

test('what lies below the remote start needs no copy', () => {
  const orphan = segmentRecord([5, 25], started);
  expect(decide([orphan], [], { remoteStart: 25n })).toEqual([{ kind: 'abort', why: 'COVERED' }]);
});

test('rule 11: our own intent that the plan takes up again is left alone, a second one goes', () => {
  const own = segmentRecord([0, 10], { ...started, brokerId: 1 });
  const second = segmentRecord([0, 10], { ...own, segmentId: segmentRecord([1, 2]).segmentId });
  expect(decide([own, second], [closedSegment(0, 10)])).toEqual([
    { kind: 'resume' },
    { kind: 'abort', why: 'ON_OWN_DISK' },
  ]);
});

test('an intent that a copy works on right now is left alone', () => {
  const own = segmentRecord([0, 10], started);
  const snapshot = partitionSnapshot([own]);
  const inFlight = new Set([own.segmentId]);
  expect(decideOrphans({ snapshot, closed: [], brokerId: 1, inFlight })).toEqual([]);
});

/** Broker 1 is fenced by broker 2 right before its commit; the object stands in the store. */
async function fencedWorld(options: Parameters<typeof uploadWorld>[0] = {}): Promise<UploadWorld> {
  const world = await uploadWorld(options);
  const claim = await world.claim();
  world.faults({
    before: async (method) => {
      if (method === 'finishCopy') await world.claimBy(2, 8);
    },
  });
  await expect(world.copy(claim)).rejects.toMatchObject({ code: 'FENCED_LEADER_EPOCH' });
  world.ledger = new MemoryLedger(world.catalog, 2);
  return world;
}

test('rule 10: a fenced writer’s whole object is adopted when it is the only copy', async () => {
  const world = await fencedWorld();
  const claim = await world.claim(8);
  const { outcomes } = await world.settleOrphans(claim, []);
  expect(outcomes).toEqual([{ kind: 'adopted' }]);
  expect(world.finished()).toMatchObject([
    { brokerId: 1, adopted: true, fenceToken: claim.token, uploadIds: [] },
  ]);
  expect(world.unaccounted()).toEqual([]);
});

test('rule 10: a damaged object that may be the only copy is reported, not erased', async () => {
  const world = await fencedWorld();
  for (const object of world.objects.objects.values()) object.bytes[4000]! ^= 1;
  const { outcomes } = await world.settleOrphans(await world.claim(8), []);
  expect(outcomes).toEqual([
    {
      kind: 'reported',
      findings: expect.arrayContaining(['log: chunk 0 fails its checksum']),
    },
  ]);
  expect(world.catalog.records()).toMatchObject([{ state: 'COPY_SEGMENT_STARTED' }]);
  expect(world.objects.objects.size).toBe(1);
});

test('rule 10: a missing object of records that nobody holds is reported', async () => {
  const world = await fencedWorld();
  world.objects.objects.clear();
  const { outcomes } = await world.settleOrphans(await world.claim(8), []);
  expect(outcomes).toEqual([
    {
      kind: 'reported',
      findings: ['no object was stored, and the records are neither remote nor on this broker'],
    },
  ]);
});

test('rule 10: an object that is not the intent’s is reported', async () => {
  const world = await fencedWorld();
  const [record] = world.catalog.records();
  const segments = world.catalog.rows.get(`${world.id.topicId}:3`)!.segments;
  segments.set(record!.segmentId, { ...record!, nextOffset: record!.nextOffset + 1n });
  const { outcomes } = await world.settleOrphans(await world.claim(8), []);
  expect(outcomes).toEqual([
    { kind: 'reported', findings: ['record and object disagree in nextOffset'] },
  ]);
});

test('a store that does not answer decides nothing about an orphan', async () => {
  const world = await fencedWorld();
  const away = { op: 'stat', fault: { kind: 'fail', code: 'STORE_UNAVAILABLE' } } as const;
  world.store = failingStore([away], world.objects);
  await expect(world.settleOrphans(await world.claim(8), [])).rejects.toThrow(LogtierError);
  expect(world.catalog.records()).toMatchObject([{ state: 'COPY_SEGMENT_STARTED' }]);
});

test('rule 10: a new owner with the records on its own disk copies them again and queues the old object', async () => {
  const world = await fencedWorld({ segments: [plainBatches(100, { epoch: 7 })] });
  const claim = await world.claim(8);
  const [orphan] = world.catalog.records();
  const { outcomes } = await world.settleOrphans(claim);
  expect(outcomes).toEqual([{ kind: 'aborted' }]);
  expect(await world.copy(claim)).toMatchObject({ kind: 'copied' });
  expect(world.catalog.eraseQueue).toMatchObject([
    { objectKey: orphan?.objectKey, everFinished: false },
  ]);
  expect(world.unaccounted()).toEqual([]);
});
