// How a client reaches the metastore. Homes: gRPC, or the service itself where it is embedded.
import { assert } from '../../base/assert.ts';
import { hasCode } from '../../base/errors.ts';
import {
  CatalogServiceService,
  type ListSegmentsRequest,
  type ListSegmentsResponse,
  type MutateRequest,
  type MutateResponse,
  type QueryRequest,
  type QueryResponse,
  type WatchRequest,
  type WatchResponse,
} from '../../gen/logtier/v1/catalog.ts';
import type { Clock } from '../../platform/clock.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../rpc/channel.ts';

export interface CatalogTransport {
  mutate(request: MutateRequest, signal: AbortSignal): Promise<MutateResponse>;
  query(request: QueryRequest, signal: AbortSignal): Promise<QueryResponse>;
  listSegments(
    request: ListSegmentsRequest,
    signal: AbortSignal,
  ): AsyncIterable<ListSegmentsResponse>;
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchResponse>;
}

export interface GrpcTransport extends CatalogTransport {
  /** Idempotent. */
  stop(): void;
}

/** One answer; the caller repeats what stays unanswered. */
const CALL_MS = 10_000;

/** Asks one member until it does not answer or does not lead, then the next one. */
export function grpcTransport(clock: Clock, endpoints: readonly string[]): GrpcTransport {
  return new RotatingTransport(
    endpoints.map((address) =>
      openChannel(clock, {
        ...defaultChannelSettings,
        address,
        unavailableAs: 'METASTORE_UNAVAILABLE',
      }),
    ),
  );
}

class RotatingTransport implements GrpcTransport {
  private readonly channels: readonly RpcChannel[];
  private turn = 0;

  constructor(channels: readonly RpcChannel[]) {
    this.channels = channels;
  }

  mutate(request: MutateRequest, signal: AbortSignal): Promise<MutateResponse> {
    const { mutate } = CatalogServiceService;
    return this.answer((channel) => channel.unary(mutate, request, CALL_MS, signal));
  }

  query(request: QueryRequest, signal: AbortSignal): Promise<QueryResponse> {
    const { query } = CatalogServiceService;
    return this.answer((channel) => channel.unary(query, request, CALL_MS, signal));
  }

  async *listSegments(
    request: ListSegmentsRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ListSegmentsResponse, void, undefined> {
    const { listSegments } = CatalogServiceService;
    yield* this.stream((channel) => channel.stream(listSegments, request, signal));
  }

  async *watch(
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    const { watch } = CatalogServiceService;
    yield* this.stream((channel) => channel.stream(watch, request, signal));
  }

  stop(): void {
    for (const channel of this.channels) channel.stop();
  }

  private async answer<T>(ask: (channel: RpcChannel) => Promise<T>): Promise<T> {
    const asked = this.turn;
    try {
      return await ask(this.channelOf(asked));
    } catch (error) {
      this.turnFrom(asked, error);
      throw error;
    }
  }

  private async *stream<T>(
    open: (channel: RpcChannel) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    const asked = this.turn;
    try {
      yield* open(this.channelOf(asked));
    } catch (error) {
      this.turnFrom(asked, error);
      throw error;
    }
  }

  private channelOf(turn: number): RpcChannel {
    const channel = this.channels[turn % this.channels.length];
    assert(channel !== undefined, 'a metastore has an endpoint');
    return channel;
  }

  /** Calls that fail together turn once. */
  private turnFrom(asked: number, error: unknown): void {
    const isElsewhere = hasCode(error, 'METASTORE_UNAVAILABLE', 'NOT_LEADER', 'DEADLINE_EXCEEDED');
    if (isElsewhere && this.turn === asked) this.turn += 1;
  }
}
