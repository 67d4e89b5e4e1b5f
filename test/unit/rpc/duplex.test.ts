// Both directions of one call: requests at the server's pace, answers meanwhile, and every way it can end.
import { once } from 'node:events';
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
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../../src/rpc/channel.ts';
import type { CallContext } from '../../../src/rpc/method.ts';
import { settled } from '../../support/metastore-clock.ts';
import { defaultServeSettings, type RpcServer, rpcService, serve } from '../../../src/rpc/serve.ts';

const NEVER = new AbortController().signal;
const PATIENCE = { timeout: 30_000, interval: 5 };
const { installSnapshot } = RaftServiceService;

type Handler = (
  requests: AsyncIterable<InstallSnapshotRequest>,
  context: CallContext,
) => AsyncIterable<InstallSnapshotResponse>;

let directory: string;
let server: RpcServer;
let channel: RpcChannel;
let handler: Handler;

function unused(): never {
  throw new LogtierError('INVALID_ARGUMENT', 'not in this test');
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'duplex-'));
  const service = rpcService(RaftServiceService, {
    exchange: unused,
    introduce: unused,
    installSnapshot: (requests, context) => handler(requests, context),
  });
  const address = `unix:${directory}/socket`;
  const deps = { clock: systemClock, log: silentLogger };
  server = await serve(deps, { ...defaultServeSettings, address }, [service]);
  const settings = { ...defaultChannelSettings, address } as const;
  channel = openChannel(systemClock, { ...settings, unavailableAs: 'METASTORE_UNAVAILABLE' });
});
afterEach(async () => {
  channel.stop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

function request(offset: number, bytes = 0): InstallSnapshotRequest {
  const value = { offset: BigInt(offset), content: Buffer.alloc(bytes), crc: 0, isLast: false };
  return { part: { $case: 'chunk', value } };
}

const offsetOf = ({ part }: InstallSnapshotRequest): bigint =>
  part?.$case === 'chunk' ? part.value.offset : -1n;

/** Answers each request with its offset. */
const echo: Handler = async function* echoed(requests) {
  for await (const each of requests) yield { receivedBytes: offsetOf(each), isComplete: false };
};

const failing: Handler = async function* failed(requests) {
  for await (const each of requests) {
    yield { receivedBytes: offsetOf(each), isComplete: false };
    if (offsetOf(each) === 2n) {
      throw new LogtierError('MEMBER_REMOVED', 'gone', { hint: 'join anew' });
    }
  }
};

const stuck: Handler = async function* held(_, { signal }) {
  yield { receivedBytes: 0n, isComplete: false };
  await systemClock.sleep(60_000, signal).catch(() => undefined);
};

/** Sends one and stays open. */
async function* opened() {
  yield request(0);
  await new Promise(() => undefined);
}

async function* broken() {
  yield await Promise.resolve(request(0));
  throw new Error('the disk of the sender');
}

async function* numbers(count: number, bytes = 0): AsyncGenerator<InstallSnapshotRequest> {
  for (let at = 0; at < count; at += 1) {
    await settled(1);
    yield request(at, bytes);
  }
}

async function read(answers: AsyncIterable<InstallSnapshotResponse>): Promise<bigint[]> {
  const seen: bigint[] = [];
  for await (const { receivedBytes } of answers) seen.push(receivedBytes);
  return seen;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof LogtierError ? error.code : String(error);
  }
}

test('requests and answers keep their order, and the call ends when both have ended', async () => {
  handler = echo;
  const answers = await read(channel.duplex(installSnapshot, numbers(500), 5_000, NEVER));
  expect(answers).toEqual(Array.from({ length: 500 }, (_, at) => BigInt(at)));
});

test('an answer comes while requests are still to be sent', async () => {
  handler = echo;
  const answered = new AbortController();
  async function* afterAnswer() {
    yield request(1);
    await once(answered.signal, 'abort');
    yield request(2);
  }
  const seen: bigint[] = [];
  for await (const answer of channel.duplex(installSnapshot, afterAnswer(), 5_000, NEVER)) {
    seen.push(answer.receivedBytes);
    answered.abort();
  }
  expect(seen).toEqual([1n, 2n]);
});

test('an error of the server crosses as it is, behind the answers before it', async () => {
  handler = failing;
  const seen: bigint[] = [];
  const reading = async (): Promise<void> => {
    const answers = channel.duplex(installSnapshot, numbers(1_000_000), 5_000, NEVER);
    for await (const { receivedBytes } of answers) seen.push(receivedBytes);
  };
  await expect(reading()).rejects.toMatchObject({
    code: 'MEMBER_REMOVED',
    message: 'gone',
    hint: 'join anew',
  });
  expect(seen).toEqual([0n, 1n, 2n]);
});

test('whoever leaves the loop ends the call on both sides, and nothing more is sent', async () => {
  let ended = 0;
  let taken = 0;
  async function* endless() {
    for (;;) {
      taken += 1;
      await settled(1);
      yield request(1);
    }
  }
  handler = async function* counted(requests, context) {
    try {
      yield* echo(requests, context);
    } finally {
      ended += 1;
    }
  };
  for await (const _ of channel.duplex(installSnapshot, endless(), 5_000, NEVER)) break;
  await vi.waitUntil(() => ended === 1, PATIENCE);
  await settled();
  const before = taken;
  await settled();
  expect(taken).toBe(before);
});

test('a signal ends the call with its own reason', async () => {
  handler = echo;
  const ending = new AbortController();
  const reading = async (): Promise<void> => {
    const answers = channel.duplex(installSnapshot, opened(), 5_000, ending.signal);
    for await (const _ of answers) ending.abort(new LogtierError('CLOCK_SKEW', 'why not'));
  };
  expect(await codeOf(reading())).toBe('CLOCK_SKEW');
  const late = read(channel.duplex(installSnapshot, numbers(1), 5_000, ending.signal));
  expect(await codeOf(late)).toBe('CLOCK_SKEW');
});

test('a server that takes nothing holds the sender back, and loses the call in the end', async () => {
  handler = stuck;
  let sent = 0;
  async function* counted() {
    for await (const each of numbers(10_000, 500_000)) {
      sent += 1;
      yield each;
    }
  }
  const answers = channel.duplex(installSnapshot, counted(), 300, NEVER);
  expect(await codeOf(read(answers))).toBe('ABORTED');
  expect(sent).toBeLessThan(200);
});

test('requests that fail end the call', async () => {
  handler = echo;
  expect(await codeOf(read(channel.duplex(installSnapshot, broken(), 5_000, NEVER)))).toBe(
    'ABORTED',
  );
});

test('a server that stops ends the call', async () => {
  handler = echo;
  const answers = channel.duplex(installSnapshot, opened(), 5_000, NEVER);
  const reading = codeOf(read(answers));
  await systemClock.sleep(20, NEVER);
  await server.stop();
  expect(['ABORTED', 'METASTORE_UNAVAILABLE']).toContain(await reading);
});
