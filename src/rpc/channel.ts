// The client's end of gRPC: unary calls with deadlines, streams as async iterables, errors of ours.
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  logVerbosity,
  Metadata,
  type ServiceError,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { type ErrorCode, LogtierError } from '../base/errors.ts';
import { abortError, type Clock, throwIfAborted } from '../platform/clock.ts';
import type { DuplexMethod, StreamMethod, UnaryMethod } from './method.ts';
import { pumpStream } from './pump-stream.ts';
import { errorOf } from './status.ts';

export interface ChannelSettings {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  /** What it means to the caller that the peer does not answer. */
  readonly unavailableAs: ErrorCode;
  readonly maxMessageBytes: number;
  /** Bytes the peer may send ahead; 16 MiB for streams of chunks, grpc-js's own 64 KiB when 0. */
  readonly windowBytes: number;
}

export const defaultChannelSettings: Pick<ChannelSettings, 'maxMessageBytes' | 'windowBytes'> = {
  maxMessageBytes: 32 * 1024 * 1024,
  windowBytes: 0,
};

export interface RpcChannel {
  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Response>;
  /** Read at the consumer's pace; leaving the loop cancels the call. */
  stream<Request, Response>(
    method: StreamMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): AsyncIterable<Response>;
  /** As `stream`; `requests` are sent at the peer's pace, whoever takes none for `stalledMs` loses the call. */
  duplex<Request, Response>(
    method: DuplexMethod<Request, Response>,
    requests: AsyncIterable<Request>,
    stalledMs: number,
    signal: AbortSignal,
  ): AsyncIterable<Response>;
  /** Idempotent. */
  stop(): void;
}

/** Connects when first used, and again by itself. */
export function openChannel(clock: Clock, settings: ChannelSettings): RpcChannel {
  setLogVerbosity(logVerbosity.NONE);
  const client = new Client(settings.address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': settings.maxMessageBytes,
    'grpc.max_send_message_length': settings.maxMessageBytes,
    // A connection of its own: streams that share one wait for each other's bytes.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    ...(settings.windowBytes > 0 ? { 'grpc-node.flow_control_window': settings.windowBytes } : {}),
  });
  return new GrpcChannel(client, clock, settings);
}

class GrpcChannel implements RpcChannel {
  private readonly client: Client;
  private readonly clock: Clock;
  private readonly settings: ChannelSettings;

  constructor(client: Client, clock: Clock, settings: ChannelSettings) {
    this.client = client;
    this.clock = clock;
    this.settings = settings;
  }

  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const onAbort = (): void => {
        call.cancel();
        reject(abortError(signal));
      };
      const options: CallOptions = { deadline: this.clock.wallMs() + deadlineMs };
      const call = this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        options,
        (error, response) => {
          signal.removeEventListener('abort', onAbort);
          if (error !== null) reject(this.ours(error));
          else if (response === undefined) reject(this.noAnswer());
          else resolve(response);
        },
      );
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  async *stream<Request, Response>(
    method: StreamMethod<Request, Response>,
    request: Request,
    signal: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    throwIfAborted(signal);
    const call: ClientReadableStream<Response> = this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
    );
    yield* this.answersOf(call, signal);
  }

  async *duplex<Request, Response>(
    method: DuplexMethod<Request, Response>,
    requests: AsyncIterable<Request>,
    stalledMs: number,
    signal: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    throwIfAborted(signal);
    const call: ClientDuplexStream<Request, Response> = this.client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      new Metadata(),
    );
    const over = new AbortController();
    void this.sendAll(call, requests, stalledMs, AbortSignal.any([signal, over.signal]));
    try {
      yield* this.answersOf(call, signal);
    } finally {
      over.abort(new LogtierError('ABORTED', 'the call is over'));
    }
  }

  private async sendAll<Request>(
    call: ClientDuplexStream<Request, unknown>,
    messages: AsyncIterable<Request>,
    stalledMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await pumpStream(this.clock, { stalledMs }, { messages, call }, signal);
      call.end();
    } catch {
      // The call's answers end with its status: they tell why.
      call.cancel();
    }
  }

  private async *answersOf<Response>(
    call: ClientReadableStream<Response> | ClientDuplexStream<never, Response>,
    signal: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    const onAbort = (): void => {
      call.cancel();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    // A cancelled call still tells its status; nobody listens any more.
    call.on('error', () => undefined);
    try {
      const messages: AsyncIterable<Response> = call;
      for await (const message of messages) yield message;
    } catch (error) {
      if (signal.aborted) throw abortError(signal);
      throw isServiceError(error) ? this.ours(error) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      call.cancel();
    }
    throwIfAborted(signal);
  }

  stop(): void {
    this.client.close();
  }

  private ours(error: ServiceError): LogtierError {
    return errorOf(error, this.settings.unavailableAs);
  }

  private noAnswer(): LogtierError {
    return new LogtierError(this.settings.unavailableAs, 'an empty answer');
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}
