// Sends one snapshot, and goes on where it broke off.
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError, reactionTo } from '../../../base/errors.ts';
import {
  type InstallSnapshotRequest,
  type RaftHello,
  RaftServiceService,
} from '../../../gen/logtier/v1/raft.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Random } from '../../../platform/random.ts';
import type { RpcChannel } from '../../../rpc/channel.ts';
import type { Message } from '../../raft/messages.ts';
import type { Snapshot } from '../replicated-log.ts';
import { encodeMessage } from './message-codec.ts';

const ATTEMPTS = 5;
const RETRY_MS = 500;
const STALLED_MS = 30_000;

/** So that the members' own traffic keeps its place on the wire. */
const BYTES_PER_MS = 64 * 1024;

export interface TransferDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly channel: RpcChannel;
}

export interface Transfer {
  readonly message: Message;
  readonly hello: RaftHello;
  readonly snapshot: Snapshot;
}

/** Resolves when the receiver has all of it and its core was told. */
export async function transferSnapshot(
  deps: TransferDeps,
  transfer: Transfer,
  signal: AbortSignal,
): Promise<void> {
  const transferId = Buffer.from(deps.random.bytes(16));
  for (let attempt = 1; ; attempt += 1) {
    try {
      await attemptTransfer(deps, transfer, transferId, signal);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || reactionTo(error) !== 'retry') throw error;
      await deps.clock.sleep(RETRY_MS, signal);
    }
  }
}

async function attemptTransfer(
  deps: TransferDeps,
  transfer: Transfer,
  transferId: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const attempt = new AbortController();
  const both = AbortSignal.any([signal, attempt.signal]);
  let tellOffset: (bytes: bigint) => void = nobody;
  const offset = new Promise<bigint>((resolve) => {
    tellOffset = resolve;
  });
  const { installSnapshot } = RaftServiceService;
  const requests = requestsOf(deps.clock, { ...transfer, transferId, offset }, both);
  try {
    for await (const answer of deps.channel.duplex(installSnapshot, requests, STALLED_MS, both)) {
      if (answer.isComplete) return;
      tellOffset(answer.receivedBytes);
    }
    throw new LogtierError('METASTORE_UNAVAILABLE', 'the receiver of a snapshot went away');
  } finally {
    attempt.abort(new LogtierError('ABORTED', 'the transfer ended'));
    tellOffset(0n);
  }
}

function nobody(): void {}

interface Attempt extends Transfer {
  readonly transferId: Buffer;
  /** What the receiver has. */
  readonly offset: Promise<bigint>;
}

async function* requestsOf(
  clock: Clock,
  { message, hello, snapshot, transferId, offset }: Attempt,
  signal: AbortSignal,
): AsyncGenerator<InstallSnapshotRequest, void, undefined> {
  const value = { hello, transferId, message: encodeMessage(message) };
  yield { part: { $case: 'start', value } };
  const received = Number(await offset);
  let at = 0;
  for await (const whole of snapshot.content(signal)) {
    const content = Buffer.from(whole.subarray(Math.max(0, received - at)));
    at += whole.length;
    if (content.length === 0) continue;
    yield chunkRequest(at - content.length, content, false);
    await clock.sleep(content.length / BYTES_PER_MS, signal);
  }
  yield chunkRequest(at, Buffer.alloc(0), true);
}

function chunkRequest(offset: number, content: Buffer, isLast: boolean): InstallSnapshotRequest {
  const value = { offset: BigInt(offset), content, crc: crc32(content), isLast };
  return { part: { $case: 'chunk', value } };
}
