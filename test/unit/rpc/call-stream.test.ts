// Calls one after the other on one stream: each with its own answer, and every way one can fail.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import {
  type InstallSnapshotRequest,
  type InstallSnapshotResponse,
  RaftServiceService,
} from '../../../src/gen/logtier/v1/raft.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { CallStream } from '../../../src/rpc/call-stream.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../../src/rpc/channel.ts';
import { defaultServeSettings, type RpcServer, rpcService, serve } from '../../../src/rpc/serve.ts';

const NEVER = new AbortController().signal;
const CALL_MS = 30_000;
const PATIENCE = { timeout: 30_000, interval: 5 };

let address: string;
let directory: string;
let server: RpcServer;
let channel: RpcChannel;
let calls: CallStream<InstallSnapshotRequest, InstallSnapshotResponse>;
/** Streams that the server has seen begin, and end. */
let begun: number;
let ended: number;
/** What the server does with a number before it answers with it. */
let answering: (number: bigint, signal: AbortSignal) => Promise<void>;

function unused(): never {
  throw new LogtierError('INVALID_ARGUMENT', 'not in this test');
}

const numberOf = ({ part }: InstallSnapshotRequest): bigint =>
  part?.$case === 'chunk' ? part.value.offset : -1n;

async function startServer(): Promise<void> {
  const service = rpcService(RaftServiceService, {
    exchange: unused,
    introduce: unused,
    async *installSnapshot(requests, { signal }) {
      begun += 1;
      try {
        for await (const request of requests) {
          await answering(numberOf(request), signal);
          yield { receivedBytes: numberOf(request), isComplete: true };
        }
      } finally {
        ended += 1;
      }
    },
  });
  const deps = { clock: systemClock, log: silentLogger };
  server = await serve(deps, { ...defaultServeSettings, address }, [service]);
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'calls-'));
  address = `unix:${directory}/socket`;
  [begun, ended] = [0, 0];
  answering = () => Promise.resolve();
  await startServer();
  const settings = { ...defaultChannelSettings, address } as const;
  channel = openChannel(systemClock, { ...settings, unavailableAs: 'METASTORE_UNAVAILABLE' });
  calls = new CallStream(systemClock, channel, RaftServiceService.installSnapshot);
});
afterEach(async () => {
  calls.stop();
  channel.stop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

/** The answer, or the code of the refusal. */
async function ask(number: number, deadlineMs = CALL_MS, signal = NEVER): Promise<bigint | string> {
  const content = Buffer.alloc(0);
  const value = { offset: BigInt(number), content, crc: 0, isLast: false };
  try {
    const answer = await calls.call({ part: { $case: 'chunk', value } }, deadlineMs, signal);
    return answer.receivedBytes;
  } catch (error) {
    return error instanceof LogtierError ? error.code : String(error);
  }
}

/** Fires when the caller is gone. */
const untilLeft = (signal: AbortSignal): Promise<void> =>
  systemClock.sleep(60_000, signal).catch(() => undefined);

const untilBegun = (): Promise<void> =>
  vi.waitFor(() => {
    expect(begun).toBe(1);
  }, PATIENCE);

test('calls share one stream, each gets its own answer', async () => {
  expect([await ask(1), await ask(2), await ask(3)]).toEqual([1n, 2n, 3n]);
  expect(begun).toBe(1);
});

test('a refusal rejects its own call with its code; the next call opens a new stream', async () => {
  answering = (number) =>
    number === 2n ? Promise.reject(new LogtierError('NOT_LEADER', 'no')) : Promise.resolve();
  expect([await ask(1), await ask(2), await ask(3), await ask(4)]).toEqual([
    1n,
    'NOT_LEADER',
    3n,
    4n,
  ]);
  expect(begun).toBe(2);
});

test('an answer that comes after the deadline is never that of the next call', async () => {
  const late = new Array<() => void>();
  answering = (number) =>
    number === 1n ? new Promise((resolve) => void late.push(resolve)) : Promise.resolve();
  const first = ask(1, 50);
  await vi.waitFor(() => {
    expect(late).toHaveLength(1);
  }, PATIENCE);
  expect(await first).toBe('DEADLINE_EXCEEDED');
  const second = ask(2);
  late[0]?.();
  expect(await second).toBe(2n);
});

test('the signal of a call gives it up, and tells the peer', async () => {
  answering = (_, signal) => untilLeft(signal);
  const leaving = new AbortController();
  const call = ask(1, CALL_MS, leaving.signal);
  await untilBegun();
  leaving.abort(new LogtierError('FENCED_INSTANCE', 'another one'));
  expect(await call).toBe('FENCED_INSTANCE');
  await vi.waitFor(() => {
    expect(ended).toBe(1);
  }, PATIENCE);
  expect(await ask(2, CALL_MS, leaving.signal)).toBe('FENCED_INSTANCE');
  expect(begun).toBe(1);
});

test('a peer that went away and came back gets a new stream', async () => {
  expect(await ask(1)).toBe(1n);
  await server.stop();
  await startServer();
  await vi.waitFor(async () => {
    expect(await ask(2)).toBe(2n);
  }, PATIENCE);
  expect(begun).toBe(2);
});

test('a peer that goes away during a call: the call rejects', async () => {
  answering = (_, signal) => untilLeft(signal);
  const call = ask(1);
  await untilBegun();
  await server.stop();
  expect(['METASTORE_UNAVAILABLE', 'ABORTED']).toContain(await call);
  expect(calls.isBusy).toBe(false);
});

test('stop rejects the call under way', async () => {
  answering = (_, signal) => untilLeft(signal);
  const call = ask(1);
  await untilBegun();
  calls.stop();
  expect(await call).toBe('ABORTED');
});
