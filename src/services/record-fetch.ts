// RecordFetchService: the fetcher's answers as messages. What a reader has not taken yet is bounded by the rpc room.
import { LogtierError } from '../base/errors.ts';
import { unreachable } from '../base/assert.ts';
import type { FetchPart, FetchQuestion } from '../fetcher/fetch-records.ts';
import type { TieredOffsets } from '../fetcher/offsets.ts';
import type { ResolvedTimestamp, TimestampQuestion } from '../fetcher/resolve-timestamp.ts';
import {
  Isolation,
  RecordFetchServiceService,
  type FetchRequest,
  type FetchResponse,
  type FetchVerdict,
  type OffsetsResponse,
  type ResolveTimestampResponse,
} from '../gen/logtier/v1/record_fetch.ts';
import { frameInPlace, type FramedMessage } from '../rpc/framed-message.ts';
import { rpcService, type RpcService } from '../rpc/serve.ts';

/** `bytes batches = 2` of FetchResponse. */
const BATCHES_FIELD = 2;

/** What the service asks; the Fetcher has this shape. */
export interface RecordFetcher {
  fetch(question: FetchQuestion, signal: AbortSignal): AsyncIterable<FetchPart>;
  resolveTimestamp(question: TimestampQuestion, signal: AbortSignal): Promise<ResolvedTimestamp>;
  offsets(topic: string, partition: number, signal: AbortSignal): Promise<TieredOffsets>;
}

export interface RecordFetchSettings {
  /** Requests that name another cluster are refused. */
  readonly clusterId: string;
}

export function recordFetchService(
  fetcher: RecordFetcher,
  settings: RecordFetchSettings,
): RpcService {
  return rpcService(RecordFetchServiceService, {
    fetch: (request, { signal }) => {
      requireCluster(settings, request.clusterId);
      return answerFetch(fetcher, questionOf(request), signal);
    },
    resolveTimestamp: async ({ clusterId, topic, partition, timestampMs }, { signal }) => {
      requireCluster(settings, clusterId);
      requireTopic(topic);
      const question = { topic, partition, timestampMs: Number(timestampMs) };
      return resolvedMessage(await fetcher.resolveTimestamp(question, signal));
    },
    offsets: async ({ clusterId, topic, partition }, { signal }) => {
      requireCluster(settings, clusterId);
      requireTopic(topic);
      return offsetsMessage(await fetcher.offsets(topic, partition, signal));
    },
  });
}

function requireCluster({ clusterId }: RecordFetchSettings, named: string): void {
  if (named === '' || named === clusterId) return;
  throw new LogtierError('WRONG_CLUSTER', `this sidecar serves cluster ${clusterId}, not ${named}`);
}

function requireTopic(topic: string): void {
  if (topic === '') throw new LogtierError('INVALID_ARGUMENT', 'a topic must be named');
}

function questionOf({
  topic,
  partition,
  offset,
  maxBytes,
  isolation,
}: FetchRequest): FetchQuestion {
  requireTopic(topic);
  const isCommitted = isolation === Isolation.READ_COMMITTED;
  return {
    topic,
    partition,
    offset,
    maxBytes,
    isolation: isCommitted ? 'read-committed' : 'read-uncommitted',
  };
}

async function* answerFetch(
  fetcher: RecordFetcher,
  question: FetchQuestion,
  signal: AbortSignal,
): AsyncGenerator<FetchResponse | FramedMessage, void, undefined> {
  for await (const part of fetcher.fetch(question, signal)) {
    yield part.kind === 'batches'
      ? frameInPlace(BATCHES_FIELD, part.message, part.message.release)
      : { message: messageOf(part) };
  }
}

type PlainPart = Exclude<FetchPart, { readonly kind: 'batches' }>;

function messageOf(part: PlainPart): FetchResponse['message'] {
  if (part.kind !== 'end') return { $case: 'verdict', value: { verdict: verdictOf(part) } };
  const aborted = part.aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  return { $case: 'end', value: { nextOffset: part.nextOffset, aborted } };
}

function verdictOf(part: Exclude<PlainPart, { readonly kind: 'end' }>): FetchVerdict['verdict'] {
  switch (part.kind) {
    case 'served': {
      const { segmentId, startOffset, nextOffset } = part.segment;
      const value = { segmentId, segmentStart: startOffset, segmentNext: nextOffset };
      return { $case: 'served', value };
    }
    case 'ask-broker':
      return { $case: 'askBroker', value: { offset: part.offset } };
    case 'out-of-range':
      return { $case: 'outOfRange', value: { start: part.start, end: part.end ?? part.start } };
    case 'gap':
      return { $case: 'gap', value: { next: part.next } };
    case 'not-ready':
      return { $case: 'notReady', value: { reason: part.why } };
    default:
      return unreachable(part);
  }
}

function resolvedMessage(resolved: ResolvedTimestamp): ResolveTimestampResponse {
  switch (resolved.kind) {
    case 'found': {
      const value = { offset: resolved.offset, timestampMs: BigInt(resolved.timestampMs) };
      return { answer: { $case: 'found', value } };
    }
    case 'ask-broker':
      return { answer: { $case: 'askBroker', value: { offset: resolved.offset } } };
    case 'not-ready':
      return { answer: { $case: 'notReady', value: { reason: resolved.why } } };
  }
}

function offsetsMessage(offsets: TieredOffsets): OffsetsResponse {
  return { ...offsets };
}
