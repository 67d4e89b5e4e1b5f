// One fetch, top to bottom: verdict, batches of one segment, end. To understand the fetcher, start here.
import { hasCode, LogtierError } from '../base/errors.ts';
import type { FetchDecision } from '../kafka/fetch-decision.ts';
import { floorPosition } from '../kafka/offset-index.ts';
import type { AbortedTransaction } from '../kafka/transaction-index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import { partitionKey } from '../segment/ids.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import { decide, decideAgain, type Decided, type DecideDeps } from './decide.ts';
import type { IndexReader, OpenSegment } from './index-reader.ts';
import type { MessageBytes } from './message-buffers.ts';
import { unknownOffsets } from './local-offsets.ts';
import { planAhead, type Sequences } from './read-ahead.ts';
import { prefetchChunk } from './read-range.ts';
import type { FetcherSettings } from './settings.ts';
import {
  streamBatches,
  type StreamDeps,
  type StreamEnd,
  type StreamPlan,
} from './stream-batches.ts';
import { TransactionOutcomes, type OutcomeDeps } from './transaction-outcomes.ts';

export interface FetchDeps extends DecideDeps, StreamDeps {
  readonly indexes: IndexReader;
  readonly sequences: Sequences;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type Isolation = 'read-uncommitted' | 'read-committed';

export interface FetchQuestion {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Soft: at least one batch is sent. */
  readonly maxBytes: number;
  readonly isolation: Isolation;
}

type NotServed = Exclude<FetchDecision<never>, { readonly kind: 'remote' }>;

/** In this order: one verdict; if `served`, any number of batches, then the end. */
export type FetchPart =
  | { readonly kind: 'served'; readonly segment: SegmentRecord }
  | NotServed
  | { readonly kind: 'not-ready'; readonly why: 'view' }
  | { readonly kind: 'batches'; readonly message: MessageBytes }
  | {
      readonly kind: 'end';
      /** Where the reader goes on; the next look-up may lead to another segment, or to the broker. */
      readonly nextOffset: bigint;
      readonly aborted: readonly AbortedTransaction[];
    };

export async function* fetchRecords(
  deps: FetchDeps,
  settings: Pick<FetcherSettings, 'readAheadChunks'>,
  question: FetchQuestion,
  signal: AbortSignal,
): AsyncGenerator<FetchPart, void, undefined> {
  const found = await findSegment(deps, question, signal);
  deps.metrics.fetcher_requests_total.add(1, { verdict: found.kind });
  if (found.kind !== 'open') {
    if (found.kind === 'gap') deps.metrics.fetcher_gaps_total.add(1, { topic: question.topic });
    yield found;
    return;
  }
  yield { kind: 'served', segment: found.segment.record };
  try {
    yield* serve(deps, settings, { question, found }, signal);
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
    throw await explainMissing(deps, question, { record: found.segment.record, error }, signal);
  }
}

async function* serve(
  deps: FetchDeps,
  settings: Pick<FetcherSettings, 'readAheadChunks'>,
  { question, found }: Pick<StreamNeeds, 'question' | 'found'>,
  signal: AbortSignal,
): AsyncGenerator<FetchPart, void, undefined> {
  const startedMs = deps.clock.monotonicMs();
  const outcomes = new LazyOutcomes(deps, { question, found }, signal);
  const plan = await planStream(deps, settings, { question, found, outcomes }, signal);
  const end = yield* sendBatches(deps, question, streamBatches(deps, plan, signal), startedMs);
  requireProgress(end, question, found.segment.record);
  deps.sequences.ended(partitionKey(found.segment.record), question.offset, end.nextOffset);
  const aborted = end.hasTransactions ? await outcomes.aborted(question, end.nextOffset) : [];
  yield { kind: 'end', nextOffset: end.nextOffset, aborted };
}

interface Found {
  readonly kind: 'open';
  readonly segment: OpenSegment;
  readonly view: Decided['view'];
  /** Exclusive end of what the segment serves. */
  readonly bound: bigint;
}

type NotFound = NotServed | { readonly kind: 'not-ready'; readonly why: 'view' };

async function findSegment(
  deps: FetchDeps,
  question: FetchQuestion,
  signal: AbortSignal,
): Promise<Found | NotFound> {
  try {
    const decided = await decide(deps, question, signal);
    return await openDecided(deps, question, decided, signal);
  } catch (error) {
    if (hasCode(error, 'NOT_READY')) return { kind: 'not-ready', why: 'view' };
    throw error;
  }
}

/** Row 11: an object that is gone is looked up again; what is still finished then is lost data. */
async function openDecided(
  deps: FetchDeps,
  question: FetchQuestion,
  decided: Decided,
  signal: AbortSignal,
): Promise<Found | NotFound> {
  if (decided.decision.kind !== 'remote') return decided.decision;
  try {
    return await open(deps, decided.view, decided.decision, signal);
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
    const offsets = deps.local.recent(question.topic, question.partition) ?? unknownOffsets;
    const again = await decideAgain(deps, question, offsets, signal);
    if (again.decision.kind !== 'remote') return again.decision;
    if (again.decision.segment.segmentId === decided.decision.segment.segmentId) {
      throw lostObject(deps, question, decided.decision.segment, error);
    }
    return await open(deps, again.view, again.decision, signal);
  }
}

async function open(
  deps: FetchDeps,
  view: Decided['view'],
  hit: { readonly segment: SegmentRecord; readonly nextOffset: bigint },
  signal: AbortSignal,
): Promise<Found> {
  const segment = await deps.indexes.open(hit.segment, signal);
  return { kind: 'open', segment, view, bound: hit.nextOffset };
}

function lostObject(
  deps: FetchDeps,
  { topic, partition }: FetchQuestion,
  { objectKey, segmentId }: SegmentRecord,
  cause: LogtierError,
): LogtierError {
  deps.metrics.fetcher_missing_objects_total.add(1, { topic });
  const details = { topic, partition, objectKey, segmentId };
  deps.logger.error(details, 'the object of a finished segment is missing: its records are lost');
  return new LogtierError('STORE_UNAVAILABLE', 'the object of a finished segment is missing', {
    details,
    cause,
    hint: 'restore the object from a copy of the bucket, or find out who deletes there',
  });
}

interface StreamNeeds {
  readonly question: FetchQuestion;
  readonly found: Found;
  readonly outcomes: LazyOutcomes;
}

async function planStream(
  deps: FetchDeps,
  settings: Pick<FetcherSettings, 'readAheadChunks'>,
  { question, found, outcomes }: StreamNeeds,
  signal: AbortSignal,
): Promise<StreamPlan> {
  const { segment, view, bound } = found;
  const { startOffset, nextOffset } = segment.record;
  const index = await deps.indexes.section(segment, 'offsetIndex', signal);
  const floor =
    index === undefined ? undefined : floorPosition(index, startOffset, question.offset);
  const position = floor?.position ?? 0;
  // A first answer loads ahead only what it needs itself.
  const endByte = Math.min(position + question.maxBytes, segment.record.logBytes);
  const lastNeeded = Math.floor(Math.max(0, endByte - 1) / LOG_CHUNK_BYTES);
  const isGoingOn = deps.sequences.goesOn(partitionKey(segment.record), question.offset);
  return {
    segment,
    position,
    maxBytes: question.maxBytes,
    rules: {
      from: question.offset,
      bound,
      lineage: view.snapshot.lineage,
      segmentStart: startOffset,
      segmentNext: nextOffset,
      isCommittedOnly: question.isolation === 'read-committed',
    },
    onChunk: (chunk) => {
      const chunks = settings.readAheadChunks;
      const needed = isGoingOn ? chunks : Math.min(chunks, lastNeeded - chunk);
      loadAhead(deps, found, chunk, Math.max(0, needed));
    },
    outcomes: () => outcomes.isUndecided(),
  };
}

/** Never waits, never fails: what is loaded ahead only saves time. */
function loadAhead(deps: FetchDeps, found: Found, chunk: number, chunks: number): void {
  const { segment, view, bound } = found;
  const lastChunk = segment.manifest.chunkCrcs.length - 1;
  const { here, there } = planAhead({ chunk, lastChunk }, chunks);
  for (const next of here) prefetchChunk(deps.reads, segment, next);
  const hit = there.length === 0 ? undefined : view.remote.find(bound);
  if (hit !== undefined) void loadStart(deps, hit.segment, there);
}

async function loadStart(
  deps: FetchDeps,
  record: SegmentRecord,
  chunks: readonly number[],
): Promise<void> {
  try {
    const segment = await deps.indexes.open(record, new AbortController().signal);
    for (const chunk of chunks) prefetchChunk(deps.reads, segment, chunk);
  } catch {
    // told to the reader who comes for it
  }
}

async function* sendBatches(
  deps: FetchDeps,
  { topic }: FetchQuestion,
  messages: AsyncGenerator<MessageBytes, StreamEnd, undefined>,
  startedMs: number,
): AsyncGenerator<FetchPart, StreamEnd, undefined> {
  let isFirst = true;
  for (;;) {
    const next = await messages.next();
    if (next.done === true) return next.value;
    const { start, end } = next.value;
    if (isFirst) {
      const seconds = (deps.clock.monotonicMs() - startedMs) / 1000;
      deps.metrics.fetcher_first_batch_seconds.observe(seconds);
    }
    isFirst = false;
    deps.metrics.fetcher_sent_bytes_total.add(end - start, { topic });
    yield { kind: 'batches', message: next.value };
  }
}

/** The object vanished under an answer: the next fetch looks it up anew, unless it should still be there. */
async function explainMissing(
  deps: FetchDeps,
  question: FetchQuestion,
  { record, error }: { readonly record: SegmentRecord; readonly error: LogtierError },
  signal: AbortSignal,
): Promise<LogtierError> {
  deps.indexes.forget(record.segmentId);
  const offsets = deps.local.recent(question.topic, question.partition) ?? unknownOffsets;
  const { decision } = await decideAgain(deps, question, offsets, signal);
  const isFinished = decision.kind === 'remote' && decision.segment.segmentId === record.segmentId;
  if (isFinished) return lostObject(deps, question, record, error);
  return new LogtierError('STORE_UNAVAILABLE', 'the segment was deleted while it was read', {
    cause: error,
  });
}

/** An end without any batch, at the offset that was asked, would be asked again for ever. */
function requireProgress(end: StreamEnd, question: FetchQuestion, record: SegmentRecord): void {
  if (end.isAnySent || end.nextOffset > question.offset) return;
  if (end.stop === 'undecided') {
    throw new LogtierError('NOT_READY', 'the end of a transaction is not in the remote tier yet');
  }
  const { objectKey, segmentId } = record;
  throw new LogtierError('OBJECT_CORRUPT', `no batch of the log holds offset ${question.offset}`, {
    details: { objectKey, segmentId },
  });
}

interface Asking {
  readonly question: FetchQuestion;
  readonly found: Found;
}

/** Asked for only when a transactional batch is met. */
class LazyOutcomes {
  private readonly deps: FetchDeps;
  private readonly asking: Asking;
  private readonly signal: AbortSignal;
  private asked: TransactionOutcomes | undefined;

  constructor(deps: FetchDeps, asking: Asking, signal: AbortSignal) {
    this.deps = deps;
    this.asking = asking;
    this.signal = signal;
  }

  async isUndecided(): Promise<(producerId: bigint, baseOffset: bigint) => boolean> {
    const { question, found } = this.asking;
    const { segment, bound, view } = found;
    const scope = { segment, bound, view: view.remote, lineage: view.snapshot.lineage };
    const deps: OutcomeDeps = {
      indexes: this.deps.indexes,
      local: (offset, signal) => this.deps.local.outcomes(question, offset, signal),
    };
    const outcomes = await TransactionOutcomes.find(deps, scope, this.signal);
    this.asked = outcomes;
    return (producerId, baseOffset) => outcomes.isUndecided(producerId, baseOffset);
  }

  async aborted({ offset }: FetchQuestion, nextOffset: bigint): Promise<AbortedTransaction[]> {
    return (await this.asked?.aborted(offset, nextOffset, this.signal)) ?? [];
  }
}
