// Who answers an offset: the decision table with fresh facts wherever an answer would say "not here".
import { decideFetch, type FetchDecision } from '../kafka/fetch-decision.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { LocalOffsetsReader } from './local-offsets.ts';
import { viewOfPartition, type PartitionView } from './partition-view.ts';
import type { LocalOffsets, SegmentLookup } from './segment-lookup.ts';

export interface DecideDeps {
  readonly lookup: SegmentLookup;
  readonly local: LocalOffsetsReader;
}

export interface OffsetQuestion {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

export interface Decided {
  readonly view: PartitionView;
  readonly decision: FetchDecision<SegmentRecord>;
}

/**
 * "Remote" may rest on a local start heard a moment ago: it only rises. Every other answer needs the
 * broker's word of now, and a gap a re-read with a barrier (rows 3 and 4).
 */
export async function decide(
  deps: DecideDeps,
  question: OffsetQuestion,
  signal: AbortSignal,
): Promise<Decided> {
  const { topic, partition } = question;
  const view = viewOfPartition(await deps.lookup.find(topic, partition, signal));
  const recent = deps.local.recent(topic, partition);
  const early = recent === undefined ? undefined : decideWith(view, recent, question.offset);
  if (early?.decision.kind === 'remote') return early;
  const offsets = await deps.local.ask(topic, partition, signal);
  const decided = decideWith(view, offsets, question.offset);
  if (decided.decision.kind !== 'gap') return decided;
  return await decideAgain(deps, question, offsets, signal);
}

/** With what the metastore says right now. */
export async function decideAgain(
  deps: DecideDeps,
  question: OffsetQuestion,
  offsets: LocalOffsets,
  signal: AbortSignal,
): Promise<Decided> {
  const { topic, partition, offset } = question;
  const view = viewOfPartition(await deps.lookup.findLinearizable(topic, partition, signal));
  return decideWith(view, offsets, offset);
}

function decideWith(view: PartitionView, offsets: LocalOffsets, offset: bigint): Decided {
  const { remoteStart } = view.snapshot;
  // The end of the log is the broker's alone: above its high watermark it may still hold records (row 7).
  const known = { remoteStart, localStart: offsets.localStart, logEnd: undefined };
  const decision = decideFetch(offset, known, view.remote);
  return decision.kind === 'out-of-range'
    ? { view, decision: { ...decision, end: offsets.highWatermark } }
    : { view, decision };
}
