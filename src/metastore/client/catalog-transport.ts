// How a client reaches the metastore. Homes: gRPC, or the service itself where it is embedded.
import { assert } from '../../base/assert.ts';
import { hasCode } from '../../base/errors.ts';
import {
  CatalogServiceService,
  type ListSegmentsRequest,
  type ListSegmentsResponse,
  type MutateRequest,
  type MutateResponse,
  type MutateStreamRequest,
  type MutateStreamResponse,
  type QueryRequest,
  type QueryResponse,
  type WatchRequest,
  type WatchResponse,
} from '../../gen/logtier/v1/catalog.ts';
import type { Clock } from '../../platform/clock.ts';
import { CallStream } from '../../rpc/call-stream.ts';
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

/** Members that are no endpoints and were named as leaders: they replaced others since the endpoints were set. */
const MAX_NAMED = 16;

/** Asks one member until it does not answer or does not lead, then the leader it named, or the next one. */
export function grpcTransport(clock: Clock, endpoints: readonly string[]): GrpcTransport {
  const open = (address: string): RpcChannel =>
    openChannel(clock, {
      ...defaultChannelSettings,
      address,
      unavailableAs: 'METASTORE_UNAVAILABLE',
    });
  return new RotatingTransport(clock, endpoints, open);
}

/** The way to one member. */
interface MemberWay {
  readonly channel: RpcChannel;
  readonly mutations: CallStream<MutateStreamRequest, MutateStreamResponse>;
}

class RotatingTransport implements GrpcTransport {
  private readonly clock: Clock;
  private readonly endpoints: readonly string[];
  private readonly open: (address: string) => RpcChannel;
  private readonly ways = new Map<string, MemberWay>();
  private turn = 0;
  private named: string | undefined;

  constructor(clock: Clock, endpoints: readonly string[], open: (address: string) => RpcChannel) {
    this.clock = clock;
    this.endpoints = endpoints;
    this.open = open;
  }

  mutate(request: MutateRequest, signal: AbortSignal): Promise<MutateResponse> {
    return this.answer((way) => mutateOn(way, request, signal));
  }

  query(request: QueryRequest, signal: AbortSignal): Promise<QueryResponse> {
    const { query } = CatalogServiceService;
    return this.answer(({ channel }) => channel.unary(query, request, CALL_MS, signal));
  }

  async *listSegments(
    request: ListSegmentsRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ListSegmentsResponse, void, undefined> {
    const { listSegments } = CatalogServiceService;
    yield* this.stream(({ channel }) => channel.stream(listSegments, request, signal));
  }

  async *watch(
    request: WatchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchResponse, void, undefined> {
    const { watch } = CatalogServiceService;
    yield* this.stream(({ channel }) => channel.stream(watch, request, signal));
  }

  stop(): void {
    for (const { channel, mutations } of this.ways.values()) {
      mutations.stop();
      channel.stop();
    }
  }

  private async answer<T>(ask: (way: MemberWay) => Promise<T>): Promise<T> {
    const asked = this.address();
    try {
      return await ask(this.wayTo(asked));
    } catch (error) {
      this.turnFrom(asked, error);
      throw error;
    }
  }

  private async *stream<T>(
    open: (way: MemberWay) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    const asked = this.address();
    try {
      yield* open(this.wayTo(asked));
    } catch (error) {
      this.turnFrom(asked, error);
      throw error;
    }
  }

  private address(): string {
    const address = this.named ?? this.endpoints[this.turn % this.endpoints.length];
    assert(address !== undefined, 'a metastore has an endpoint');
    return address;
  }

  private wayTo(address: string): MemberWay {
    const known = this.ways.get(address);
    if (known !== undefined) return known;
    const channel = this.open(address);
    const { mutateStream } = CatalogServiceService;
    const way = { channel, mutations: new CallStream(this.clock, channel, mutateStream) };
    this.ways.set(address, way);
    return way;
  }

  /** Calls that fail together turn once. Who was named and does not lead any more is not believed further. */
  private turnFrom(asked: string, error: unknown): void {
    if (!hasCode(error, 'METASTORE_UNAVAILABLE', 'NOT_LEADER', 'DEADLINE_EXCEEDED')) return;
    if (asked !== this.address()) return;
    const { leader } = error.details;
    const isNews = this.named === undefined && typeof leader === 'string' && leader !== asked;
    if (isNews && this.mayDial(leader)) this.named = leader;
    else {
      this.named = undefined;
      this.turn += 1;
    }
  }

  private mayDial(address: string): boolean {
    return this.ways.has(address) || this.ways.size < this.endpoints.length + MAX_NAMED;
  }
}

/** On the member's stream of calls, or as a call of its own beside one that is under way. */
async function mutateOn(
  { channel, mutations }: MemberWay,
  request: MutateRequest,
  signal: AbortSignal,
): Promise<MutateResponse> {
  if (mutations.isBusy) {
    return await channel.unary(CatalogServiceService.mutate, request, CALL_MS, signal);
  }
  const { answer = { results: [] } } = await mutations.call({ call: request }, CALL_MS, signal);
  // Out of step the stream would answer every later call with the answer of the one before it.
  if (!isAnswerTo(request, answer)) mutations.stop();
  return answer;
}

function isAnswerTo({ commands }: MutateRequest, { results }: MutateResponse): boolean {
  return (
    results.length === commands.length && results.every(({ seq }, at) => seq === commands[at]?.seq)
  );
}
