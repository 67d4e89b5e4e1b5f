// Which transactions in an answer were aborted, and whether that is known yet (READ_COMMITTED).
//
// A transaction that begins in a segment ends in it, or its producer's snapshot at the segment's end says that
// it is open; then a later segment tells. Where the remote tier ends before that, the broker tells, whose log
// goes on there; while it is silent, the answer ends too.
import { clipToLineage, type Lineage } from '../kafka/lineage.ts';
import { parseProducerSnapshot } from '../kafka/producer-snapshot.ts';
import {
  collectAborted,
  parseTransactionIndex,
  type AbortedTransaction,
} from '../kafka/transaction-index.ts';
import type { RemoteView } from '../kafka/fetch-decision.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { IndexReader, OpenSegment } from './index-reader.ts';
import type { LocalOutcomes } from './segment-lookup.ts';

/** A transaction open over more segments is waited for: the reader comes again. */
const MOST_SEGMENTS = 64;

/** First offset of each open transaction by producer; undefined: nobody wrote it down. */
type OpenTransactions = ReadonlyMap<bigint, bigint> | undefined;

export interface OutcomeDeps {
  readonly indexes: IndexReader;
  /** How transactions open at `offset`, the end of the remote tier, ended; undefined: the broker cannot tell. */
  readonly local: (offset: bigint, signal: AbortSignal) => Promise<LocalOutcomes | undefined>;
}

export interface OutcomeScope {
  readonly segment: OpenSegment;
  /** Exclusive end of what the segment serves. */
  readonly bound: bigint;
  readonly view: RemoteView<SegmentRecord>;
  readonly lineage: Lineage;
}

interface Link {
  readonly segment: OpenSegment;
  readonly open: OpenTransactions;
}

export class TransactionOutcomes {
  private readonly deps: OutcomeDeps;
  private readonly scope: OutcomeScope;
  /** The segment itself and those after it, as far as they had to be asked. */
  private readonly chain: Link[] = [];
  /** Of the log behind the last segment. */
  private local: LocalOutcomes | undefined;

  private constructor(deps: OutcomeDeps, scope: OutcomeScope) {
    this.deps = deps;
    this.scope = scope;
  }

  /** Follows the segments until every transaction open at the end of this one is decided, or they end. */
  static async find(
    deps: OutcomeDeps,
    scope: OutcomeScope,
    signal: AbortSignal,
  ): Promise<TransactionOutcomes> {
    const outcomes = new TransactionOutcomes(deps, scope);
    let { segment } = scope;
    let { bound } = scope;
    while (outcomes.chain.length < MOST_SEGMENTS) {
      outcomes.chain.push({ segment, open: await outcomes.openAt(segment, bound, signal) });
      if (outcomes.isAllDecided()) break;
      const hit = scope.view.find(bound);
      if (hit === undefined) {
        outcomes.local = await deps.local(bound, signal);
        break;
      }
      bound = hit.nextOffset;
      segment = await deps.indexes.open(hit.segment, signal);
    }
    return outcomes;
  }

  /** Whether the transaction of a batch in the segment is open as far as both tiers know. */
  isUndecided(producerId: bigint, baseOffset: bigint): boolean {
    if (this.local !== undefined && baseOffset < this.local.lastStableOffset) return false;
    return this.chain.every(({ open }) => isOpen(open, producerId, baseOffset));
  }

  /** The aborted transactions that touch [from, upper), each once; the lineage bounds them as it does the batches. */
  async aborted(from: bigint, upper: bigint, signal: AbortSignal): Promise<AbortedTransaction[]> {
    const found = new Map<string, AbortedTransaction>();
    for (const { segment } of this.chain) {
      const { aborted, isComplete } = collectAborted(
        await this.validEntries(segment, signal),
        from,
        upper,
      );
      for (const entry of aborted) found.set(`${entry.producerId}/${entry.lastOffset}`, entry);
      if (isComplete) return [...found.values()];
    }
    return [...found.values(), ...this.abortedLater(upper)];
  }

  /** Ended behind the remote tier; the broker lists also what began there. */
  private abortedLater(upper: bigint): AbortedTransaction[] {
    if (this.local === undefined) return [];
    const { lastStableOffset, aborted } = this.local;
    return aborted
      .filter(({ firstOffset }) => firstOffset < upper)
      .map((transaction) => ({ ...transaction, lastOffset: upper, lastStableOffset }));
  }

  private isAllDecided(): boolean {
    const first = this.chain[0]?.open;
    if (first === undefined) return this.chain.at(-1)?.open !== undefined;
    return [...first].every(([producerId, start]) => !this.isUndecided(producerId, start));
  }

  private async validEntries(
    segment: OpenSegment,
    signal: AbortSignal,
  ): Promise<AbortedTransaction[]> {
    const bytes = await this.deps.indexes.section(segment, 'transactionIndex', signal);
    if (bytes === undefined) return [];
    const parts = clipToLineage(segment.record, this.scope.lineage);
    return parseTransactionIndex(bytes).filter(({ lastOffset }) =>
      parts.some((part) => part.startOffset <= lastOffset && lastOffset < part.nextOffset),
    );
  }

  /** The snapshot at the end of a segment that is served only in part knows of another future. */
  private async openAt(
    segment: OpenSegment,
    bound: bigint,
    signal: AbortSignal,
  ): Promise<OpenTransactions> {
    if (bound < segment.record.nextOffset) return undefined;
    const bytes = await this.deps.indexes.section(segment, 'producerSnapshot', signal);
    if (bytes === undefined) return undefined;
    const open = new Map<bigint, bigint>();
    for (const { producerId, openTransactionStart } of parseProducerSnapshot(bytes)) {
      if (openTransactionStart !== undefined) open.set(producerId, openTransactionStart);
    }
    return open;
  }
}

function isOpen(open: OpenTransactions, producerId: bigint, baseOffset: bigint): boolean {
  if (open === undefined) return true;
  const start = open.get(producerId);
  return start !== undefined && start <= baseOffset;
}
