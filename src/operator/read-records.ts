// Decoded records of one partition over both tiers, in offset order.
//
//   from ──► ask the remote tier ── served ──► its batches, then go on where they end
//                │ gap: told, go on behind it      │ below the local start again: ask anew
//                └ ask-broker ──► the broker's batches, until its log ends
//
// One answer of either tier is held at a time: READ_COMMITTED cannot tell before its end what was aborted.
import { hasCode, LogtierError } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type { Decompress } from '../base/decompress.ts';
import type { OffsetGap, ReadRecordsResponse } from '../gen/logtier/v1/operator.ts';
import { throwIfAborted } from '../platform/clock.ts';
import { decodeAnswer, endOfBatches, type TierAnswer } from './decode-answer.ts';
import { pagesOf } from './record-pages.ts';

export interface RemoteQuery {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  /** Soft: at least one batch is sent. */
  readonly maxBytes: number;
  readonly committedOnly: boolean;
}

export type RemoteVerdict =
  | { readonly kind: 'served' }
  /** Local data begins there. */
  | { readonly kind: 'ask-broker'; readonly offset: bigint }
  | { readonly kind: 'out-of-range'; readonly start: bigint; readonly end: bigint | undefined }
  | { readonly kind: 'gap'; readonly next: bigint }
  | { readonly kind: 'not-ready'; readonly reason: string };

export type RemoteEvent =
  | { readonly kind: 'verdict'; readonly verdict: RemoteVerdict }
  /** Whole batches, or a piece of one that is larger than a message. Valid until the next event is asked for. */
  | { readonly kind: 'batches'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'end';
      /** Ask this one next. */
      readonly nextOffset: bigint;
      readonly aborted: TierAnswer['aborted'];
    };

export interface RemoteRecords {
  /** The verdict first; after `served` the batches, then the end. Leaving the loop frees everything. */
  fetch(query: RemoteQuery, signal: AbortSignal): AsyncIterable<RemoteEvent>;
}

export interface ReadRecordsDeps {
  readonly remote: RemoteRecords;
  readonly broker: Pick<BrokerView, 'fetch'>;
  readonly decompress: Decompress;
}

export interface RecordsWanted {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: bigint;
  readonly count: bigint;
  readonly committedOnly: boolean;
}

/** Asked of the remote tier at once; the broker bounds its own answers. */
const ANSWER_BYTES = 2 ** 20;

/** What the fetcher's reasons mean to a person. */
const REASON_WORDS = new Map([
  ['view', 'the local view is not complete or not fresh'],
  ['local-start-unknown', 'the broker has not told where its log starts'],
]);

/** What to do next, and what to tell first. */
type Step =
  | { readonly kind: 'answer'; readonly answer: TierAnswer }
  | { readonly kind: 'gap'; readonly gap: OffsetGap }
  | { readonly kind: 'end'; readonly note: string };

/**
 * Ends with `count` records, or with a note where the log ends or the next broker must be asked. Before the
 * first record an error stays one: OFFSET_OUT_OF_RANGE, NOT_READY, NOT_FOUND, NOT_LEADER_OR_FOLLOWER ….
 */
export async function* readRecords(
  deps: ReadRecordsDeps,
  wanted: RecordsWanted,
  signal: AbortSignal,
): AsyncGenerator<ReadRecordsResponse, void, undefined> {
  let at = wanted.fromOffset;
  let left = wanted.count;
  while (left > 0n) {
    throwIfAborted(signal);
    const step = await nextStep(deps, wanted, at, signal);
    if (step.kind === 'end') {
      yield { records: [], gap: undefined, note: step.note };
      return;
    }
    if (step.kind === 'gap') {
      yield { records: [], gap: step.gap, note: '' };
      at = step.gap.end;
      continue;
    }
    for await (const records of pagesOf(decodeAnswer(deps, step.answer, at), left)) {
      left -= BigInt(records.length);
      yield { records, gap: undefined, note: '' };
      throwIfAborted(signal);
    }
    at = step.answer.nextOffset;
  }
}

async function nextStep(
  deps: ReadRecordsDeps,
  wanted: RecordsWanted,
  at: bigint,
  signal: AbortSignal,
): Promise<Step> {
  try {
    return await stepAt(deps, wanted, at, signal);
  } catch (error) {
    const isElsewhere = hasCode(error, 'NOT_LEADER_OR_FOLLOWER', 'BROKER_UNAVAILABLE');
    if (!isElsewhere || at === wanted.fromOffset) throw error;
    return { kind: 'end', note: `offset ${at} and above were not read: ${error.message}` };
  }
}

async function stepAt(
  deps: ReadRecordsDeps,
  wanted: RecordsWanted,
  at: bigint,
  signal: AbortSignal,
): Promise<Step> {
  const { topic, partition, committedOnly } = wanted;
  const query = { topic, partition, offset: at, maxBytes: ANSWER_BYTES, committedOnly };
  const { verdict, bytes, end } = await remoteAnswer(deps.remote, query, signal);
  switch (verdict.kind) {
    case 'served':
      if (end.nextOffset <= at) return await undecidedStep(deps, wanted, at, signal);
      return { kind: 'answer', answer: { tier: 'remote', bytes, ...end } };
    case 'ask-broker':
      return await localStep(deps, wanted, larger(at, verdict.offset), signal);
    case 'gap':
      if (verdict.next <= at) throw stuck(wanted, at, 'a gap that does not end');
      return { kind: 'gap', gap: { start: at, end: verdict.next } };
    case 'out-of-range':
      return outOfRange(wanted, at, verdict);
    case 'not-ready':
      throw stuck(wanted, at, REASON_WORDS.get(verdict.reason) ?? verdict.reason);
  }
}

/** The remote tier does not know yet how a transaction ended; the broker does, while it has the records. */
async function undecidedStep(
  deps: ReadRecordsDeps,
  wanted: RecordsWanted,
  at: bigint,
  signal: AbortSignal,
): Promise<Step> {
  try {
    return await localStep(deps, wanted, at, signal);
  } catch (error) {
    if (!hasCode(error, 'OFFSET_OUT_OF_RANGE')) throw error;
    throw stuck(wanted, at, 'the end of a transaction is not in the remote tier yet');
  }
}

interface RemoteAnswer {
  readonly verdict: RemoteVerdict;
  readonly bytes: Uint8Array;
  readonly end: Pick<TierAnswer, 'nextOffset' | 'aborted'>;
}

async function remoteAnswer(
  remote: RemoteRecords,
  query: RemoteQuery,
  signal: AbortSignal,
): Promise<RemoteAnswer> {
  const answer = new AnswerSoFar();
  try {
    for await (const event of remote.fetch(query, signal)) answer.add(event);
  } catch (error) {
    if (!answer.isUndecided || !hasCode(error, 'NOT_READY')) throw error;
    answer.add({ kind: 'end', nextOffset: query.offset, aborted: [] });
  }
  const { verdict } = answer;
  const end = verdict?.kind === 'served' ? answer.end : { nextOffset: query.offset, aborted: [] };
  if (verdict === undefined || end === undefined)
    throw stuck(query, query.offset, 'an answer without an end');
  return { verdict, bytes: answer.bytes(), end };
}

/** Copies what it is given: the bytes are lent. */
class AnswerSoFar {
  verdict: RemoteVerdict | undefined;
  end: RemoteAnswer['end'] | undefined;
  private readonly pieces: Buffer[] = [];

  /** Served, but with no batch whose transaction is known to have ended. */
  get isUndecided(): boolean {
    return this.verdict?.kind === 'served' && this.pieces.length === 0;
  }

  add(event: RemoteEvent): void {
    if (event.kind === 'verdict') this.verdict = event.verdict;
    else if (event.kind === 'batches') this.pieces.push(Buffer.from(event.bytes));
    else this.end = { nextOffset: event.nextOffset, aborted: event.aborted };
  }

  bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

async function localStep(
  deps: ReadRecordsDeps,
  wanted: RecordsWanted,
  at: bigint,
  signal: AbortSignal,
): Promise<Step> {
  const { topic, partition, committedOnly } = wanted;
  const query = { topic, partition, offset: at, committedOnly };
  const fetched = await deps.broker.fetch(query, signal);
  const { batches: bytes, aborted, highWatermark, lastStableOffset } = fetched;
  const nextOffset = endOfBatches(bytes);
  if (nextOffset !== undefined && nextOffset > at) {
    return { kind: 'answer', answer: { tier: 'local', bytes, aborted, nextOffset } };
  }
  const bound = committedOnly ? lastStableOffset : highWatermark;
  if (at < bound) throw stuck(wanted, at, `nothing, although the log goes on to ${bound}`);
  const isOpen = committedOnly && lastStableOffset < highWatermark;
  const why = isOpen ? 'a transaction is open there' : 'the log ends there';
  return { kind: 'end', note: `read up to offset ${at}: ${why}` };
}

function outOfRange(
  wanted: RecordsWanted,
  at: bigint,
  { start, end }: { readonly start: bigint; readonly end: bigint | undefined },
): never {
  const upTo = end === undefined ? 'the log end' : String(end);
  throw new LogtierError('OFFSET_OUT_OF_RANGE', `${nameOf(wanted)} has no offset ${at}`, {
    hint: `its offsets go from ${start} to ${upTo}`,
  });
}

function nameOf({ topic, partition }: Pick<RecordsWanted, 'topic' | 'partition'>): string {
  return `${topic}-${partition}`;
}

/** Asked again it may answer better; in a loop it would never end. */
function stuck(
  wanted: Pick<RecordsWanted, 'topic' | 'partition'>,
  at: bigint,
  what: string,
): LogtierError {
  return new LogtierError('NOT_READY', `${nameOf(wanted)} at offset ${at}: ${what}`);
}

function larger(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
