// A real server and a real channel in one process, over a Unix socket.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import {
  CatalogServiceService,
  type QueryResponse,
  type WatchRequest,
  type WatchResponse,
} from '../../../src/gen/logtier/v1/catalog.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { openChannel, type RpcChannel } from '../../../src/rpc/channel.ts';
import type { CallContext } from '../../../src/rpc/method.ts';
import { defaultServeSettings, rpcService, type RpcServer, serve } from '../../../src/rpc/serve.ts';

const NEVER: AbortSignal = new AbortController().signal;
const { query, watch } = CatalogServiceService;
const REQUEST: WatchRequest = { clusterId: 'c', after: undefined, filter: undefined };
const QUERY = { clusterId: 'c', query: undefined };
const ANSWER: QueryResponse = { revision: { incarnation: 1, index: 2n }, answer: undefined };

interface Handlers {
  query?: (context: CallContext) => Promise<QueryResponse>;
  watch?: (context: CallContext) => AsyncIterable<WatchResponse>;
}

function message(number: number): WatchResponse {
  return { revision: { incarnation: 1, index: BigInt(number) }, events: [], progress: true };
}

function never(): never {
  throw new LogtierError('INVALID_ARGUMENT', 'not asked for here');
}

let directory: string;
let server: RpcServer;
let channel: RpcChannel;
let stalledMs = 60_000;
const handlers: Handlers = {};

async function start(address = `unix:${directory}/socket`): Promise<void> {
  const service = rpcService(CatalogServiceService, {
    mutate: never,
    mutateStream: never,
    query: (_, context) => handlers.query?.(context) ?? never(),
    listSegments: never,
    watch: (_, context) => handlers.watch?.(context) ?? never(),
  });
  const deps = { clock: systemClock, log: silentLogger };
  server = await serve(deps, { ...defaultServeSettings, stalledMs, address }, [service]);
  channel = openChannel(systemClock, {
    address: server.address,
    unavailableAs: 'METASTORE_UNAVAILABLE',
    maxMessageBytes: 32 * 2 ** 20,
    windowBytes: 0,
  });
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rpc-'));
  stalledMs = 60_000;
  await start();
});
afterEach(async () => {
  channel.stop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof LogtierError ? error.code : String(error);
  }
}

async function read(upTo: number): Promise<number> {
  let seen = 0;
  for await (const _ of channel.stream(watch, REQUEST, NEVER)) {
    seen += 1;
    if (seen === upTo) break;
  }
  return seen;
}

async function* untilAborted({ signal }: CallContext) {
  yield message(1);
  await systemClock.sleep(60_000, signal);
}

test('a unary call is answered, and its errors cross as they are', async () => {
  handlers.query = () => Promise.resolve(ANSWER);
  expect(await channel.unary(query, QUERY, 5_000, NEVER)).toEqual(ANSWER);
  handlers.query = () => Promise.reject(new LogtierError('CLOCK_SKEW', 'apart', { hint: 'ntp' }));
  await expect(channel.unary(query, QUERY, 5_000, NEVER)).rejects.toMatchObject({
    code: 'CLOCK_SKEW',
    message: 'apart',
    hint: 'ntp',
  });
});

test('a deadline and a caller that leaves both fire the signal of the call', async () => {
  const fired: string[] = [];
  handlers.query = async ({ signal }) => {
    await systemClock.sleep(60_000, signal).catch((error: unknown) => {
      fired.push(error instanceof LogtierError ? error.code : 'other');
    });
    return ANSWER;
  };
  expect(await codeOf(channel.unary(query, QUERY, 50, NEVER))).toBe('DEADLINE_EXCEEDED');
  await vi.waitUntil(() => fired.length === 1);
  const leaving = new AbortController();
  const call = codeOf(channel.unary(query, QUERY, 60_000, leaving.signal));
  await systemClock.sleep(20, NEVER);
  leaving.abort();
  expect(await call).toBe('ABORTED');
  await vi.waitUntil(() => fired.length === 2);
  expect(fired).toEqual(['ABORTED', 'ABORTED']);
  expect(await codeOf(channel.unary(query, QUERY, 50, leaving.signal))).toBe('ABORTED');
});

test('a stream ends, fails and is left properly; its generator always returns', async () => {
  let returned = 0;
  const numbers = async function* (count: number, error?: LogtierError) {
    try {
      for (let at = 0; at < count; at += 1) yield await Promise.resolve(message(at));
      if (error !== undefined) throw error;
    } finally {
      returned += 1;
    }
  };
  handlers.watch = () => numbers(100);
  expect(await read(Infinity)).toBe(100);
  handlers.watch = () => numbers(3, new LogtierError('COMPACTED', 'too old'));
  expect(await codeOf(read(Infinity))).toBe('COMPACTED');
  handlers.watch = () => numbers(1_000_000);
  expect(await read(5)).toBe(5);
  await vi.waitUntil(() => returned === 3);
});

test('a slow reader holds the writer back', async () => {
  let produced = 0;
  const large = { ...message(0), events: [] };
  handlers.watch = async function* produce() {
    for (; produced < 10_000; produced += 1) {
      yield await Promise.resolve({
        ...large,
        events: [
          { clusterId: 'x'.repeat(100_000), event: { $case: 'topicDeleted', value: '' } as const },
        ],
      });
    }
  };
  const stream = channel.stream(watch, REQUEST, NEVER)[Symbol.asyncIterator]();
  await stream.next();
  let before = -1;
  // Until it stands still: nothing is taken from the stream meanwhile.
  await vi.waitUntil(
    () => {
      const isStill = produced === before;
      before = produced;
      return isStill;
    },
    { interval: 200, timeout: 10_000 },
  );
  expect(produced).toBeLessThan(500);
  await stream.return?.();
});

test('a reader that takes nothing loses its stream, and the generator returns', async () => {
  channel.stop();
  await server.stop();
  stalledMs = 300;
  await start(`unix:${directory}/other`);
  let returned = false;
  handlers.watch = async function* produce() {
    try {
      for (;;) {
        yield await Promise.resolve({
          ...message(0),
          events: [{ clusterId: 'x'.repeat(500_000), event: undefined }],
        });
      }
    } finally {
      returned = true;
    }
  };
  const stream = channel.stream(watch, REQUEST, NEVER)[Symbol.asyncIterator]();
  await stream.next();
  await vi.waitUntil(() => returned, { timeout: 10_000 });
  const drain = async (): Promise<void> => {
    for (;;) if ((await stream.next()).done === true) return;
  };
  expect(await codeOf(drain())).toBe('OVERLOADED');
});

test('a stopping server ends its streams, and nobody can take its address meanwhile', async () => {
  handlers.watch = untilAborted;
  const address = server.address;
  const again = serve(
    { clock: systemClock, log: silentLogger },
    { ...defaultServeSettings, address: '127.0.0.1:0' },
    [],
  );
  const tcp = await again;
  expect(
    await codeOf(
      serve(
        { clock: systemClock, log: silentLogger },
        { ...defaultServeSettings, address: tcp.address },
        [],
      ),
    ),
  ).toBe('ALREADY_RUNNING');
  await tcp.stop();
  const stream = channel.stream(watch, REQUEST, NEVER)[Symbol.asyncIterator]();
  await stream.next();
  const rest = codeOf(stream.next());
  await server.stop();
  await server.stop();
  expect(['ABORTED', 'METASTORE_UNAVAILABLE']).toContain(await rest);
  expect(address).toMatch(/^unix:/);
});

test('a peer that is not there is unavailable in the words of the caller', async () => {
  const alone = openChannel(systemClock, {
    address: `unix:${directory}/nobody`,
    unavailableAs: 'BROKER_UNAVAILABLE',
    maxMessageBytes: 1024,
    windowBytes: 16 * 2 ** 20,
  });
  expect(await codeOf(alone.unary(query, QUERY, 5_000, NEVER))).toBe('BROKER_UNAVAILABLE');
  alone.stop();
});

test('a message beyond the limit is refused, not buffered', async () => {
  const text = 'x'.repeat(33 * 2 ** 20);
  handlers.query = () =>
    Promise.resolve({ ...ANSWER, answer: { $case: 'clusters', value: { clusterIds: [text] } } });
  expect(await codeOf(channel.unary(query, QUERY, 20_000, NEVER))).toBe('OVERLOADED');
});

test('a socket that a killed process left is taken over, one that is served is not', async () => {
  const left = `${directory}/left`;
  const script = `require('node:net').createServer().listen(${JSON.stringify(left)}, () => process.kill(process.pid, 'SIGKILL'))`;
  const killed = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  await once(killed, 'exit');
  expect((await stat(left)).isSocket()).toBe(true);
  const deps = { clock: systemClock, log: silentLogger };
  const settings = { ...defaultServeSettings, address: `unix:${left}` };
  const taken = await serve(deps, settings, []);
  expect(await codeOf(serve(deps, settings, []))).toBe('ALREADY_RUNNING');
  await taken.stop();
});
