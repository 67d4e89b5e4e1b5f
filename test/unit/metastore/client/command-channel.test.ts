import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import type { CommandResult } from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { partitionKey } from '../../../../src/segment/ids.ts';
import { settled } from '../../../support/metastore-clock.ts';
import {
  claimRequest,
  codeOf,
  intent,
  MetastoreWorld,
  NEVER,
  segmentName,
  TOPIC,
} from '../../../support/metastore-world.ts';

let world: MetastoreWorld;
beforeEach(async () => {
  world = await MetastoreWorld.open();
});
afterEach(async () => {
  await world.close();
});

test('a copy goes from intent to commit, and its record names the claim', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest({ initialRemoteStart: 7n }), NEVER);
  expect(claim).toMatchObject({ leaderEpoch: 0, remoteStart: 7n, token: claim.revision });
  const record = await ledger.startCopy(claim, intent(0), NEVER);
  expect(record).toMatchObject({
    state: 'COPY_SEGMENT_STARTED',
    fenceToken: claim.token,
    eventTimestampMs: world.clock.wallMs(),
  });
  await ledger.recordUpload(claim, segmentName(0), 'upload-1', NEVER);
  await ledger.finishCopy(claim, segmentName(0), NEVER);
  expect(await ledger.startCopy(claim, intent(0), NEVER)).toMatchObject({
    state: 'COPY_SEGMENT_FINISHED',
    uploadIds: [],
  });
});

test('a commit whose reply is lost is repeated under its number and answered once (rule 4)', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  await ledger.startCopy(claim, intent(0), NEVER);
  world.door.accidents.push('reply lost', 'request lost', 'reply lost');
  const commit = ledger.finishCopy(claim, segmentName(0), NEVER);
  await world.clock.advance(5_000);
  await commit;
  // And then an abort finds that it counts as done.
  expect(await ledger.abortCopy(claim, segmentName(0), 'file gone', NEVER)).toBe('finished');
});

test('who is told of an election asks again at least twice a second', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  world.log.mishaps.push(...Array.from({ length: 20 }, () => 'NOT_LEADER' as const));
  const started = ledger.startCopy(claim, intent(0), NEVER);
  let isAnswered = false;
  void started.then(() => (isAnswered = true));
  // 20 waits of half a second at most; those of an outage would add up to 15 s at least.
  await world.clock.advance(12_000);
  expect(isAnswered).toBe(true);
  expect((await started).state).toBe('COPY_SEGMENT_STARTED');
});

test('an answer that the log itself lost is asked for again', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  world.log.mishaps.push('REPLY_LOST', 'REQUEST_LOST', 'NOT_LEADER', 'OVERLOADED');
  const started = ledger.startCopy(claim, intent(0), NEVER);
  await world.clock.advance(10_000);
  expect((await started).state).toBe('COPY_SEGMENT_STARTED');
});

test('what is submitted together goes in one call, and each gets its own answer', async () => {
  const { ledger, channel } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  const before = world.door.mutations;
  const copies = Array.from({ length: 50 }, (_, at) => ledger.startCopy(claim, intent(at), NEVER));
  const records = await Promise.all(copies);
  expect(records.map((record) => record.segmentId)).toEqual(
    Array.from({ length: 50 }, (_, at) => segmentName(at)),
  );
  expect(world.door.mutations - before).toBe(1);
  expect(channel.clusterId).toBe('cluster-A');
});

test('a refused command rejects alone; those around it succeed', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  const outcomes = await Promise.all([
    codeOf(ledger.startCopy(claim, intent(0), NEVER)),
    codeOf(ledger.finishCopy(claim, segmentName(99), NEVER)),
    codeOf(ledger.startCopy(claim, intent(1), NEVER)),
  ]);
  expect(outcomes).toEqual(['none', 'NOT_FOUND', 'none']);
});

test('a lost session is renewed, and what was under way is not sent again (rule 22)', async () => {
  const { ledger, channel } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  const { mutate } = world.door;
  // A metastore that was restored no longer knows the session.
  let forgets = true;
  world.door.mutate = async (request, signal) => {
    if (!forgets) return await mutate(request, signal);
    forgets = false;
    const refused = { $case: 'refused', value: { code: 'SESSION_EXPIRED', message: '' } } as const;
    const results = request.commands.map(({ seq }): CommandResult => ({
      seq,
      revision: { incarnation: 1, index: 9n },
      results: [{ result: refused }],
    }));
    return { results };
  };
  expect(await codeOf(ledger.startCopy(claim, intent(0), NEVER))).toBe('OUTCOME_UNKNOWN');
  // The claim is the same process's own, so it goes on under the new session.
  expect(await codeOf(ledger.startCopy(claim, intent(1), NEVER))).toBe('none');
  const { answer } = await world.client().queries.ask(
    {
      $case: 'segment',
      value: { partition: { topicId: TOPIC, partition: 0 }, segmentId: segmentName(0) },
    },
    NEVER,
  );
  expect(answer).toEqual({ $case: 'segment', value: { segment: undefined } });
  expect(channel.brokerId).toBe(1);
});

test('what comes after a call that cannot be repeated begins a new session, without a gap', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  const { mutate } = world.door;
  world.door.mutate = () => {
    world.door.mutate = mutate;
    throw new LogtierError('INVALID_ARGUMENT', 'on demand');
  };
  expect(await codeOf(ledger.startCopy(claim, intent(0), NEVER))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(ledger.startCopy(claim, intent(1), NEVER))).toBe('none');
});

test('who leaves before the command is sent knows that it was not; later nobody knows', async () => {
  const { ledger } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  world.door.isShut = true;
  const [sent, waiting] = [new AbortController(), new AbortController()];
  const first = codeOf(ledger.startCopy(claim, intent(0), sent.signal));
  await settled();
  const second = codeOf(ledger.startCopy(claim, intent(1), waiting.signal));
  await settled();
  sent.abort();
  waiting.abort();
  expect([await first, await second]).toEqual(['OUTCOME_UNKNOWN', 'ABORTED']);
  world.door.isShut = false;
  await world.clock.advance(5_000);
  expect(await codeOf(ledger.startCopy(claim, intent(1), NEVER))).toBe('none');
});

test('more commands than may wait are refused at once', async () => {
  const { channel } = world.client();
  world.door.isShut = true;
  const submits = Array.from({ length: 10_001 }, () =>
    codeOf(channel.submit([{ $case: 'acquireLease', value: { lease: 'a', ttlMs: 1n } }], NEVER)),
  );
  const last = await submits.at(-1);
  expect(last).toBe('OVERLOADED');
  await channel.stop();
  expect(new Set(await Promise.all(submits))).toEqual(new Set(['OVERLOADED', 'ABORTED']));
});

test('no command is larger than the metastore takes', async () => {
  const { channel } = world.client();
  const lease = {
    $case: 'acquireLease',
    value: { lease: 'x'.repeat(500_000), ttlMs: 1n },
  } as const;
  expect(await codeOf(channel.submit([lease], NEVER))).toBe('INVALID_ARGUMENT');
  expect(await codeOf(channel.submit([], NEVER))).toBe('INVALID_ARGUMENT');
});

test('an older process of the same broker learns that it was replaced (rule 27)', async () => {
  const [older, younger] = [world.client(1, 'older'), world.client(1, 'younger')];
  const claim = await older.ledger.claim(claimRequest(), NEVER);
  await younger.ledger.claim(claimRequest(), NEVER);
  expect(await codeOf(older.ledger.finishCopy(claim, segmentName(0), NEVER))).toBe(
    'FENCED_INSTANCE',
  );
  expect(await codeOf(older.ledger.claim(claimRequest(), NEVER))).toBe('FENCED_INSTANCE');
});

test('a crash of the metastore in mid-batch loses no answered command and applies none twice', async () => {
  const { ledger, queries } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  for (let round = 0; round < 10; round += 1) {
    const numbers = [0, 1, 2].map((at) => round * 3 + at);
    const copies = numbers.map((at) => codeOf(ledger.startCopy(claim, intent(at), NEVER)));
    await settled(round % 4);
    await world.crash(Math.min(round % 5, world.engines.unflushedBatches));
    await world.clock.advance(5_000);
    expect(await Promise.all(copies)).toEqual(['none', 'none', 'none']);
  }
  const { partitions } = await queries.partitions({ topic: 'orders' }, NEVER);
  expect(partitions.map(({ openIntents }) => openIntents)).toEqual([30n]);
});

test('deletes move the remote start, end the records and queue the objects, all in one command', async () => {
  const { ledger, eraseQueue } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  for (const number of [0, 1, 2]) {
    await ledger.startCopy(claim, intent(number), NEVER);
    await ledger.finishCopy(claim, segmentName(number), NEVER);
  }
  const reason = 'RETENTION_TIME' as const;
  const ofTwo = [0, 1].map((number) => ({ segmentId: segmentName(number), reason }));
  // The second segment reaches above the start: nothing happens at all.
  expect(await codeOf(ledger.deleteSegments(claim, 150n, ofTwo, NEVER))).toBe('ILLEGAL_TRANSITION');
  expect((await eraseQueue.due([], 10, NEVER)).objects).toEqual([]);
  await ledger.deleteSegments(claim, 200n, ofTwo, NEVER);
  const due = await eraseQueue.due(['main'], 10, NEVER);
  expect(due.objects.map(({ objectKey, everFinished }) => ({ objectKey, everFinished }))).toEqual(
    [0, 1].map((number) => ({ objectKey: intent(number).objectKey, everFinished: true })),
  );
  expect((await eraseQueue.due(['other'], 10, NEVER)).objects).toEqual([]);
  for (const task of due.objects) await eraseQueue.erased(task, NEVER);
  expect((await eraseQueue.due([], 10, NEVER)).objects).toEqual([]);
  const view = await world.view();
  const snapshot = await view.snapshot(claim.id, claim.revision, NEVER);
  expect(snapshot.remoteStart).toBe(200n);
  expect(snapshot.segments.map(({ segmentId }) => segmentId)).toEqual([segmentName(2)]);
  expect(partitionKey(snapshot.id)).toBe(partitionKey(claim.id));
});

test('an aborted copy is erased twice, a late window apart, before it is forgotten (rule 24)', async () => {
  const { ledger, eraseQueue } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  await ledger.startCopy(claim, intent(0), NEVER);
  await ledger.recordUpload(claim, segmentName(0), 'upload-1', NEVER);
  expect(await ledger.abortCopy(claim, segmentName(0), 'test', NEVER)).toBe('aborted');
  expect(await ledger.abortCopy(claim, segmentName(0), 'again', NEVER)).toBe('aborted');
  const [task] = (await eraseQueue.due([], 10, NEVER)).objects;
  expect(task).toMatchObject({ everFinished: false, passes: 0, uploadIds: ['upload-1'] });
  expect(await codeOf(eraseQueue.erased(task!, NEVER))).toBe('ILLEGAL_TRANSITION');
  await eraseQueue.passed(task!, 3_600_000, NEVER);
  expect((await eraseQueue.due([], 10, NEVER)).objects).toEqual([]);
  expect(await codeOf(eraseQueue.erased(task!, NEVER))).toBe('ILLEGAL_TRANSITION');
  await world.clock.advance(3_700_000, 50_000);
  expect((await eraseQueue.due([], 10, NEVER)).objects).toEqual([{ ...task, passes: 1 }]);
  await eraseQueue.erased(task!, NEVER);
  expect((await eraseQueue.due([], 10, NEVER)).objects).toEqual([]);
});

test('a jump of the clock stops retention and waits until an operator confirms it (rule 8)', async () => {
  const { ledger, queries, operator, eraseQueue } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  await ledger.startCopy(claim, intent(0), NEVER);
  await ledger.finishCopy(claim, segmentName(0), NEVER);
  world.clock.jumpWall(2 * 3_600_000);
  const doomed = [{ segmentId: segmentName(0), reason: 'RETENTION_TIME' as const }];
  expect(await codeOf(ledger.deleteSegments(claim, 100n, doomed, NEVER))).toBe('CLOCK_SKEW');
  expect(await queries.read(NEVER)).toEqual({ wallMs: world.clock.wallMs(), held: true });
  // Copies go on, and so does what no clock drives.
  expect((await ledger.startCopy(claim, intent(1), NEVER)).state).toBe('COPY_SEGMENT_STARTED');
  const wrongMs = world.clock.wallMs() + 5 * 3_600_000;
  expect(await codeOf(operator.confirmClock(wrongMs, 'ann', NEVER))).toBe('CLOCK_SKEW');
  await operator.confirmClock(world.clock.wallMs(), 'ann', NEVER);
  await ledger.deleteSegments(claim, 100n, doomed, NEVER);
  expect((await eraseQueue.due([], 10, NEVER)).objects).toHaveLength(1);
});

test('a lease is held by one client until it runs out by the replicated clock (rule 25)', async () => {
  const [one, other] = [world.client(1), world.client(2)];
  expect(await one.eraseQueue.lease('share-0', 30_000, NEVER)).toBe(true);
  expect(await other.eraseQueue.lease('share-0', 30_000, NEVER)).toBe(false);
  expect(await other.eraseQueue.lease('share-1', 30_000, NEVER)).toBe(true);
  expect(await one.eraseQueue.lease('share-0', 30_000, NEVER)).toBe(true);
  await world.clock.advance(31_000, 1_000);
  expect(await other.eraseQueue.lease('share-0', 30_000, NEVER)).toBe(true);
});

test('a deleted topic leaves one prefix a store to erase, and nothing of it comes back (rules 5, 23)', async () => {
  const { ledger, operator, eraseQueue, queries } = world.client();
  const claim = await ledger.claim(claimRequest(), NEVER);
  await ledger.startCopy(claim, intent(0), NEVER);
  await ledger.finishCopy(claim, segmentName(0), NEVER);
  await ledger.startCopy(claim, intent(1), NEVER);
  await ledger.recordUpload(claim, segmentName(1), 'upload-9', NEVER);
  await operator.deleteTopic(TOPIC, 'RemoveTopicRecord at offset 12', NEVER);
  await operator.deleteTopic(TOPIC, 'said twice', NEVER);
  const { objects, prefixes } = await eraseQueue.due([], 10, NEVER);
  expect(objects.map(({ uploadIds }) => uploadIds)).toEqual([['upload-9']]);
  const keyPrefix = `tier/cluster-A/orders-${TOPIC}/0/`;
  expect(prefixes).toEqual([{ id: claim.id, store: 'main', keyPrefix, emptyListings: 0 }]);
  expect(await codeOf(ledger.finishCopy(claim, segmentName(1), NEVER))).toBe('TOPIC_DELETED');
  expect(await codeOf(ledger.claim(claimRequest({ leaderEpoch: 9 }), NEVER))).toBe('TOPIC_DELETED');
  expect(await queries.status(NEVER)).toMatchObject({ segments: 0n, eraseQueue: 1n });
  // Two empty listings a grace apart end the entry; one in between that is not empty starts anew.
  const [prefix] = prefixes;
  for (const empty of [true, false, true, true]) {
    expect((await eraseQueue.due([], 10, NEVER)).prefixes).toHaveLength(1);
    await eraseQueue.listed(prefix!, empty, 60_000, NEVER);
    expect((await eraseQueue.due([], 10, NEVER)).prefixes).toHaveLength(0);
    await world.clock.advance(70_000, 10_000);
  }
  expect((await eraseQueue.due([], 10, NEVER)).prefixes).toEqual([]);
});

test('an operator releases and resets claims (rules 26, 32)', async () => {
  const [one, other] = [world.client(1), world.client(2)];
  const claim = await one.ledger.claim(claimRequest({ leaderEpoch: 5 }), NEVER);
  const wanted = claimRequest({ leaderEpoch: 5 });
  expect(await codeOf(other.ledger.claim(wanted, NEVER))).toBe('FENCED_LEADER_EPOCH');
  await one.operator.releaseClaim(claim.id, claim.token, NEVER);
  expect(await codeOf(other.ledger.claim(wanted, NEVER))).toBe('none');
  await one.operator.resetClaim(TOPIC, 'ann', NEVER);
  expect(await codeOf(other.ledger.claim(claimRequest({ leaderEpoch: 0 }), NEVER))).toBe('none');
});
