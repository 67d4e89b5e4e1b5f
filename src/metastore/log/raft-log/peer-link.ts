// The way to one peer: a bounded queue, a stream that comes back by itself, nothing that waits.
// Raft bears every loss: what does not fit is dropped, and the core told that the peer is unreachable.
import { hasCode, LogtierError } from '../../../base/errors.ts';
import { backoffMs } from '../../../base/backoff.ts';
import {
  type ExchangeRequest,
  type RaftHello,
  type RaftMessage,
  RaftServiceService,
} from '../../../gen/logtier/v1/raft.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import type { RpcChannel } from '../../../rpc/channel.ts';
import type { Message } from '../../raft/messages.ts';
import { encodeMessage } from './message-codec.ts';
import type { PeerEvents } from './transport.ts';

/** Waiting for one peer: two windows of the core's own flow control. */
const MAX_QUEUED = 4096;
const MAX_QUEUED_BYTES = 32 * 2 ** 20;

/** One request; more messages go with the next. */
const MAX_BATCH_BYTES = 2 ** 20;

/** A peer that takes nothing for so long is dialled anew. */
const STALLED_MS = 5_000;

const RECONNECT = { firstRetryMs: 50, longestRetryMs: 2_000 };

export interface PeerLinkDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly channel: RpcChannel;
  readonly events: PeerEvents;
}

export class PeerLink {
  readonly address: string;
  private readonly deps: PeerLinkDeps;
  private readonly hello: RaftHello;
  private readonly stopped = new AbortController();
  private running: Promise<void> | undefined;
  private queue: RaftMessage[] = [];
  private bytes = 0;
  private isConnected = false;
  private wake: () => void = () => undefined;

  constructor(deps: PeerLinkDeps, hello: RaftHello, address: string) {
    this.deps = deps;
    this.hello = hello;
    this.address = address;
  }

  /** Once. */
  start(): void {
    this.running = this.run();
  }

  get channel(): RpcChannel {
    return this.deps.channel;
  }

  send(message: Message): void {
    const encoded = encodeMessage(message);
    if (encoded === undefined) return;
    const bytes = sizeOf(encoded);
    const isFull = this.queue.length >= MAX_QUEUED || this.bytes + bytes > MAX_QUEUED_BYTES;
    if (!this.isConnected || isFull) {
      if (message.type === 'MsgApp') this.tellUnreachable();
      return;
    }
    this.queue.push(encoded);
    this.bytes += bytes;
    this.wake();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopped.abort(new LogtierError('ABORTED', 'the peer is let go'));
    this.deps.channel.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, random } = this.deps;
    const { signal } = this.stopped;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      if (await this.connect()) attempt = 0;
      this.isConnected = false;
      this.queue = [];
      this.bytes = 0;
      const waitMs = backoffMs(RECONNECT, attempt, random.share());
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** Until the stream ends; true when the peer had taken the hello. */
  private async connect(): Promise<boolean> {
    const { channel, logger, events } = this.deps;
    const attempt = new AbortController();
    const signal = AbortSignal.any([this.stopped.signal, attempt.signal]);
    let wasTaken = false;
    try {
      const requests = this.requests(signal);
      const { exchange } = RaftServiceService;
      for await (const _ of channel.duplex(exchange, requests, STALLED_MS, signal)) {
        wasTaken = true;
        this.isConnected = true;
      }
    } catch (error) {
      const fields = { peer: Number(this.hello.to), address: this.address, reason: String(error) };
      if (hasCode(error, 'MEMBER_REMOVED', 'WRONG_DIRECTORY')) events.refused(error);
      else if (hasCode(error, 'WRONG_CLUSTER')) logger.error(fields, 'a peer refuses this member');
      else logger.debug(fields, 'the way to a peer is closed');
    } finally {
      attempt.abort(new LogtierError('ABORTED', 'the stream ended'));
      this.wake();
    }
    if (wasTaken) this.tellUnreachable();
    return wasTaken;
  }

  private async *requests(signal: AbortSignal): AsyncGenerator<ExchangeRequest, void, undefined> {
    yield { part: { $case: 'hello', value: this.hello } };
    while (!signal.aborted) {
      const messages = this.takeBatch();
      if (messages.length > 0) yield { part: { $case: 'batch', value: { messages } } };
      else await this.nextMessage();
    }
  }

  private takeBatch(): RaftMessage[] {
    let bytes = 0;
    let count = 0;
    for (const message of this.queue) {
      if (count > 0 && bytes + sizeOf(message) > MAX_BATCH_BYTES) break;
      bytes += sizeOf(message);
      count += 1;
    }
    this.bytes -= bytes;
    return this.queue.splice(0, count);
  }

  private nextMessage(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }

  private tellUnreachable(): void {
    queueMicrotask(() => {
      if (!this.stopped.signal.aborted) this.deps.events.unreachable(Number(this.hello.to));
    });
  }
}

/** Counted for a message and for each entry, beside payloads. */
const FIXED_BYTES = 64;

function sizeOf({ entries, context }: RaftMessage): number {
  const payload = entries.reduce((sum, { data }) => sum + data.length + FIXED_BYTES, 0);
  return payload + context.length + FIXED_BYTES;
}
