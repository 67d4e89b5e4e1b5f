import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../../../src/platform/clock.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { WebhdfsClient } from '../../../../src/store/hdfs/webhdfs-client.ts';
import type { WebhdfsDeps, WebhdfsSettings } from '../../../../src/store/hdfs/webhdfs-client.ts';
import type { ByteSource } from '../../../../src/store/object-store.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { codeOf, collect, never } from '../../../support/store-probes.ts';
import { startWebhdfsFake } from '../../../support/webhdfs-fake.ts';
import type { FakeAct, FakeStep, WebhdfsFake } from '../../../support/webhdfs-fake.ts';

let fake: WebhdfsFake;
let second: WebhdfsFake;
beforeEach(async () => {
  [fake, second] = await Promise.all([startWebhdfsFake(), startWebhdfsFake()]);
});
afterEach(() => Promise.all([fake.stop(), second.stop()]));

/** For tests where somebody hangs; the others must not fail on a busy machine. */
const IMPATIENT = { idleTimeoutMs: 200 };

function clientOf(
  settings: Partial<WebhdfsSettings> = {},
  deps: Partial<WebhdfsDeps> = {},
): WebhdfsClient {
  return new WebhdfsClient(
    { clock: systemClock, reachDataNode: (named) => named, ...deps },
    {
      nameNodes: [fake.nameNodeUrl],
      user: 'tester',
      replication: 3,
      filePermission: '640',
      directoryPermission: '750',
      connectTimeoutMs: 5_000,
      idleTimeoutMs: 30_000,
      ...settings,
    },
  );
}

function strike(op: string, step: FakeStep, act: FakeAct): void {
  fake.faults.push({ op, step, act });
}

const source = (text: string): ByteSource => bytesSource(Buffer.from(text));
const opened = (client: WebhdfsClient, path: string, start: number, end: number) =>
  collect(client.open(path, { start, end }, never));

test('a CREATE says everything that a cluster could decide otherwise', async () => {
  await clientOf({ blockBytes: 1_048_576 }).create('/a/f', source('text'), never);
  const [first, then] = fake.requests;
  expect(first).toEqual({
    step: 'name',
    op: 'CREATE',
    path: '/a/f',
    query: {
      op: 'CREATE',
      overwrite: 'false',
      replication: '3',
      permission: '640',
      blocksize: '1048576',
      noredirect: 'true',
      'user.name': 'tester',
    },
  });
  expect([then?.step, then?.op, fake.requests.length]).toEqual(['data', 'CREATE', 2]);
  expect(fake.tree.bytes('/a/f').toString()).toBe('text');
});

test('a listing asks in the spelling that is not ignored', async () => {
  const client = clientOf();
  await client.makeDirectories('/a/b', never);
  await client.listBatch('/a', 'a', never);
  expect(fake.requests.at(-1)?.query).toEqual({
    op: 'LISTSTATUS_BATCH',
    startafter: 'a',
    'user.name': 'tester',
  });
});

test('characters of a path arrive as they are', async () => {
  const client = clientOf();
  const path = '/a/=3a,20^5b~c3~a9`x%41 +';
  await client.create(path, source('x'), never);
  await client.rename(path, '/a/y&z=1', never);
  expect(fake.tree.bytes('/a/y&z=1').toString()).toBe('x');
});

test('a source that gives too little or too much is never a whole file', async () => {
  for (const [index, given] of ['short', 'far too long'].entries()) {
    const liar: ByteSource = { ...source(given), sizeBytes: 8 };
    liar.read = () => source(given).read({ start: 0, end: given.length }, never);
    const outcome = codeOf(clientOf().create(`/liar-${index}`, liar, never));
    expect(await outcome).toBe('SOURCE_CHANGED');
    expect(fake.tree.nodes.get(`/liar-${index}`)?.bytes.length ?? 0).toBe(0);
  }
});

test.each([
  ['name', { kind: 'hang' }],
  ['data', { kind: 'hang' }],
  ['data', { kind: 'reset' }],
  ['data', { kind: 'forgetAnswer' }],
] as const)('a CREATE whose %s step meets %j is retryable', async (step, act) => {
  fake.faults.push({ op: 'CREATE', step, act, times: 9 });
  const body = bytesSource(sampleBytes(3_000_000));
  const client = clientOf(IMPATIENT);
  expect(await codeOf(client.create('/f', body, never))).toBe('STORE_UNAVAILABLE');
});

test.each([
  ['data', { kind: 'hang' }],
  ['data', { kind: 'reset' }],
  ['data', { kind: 'cut', bytes: 1000 }],
  ['data', { kind: 'cut', bytes: 1000, hangs: true }],
] as const)('an OPEN whose %s step meets %j is retryable', async (step, act) => {
  const client = clientOf();
  await client.create('/f', bytesSource(sampleBytes(200_000)), never);
  strike('OPEN', step, act);
  const hasty = clientOf(IMPATIENT);
  expect(await codeOf(opened(hasty, '/f', 0, 200_000))).toBe('STORE_UNAVAILABLE');
  expect(await opened(client, '/f', 5, 100)).toEqual(sampleBytes(200_000).subarray(5, 100));
});

test('a consumer may take its time: only the other side is watched', async () => {
  let nowMs = 0;
  const ticks = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    every: (_ms, tick) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
  };
  const client = clientOf({}, { clock });
  const bytes = sampleBytes(3_000_000);
  await client.create('/f', bytesSource(bytes), never);
  let count = 0;
  for await (const piece of client.open('/f', { start: 0, end: bytes.length }, never)) {
    count += piece.length;
    nowMs += 100_000;
    for (const tick of ticks) tick();
  }
  expect([count, ticks.size]).toEqual([bytes.length, 0]);
});

test('a loop that is left early closes the connection to the DataNode', async () => {
  const client = clientOf();
  await client.create('/f', bytesSource(sampleBytes(8_000_000)), never);
  for await (const piece of client.open('/f', { start: 0, end: 8_000_000 }, never)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  await expect.poll(() => fake.dataConnections(), { timeout: 15_000 }).toBe(0);
});

test('a standby NameNode sends us to the active one, which is asked first from then on', async () => {
  const client = clientOf({ nameNodes: [fake.nameNodeUrl, second.nameNodeUrl] });
  const message = 'Operation category READ is not supported in state standby';
  const act = { kind: 'refuse', status: 403, exception: 'StandbyException', message } as const;
  fake.faults.push({ op: 'MKDIRS', step: 'name', act });
  await client.makeDirectories('/a', never);
  await client.makeDirectories('/b', never);
  expect([fake.requests.length, [...second.tree.nodes.keys()]]).toEqual([1, ['/', '/a', '/b']]);
});

test('a NameNode that is gone sends us to the other one', async () => {
  const client = clientOf({ nameNodes: [fake.nameNodeUrl, second.nameNodeUrl] });
  await fake.stop();
  await client.makeDirectories('/a', never);
  expect([...second.tree.nodes.keys()]).toEqual(['/', '/a']);
});

test('a question on a connection that was just closed is asked again, a rename is not', async () => {
  const client = clientOf();
  await client.create('/f', source('x'), never);
  strike('GETFILESTATUS', 'name', { kind: 'reset' });
  expect((await client.status('/f', never)).sizeBytes).toBe(1);
  strike('RENAME', 'name', { kind: 'reset' });
  expect(await codeOf(client.rename('/f', '/g', never))).toBe('STORE_UNAVAILABLE');
  expect(fake.requests.filter(({ op }) => op === 'RENAME')).toHaveLength(1);
});

test('a DataNode that did not answer is avoided, until there is no other', async () => {
  const client = clientOf();
  strike('CREATE', 'data', { kind: 'reset' });
  expect(await codeOf(client.create('/f', source('x'), never))).toBe('STORE_UNAVAILABLE');
  await client.create('/g', source('x'), never);
  const asked = fake.requests.filter(({ step, path }) => step === 'name' && path === '/g');
  expect(asked.map(({ query }) => query['excludedatanodes'])).toEqual(['127.0.0.1', undefined]);
});

test('the DataNode is reached where the hook says', async () => {
  const named: string[] = [];
  const reachDataNode = (url: URL): URL => {
    named.push(url.host);
    const other = new URL(url);
    other.host = second.dataNodeHost;
    return other;
  };
  const client = clientOf({}, { reachDataNode });
  await client.create('/f', source('x'), never);
  expect([named, second.tree.bytes('/f').toString()]).toEqual([[fake.dataNodeHost], 'x']);
});

test('an answer that is longer than asked for is no answer', async () => {
  const client = clientOf();
  await client.create('/f', source('0123456789'), never);
  expect(await codeOf(opened(client, '/f', 5, 20))).toBe('STORE_REFUSED');
  expect(await codeOf(opened(client, '/f', 10, 20))).toBe('STORE_REFUSED');
});

test('the clock of the NameNode is read from its answer', async () => {
  const offByMs = (await clientOf().wallClockMs(never)) - Date.now();
  expect(Math.abs(offByMs)).toBeLessThan(60_000);
});
