// Calls one after the other on one stream: a call costs a message each way, not a stream of its own.
import { assert } from '../base/assert.ts';
import { BoundedQueue } from '../base/bounded-queue.ts';
import { LogtierError } from '../base/errors.ts';
import { onAbort } from '../base/on-abort.ts';
import { abortError, type Clock, throwIfAborted } from '../platform/clock.ts';
import type { RpcChannel } from './channel.ts';
import type { DuplexMethod } from './method.ts';

/** Whoever takes no request for so long is dialled anew. */
const STALLED_MS = 5_000;

interface Asked<Response> {
  resolve(response: Response): void;
  reject(error: unknown): void;
}

/** One way to the peer, for as long as it lasts. */
interface OpenStream<Request> {
  readonly over: AbortController;
  readonly requests: BoundedQueue<Request>;
}

/**
 * The peer answers each request before it looks at the next, and ends the stream with the status of one that
 * fails. The stream is opened by the first call and, after its end, by the next.
 */
export class CallStream<Request, Response> {
  private readonly clock: Clock;
  private readonly channel: RpcChannel;
  private readonly method: DuplexMethod<Request, Response>;
  private stream: OpenStream<Request> | undefined;
  private asked: Asked<Response> | undefined;

  constructor(clock: Clock, channel: RpcChannel, method: DuplexMethod<Request, Response>) {
    this.clock = clock;
    this.channel = channel;
    this.method = method;
  }

  /** A call is under way: the next one has to take another way. */
  get isBusy(): boolean {
    return this.asked !== undefined;
  }

  /** As a unary call; after a rejection, also by the deadline or `signal`, the stream is given up. */
  async call(request: Request, deadlineMs: number, signal: AbortSignal): Promise<Response> {
    assert(!this.isBusy, 'one call at a time');
    throwIfAborted(signal);
    const deadline = this.clock.deadline(deadlineMs, signal);
    let forget: (() => void) | undefined;
    try {
      return await new Promise<Response>((resolve, reject) => {
        this.asked = { resolve, reject };
        this.stream ??= this.open();
        assert(this.stream.requests.push(request), 'the last request is on its way');
        forget = onAbort(deadline.signal, () => {
          reject(abortError(deadline.signal));
        });
      });
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      this.asked = undefined;
      forget?.();
      deadline.clear();
    }
  }

  /** Idempotent. A call under way rejects with ABORTED. */
  stop(): void {
    const { stream } = this;
    const reason = new LogtierError('ABORTED', 'the stream of calls is let go');
    this.stream = undefined;
    stream?.over.abort(reason);
    this.asked?.reject(reason);
  }

  private open(): OpenStream<Request> {
    const stream = { over: new AbortController(), requests: new BoundedQueue<Request>(1) };
    void this.read(stream);
    return stream;
  }

  private async read(stream: OpenStream<Request>): Promise<void> {
    const { over, requests } = stream;
    let end: unknown = new LogtierError('ABORTED', 'the peer ended the stream of calls');
    try {
      const answers = this.channel.duplex(this.method, requests, STALLED_MS, over.signal);
      for await (const answer of answers) {
        // An answer that nobody asked for belongs to no call of this stream.
        if (this.stream !== stream || this.asked === undefined) break;
        this.asked.resolve(answer);
      }
    } catch (error) {
      end = error;
    }
    over.abort(end);
    requests.close();
    if (this.stream !== stream) return;
    this.stream = undefined;
    this.asked?.reject(end);
  }
}
