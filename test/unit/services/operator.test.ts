import { afterEach, beforeEach, expect, test } from 'vitest';
import { decompress } from '../../../src/base/decompress.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import { connectOperator } from '../../../src/cli/connect.ts';
import type { OperatorCalls } from '../../../src/cli/operator-calls.ts';
import type { FetchedBatches } from '../../../src/broker/broker-view.ts';
import type { RemoteEvent } from '../../../src/operator/read-records.ts';
import { segmentMessage } from '../../../src/operator/catalog-messages.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { diskSpaceOf } from '../../../src/platform/disk-space.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import { defaultServeSettings, serve, type RpcServer } from '../../../src/rpc/serve.ts';
import { operatorService, type OperatorDeps } from '../../../src/services/operator.ts';
import { bytesSource } from '../../../src/store/byte-source.ts';
import { nobody, type ObjectStore } from '../../../src/store/object-store.ts';
import { buildSegment, plainBatches } from '../../support/kafka-files.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import {
  FakeCatalog,
  FakeUploader,
  localPartition,
  localSegment,
  offsetsFrom,
  ORDERS,
  queuedSegment,
  record,
  segmentNumbered,
  snapshot,
} from '../../support/operator-world.ts';

const never = new AbortController().signal;
const OBJECT_BYTES = 3_000_000;
const settings = {
  clusterId: 'cluster',
  brokerId: 1,
  brokerWaitMs: 1_000,
  metastoreWaitMs: 1_000,
  headroomAlarmMs: 3_600_000,
  logDirs: ['/kafka'],
  stateDir: '/state',
  checkMs: 5_000,
  freshMs: 10_000,
};

let catalog: FakeCatalog;
let uploader: FakeUploader;
let store: MemoryStore;
let server: RpcServer;
let calls: OperatorCalls;

async function remoteAsksBroker(): Promise<RemoteEvent> {
  await Promise.resolve();
  return { kind: 'verdict', verdict: { kind: 'ask-broker', offset: 0n } };
}

async function localRecords(): Promise<FetchedBatches> {
  const { log, nextOffset } = await buildSegment({ baseOffset: 0n, batches: plainBatches(10) });
  return {
    batches: log,
    highWatermark: nextOffset,
    lastStableOffset: nextOffset,
    logStartOffset: 0n,
    aborted: [],
  };
}

function deps(): OperatorDeps {
  return {
    uploader,
    catalog,
    acts: catalog,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
    disk: new MemoryDisk(),
    diskSpace: diskSpaceOf,
    cache: () => ({ isOn: true, words: '' }),
    decompress,
    stores: new Map<string, ObjectStore>([['main', store]]),
    remote: {
      async *fetch() {
        yield await remoteAsksBroker();
      },
    },
    broker: {
      brokerId: 1,
      offsets: offsetsFrom({ 'orders:0': { logEnd: 30n, earliestLocal: 0n } }),
      metadata: () => Promise.reject(new LogtierError('BROKER_UNAVAILABLE', 'away')),
      topicConfigs: () => Promise.resolve(new Map()),
      fetch: localRecords,
    },
  };
}

beforeEach(async () => {
  catalog = new FakeCatalog();
  uploader = new FakeUploader();
  store = new MemoryStore();
  uploader.all = [
    localPartition({ segments: [queuedSegment(0n, 10n), localSegment(10n, undefined)] }),
  ];
  catalog.snapshots = [
    snapshot([
      record(0, 0n, 10n, { objectBytes: OBJECT_BYTES }),
      record(1, 10n, 20n),
      record(2, 20n, 30n, { store: 'elsewhere' }),
    ]),
  ];
  const address = '127.0.0.1:0';
  server = await serve(
    { clock: systemClock, log: silentLogger },
    { ...defaultServeSettings, address },
    [operatorService(deps(), settings)],
  );
  calls = connectOperator(systemClock, server.address);
});

afterEach(async () => {
  calls.close();
  await server.stop();
});

async function collect<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
}

const nothing = { topic: 'absent', partition: 0 };

test('lists, describes and explains over the wire', async () => {
  const listed = await calls.listPartitions({ topic: '', partition: undefined }, never);
  expect(listed.partitions).toMatchObject([{ topic: 'orders', remoteSegments: 3n, logEnd: 30n }]);
  const described = await calls.describePartition({ topic: 'orders', partition: 0 }, never);
  expect(described.line).toEqual(listed.partitions[0]);
  expect(described).toMatchObject({ mode: 'watch', storesInUse: ['elsewhere', 'main'] });
  const explained = await calls.explain({ topic: 'orders', partition: undefined }, never);
  expect(explained.segments.map(({ state, reason }) => [state, reason])).toEqual([
    ['queued', 'QUEUED'],
    ['active', 'ACTIVE'],
  ]);
});

test('what is not there is NOT_FOUND, each with a hint', async () => {
  const asked = [
    calls.listPartitions(nothing, never),
    calls.describePartition(nothing, never),
    calls.explain(nothing, never),
    calls.getSegment({ segmentId: segmentNumbered(9) }, never),
    collect(
      calls.listRemoteSegments({ ...nothing, fromOffset: undefined, toOffset: undefined }, never),
    ),
    collect(calls.readObject({ segmentId: segmentNumbered(9), start: 0n, end: 0n }, never)),
  ];
  for (const answer of asked) {
    await expect(answer).rejects.toMatchObject({ code: 'NOT_FOUND', hint: expect.any(String) });
  }
  await expect(calls.getSegment({ segmentId: 'none' }, never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

test('a segment is found by its id, in the view or by asking the metastore', async () => {
  const found = { segment: segmentMessage(record(1, 10n, 20n)), topic: 'orders' };
  expect(await calls.getSegment({ segmentId: segmentNumbered(1) }, never)).toEqual(found);
  catalog.unloaded = [...catalog.snapshots];
  catalog.snapshots = [];
  expect(await calls.getSegment({ segmentId: segmentNumbered(1) }, never)).toEqual(found);
  const late = await calls.getSegment({ segmentId: segmentNumbered(2) }, never);
  expect(late.segment?.store).toBe('elsewhere');
});

test('lists the remote segments that touch a range of offsets', async () => {
  const asked = { topic: 'orders', partition: 0, fromOffset: 9n, toOffset: 20n };
  const pages = await collect(calls.listRemoteSegments(asked, never));
  expect(pages.flatMap(({ segments }) => segments.map(({ startOffset }) => startOffset))).toEqual([
    0n,
    10n,
  ]);
});

test('streams the record and then exactly the asked bytes of the object, no chunk over 1 MiB', async () => {
  const bytes = systemRandom.bytes(OBJECT_BYTES);
  await store.put('c/orders/0', bytesSource(bytes), nobody, never);
  const segmentId = segmentNumbered(0);
  const messages = await collect(
    calls.readObject({ segmentId, start: 1_000n, end: 2_500_000n }, never),
  );
  const [first, ...rest] = messages.map(({ message }) => message);
  expect(first).toEqual({
    $case: 'segment',
    value: segmentMessage(record(0, 0n, 10n, { objectBytes: OBJECT_BYTES })),
  });
  const chunks = rest.map((message) => (message?.$case === 'chunk' ? message.value : undefined));
  expect(chunks.every((chunk) => chunk !== undefined && chunk.length <= 2 ** 20)).toBe(true);
  const read = Buffer.concat(chunks.filter((chunk) => chunk !== undefined));
  expect(read.equals(bytes.subarray(1_000, 2_500_000))).toBe(true);
  const whole = await collect(calls.readObject({ segmentId, start: 0n, end: 0n }, never));
  const sizes = whole.map(({ message }) => (message?.$case === 'chunk' ? message.value.length : 0));
  expect(sizes.reduce((sum, size) => sum + size)).toBe(OBJECT_BYTES);
});

test('refuses bytes beyond an object, and names a store that is not configured here', async () => {
  const beyond = { segmentId: segmentNumbered(0), start: 0n, end: BigInt(OBJECT_BYTES + 1) };
  await expect(collect(calls.readObject(beyond, never))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const elsewhere = { segmentId: segmentNumbered(2), start: 0n, end: 0n };
  await expect(collect(calls.readObject(elsewhere, never))).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: "no store 'elsewhere' is configured here",
  });
});

test('reads records over the wire up to the count', async () => {
  const wanted = { topic: 'orders', partition: 0, fromOffset: 4n, count: 3n, committedOnly: true };
  const answers = await collect(calls.readRecords(wanted, never));
  const records = answers.flatMap((answer) => answer.records);
  expect(records.map(({ offset, tier, key }) => [offset, tier, key?.toString()])).toEqual([
    [4n, 'local', 'key-4'],
    [5n, 'local', 'key-5'],
    [6n, 'local', 'key-6'],
  ]);
});

test('watches tasks until the caller leaves', async () => {
  uploader.queued = 2;
  for await (const answer of calls.watchTasks({}, never)) {
    expect(answer.queued).toBe(2n);
    break;
  }
});

test('diagnoses with failures first', async () => {
  const { checks } = await calls.diagnose({}, never);
  const rank = checks.map(({ outcome }) => ['fail', 'warn', 'ok'].indexOf(outcome));
  expect(rank).toEqual(rank.toSorted((left, right) => left - right));
  expect(checks[0]).toMatchObject({ check: 'broker', outcome: 'fail' });
});

test('confirms the clock for someone who is named', async () => {
  await expect(calls.confirmClock({ confirmedBy: ' ' }, never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const answer = await calls.confirmClock({ confirmedBy: 'ada' }, never);
  expect(answer).toEqual({ replicatedClockMs: 99_000n });
  expect(catalog.acts).toEqual([expect.stringMatching(/^confirmed \d+ by ada$/)]);
});

test('releases a claim through its owner, else in the catalog, else tells that there is none', async () => {
  const name = { topic: 'orders', partition: 0 };
  await calls.releaseClaim(name, never);
  expect([uploader.released, catalog.acts]).toEqual([['orders-0'], []]);
  uploader.all = [];
  await calls.releaseClaim(name, never);
  expect(catalog.acts).toEqual([`released ${ORDERS}:0`]);
  const released = { ...catalog.snapshots[0]!.claim!, released: true };
  catalog.snapshots = [snapshot([], { claim: released })];
  await expect(calls.releaseClaim(name, never)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('resets the claims of a topic by its name, on the word of somebody (rule 32)', async () => {
  await expect(calls.resetClaim({ topic: 'orders', operator: ' ' }, never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const answer = await calls.resetClaim({ topic: 'orders', operator: 'ada' }, never);
  expect(answer).toEqual({ topicId: ORDERS, partitions: catalog.snapshots.length });
  expect(catalog.acts).toEqual([`reset ${ORDERS} by ada`]);
  const nobodys = calls.resetClaim({ topic: 'nothing', operator: 'ada' }, never);
  await expect(nobodys).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what the metastore does not answer is told as it is, not as an empty answer', async () => {
  catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no member answers', {
    hint: 'start one',
  });
  await expect(calls.getSegment({ segmentId: segmentNumbered(1) }, never)).rejects.toMatchObject({
    code: 'METASTORE_UNAVAILABLE',
    hint: 'start one',
  });
});
