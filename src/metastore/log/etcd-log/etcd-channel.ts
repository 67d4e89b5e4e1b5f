// One member of etcd over gRPC. The log's other rooms speak through src/rpc, which knows no tokens.
import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  credentials,
  logVerbosity,
  type Metadata,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { assert } from '../../../base/assert.ts';
import { abortError, type Clock, throwIfAborted } from '../../../platform/clock.ts';

/** The part of a generated method that a call needs. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

export interface TlsIdentity {
  /** PEM; undefined: the system's authorities. */
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** A page of entries is at most 32 batches of 1 MiB, a fragment of a watch about 2 MiB. */
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

/** etcd forbids pings closer than 5 s (--grpc-keepalive-min-time). */
const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // One subchannel a client: a test's dead server must not slow down another's.
  'grpc.use_local_subchannel_pool': 1,
};

export function channelCredentials(tls: TlsIdentity | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null);
}

export class EtcdChannel {
  /** `host:port`. */
  readonly address: string;
  private readonly client: Client;
  private readonly clock: Clock;

  constructor(clock: Clock, address: string, secured: ChannelCredentials) {
    setLogVerbosity(logVerbosity.NONE);
    this.address = address;
    this.clock = clock;
    this.client = new Client(address, secured, CHANNEL_OPTIONS);
  }

  /** Throws grpc-js's own errors, or the signal's reason. */
  unary<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    { deadlineMs, metadata }: { readonly deadlineMs: number; readonly metadata: Metadata },
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
        metadata,
        options,
        (error, response) => {
          signal.removeEventListener('abort', onAbort);
          if (error !== null) return reject(error);
          assert(response !== undefined, 'grpc-js gives an error or an answer');
          resolve(response);
        },
      );
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /**
   * A stream whose request is one message, at the consumer's pace; leaving the loop cancels the call.
   * etcd's own streams take more, but answer a half-closed one all the same.
   */
  async *stream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    {
      deadlineMs,
      metadata,
    }: { readonly deadlineMs: number | undefined; readonly metadata: Metadata },
    signal: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    throwIfAborted(signal);
    const call = this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      deadlineMs === undefined ? {} : { deadline: this.clock.wallMs() + deadlineMs },
    );
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
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      call.cancel();
    }
    throwIfAborted(signal);
  }

  stop(): void {
    this.client.close();
  }
}
