// The transaction index of a segment made anew from its log, as ProducerStateManager and LogSegment do.
//
// A producer's transaction begins with its first data batch and ends with a marker. Only its start may lie in
// an earlier segment: then the producer snapshot taken where this segment begins knows it.
import type { ScannedBatch } from '../kafka/batch-scanner.ts';
import type { ProducerState } from '../kafka/producer-snapshot.ts';
import type { ControlMarkerKind } from '../kafka/records.ts';
import type { AbortedTransaction } from '../kafka/transaction-index.ts';

export class AbortedTransactions {
  private readonly open = new Map<bigint, bigint>();
  private readonly found: AbortedTransaction[] = [];

  /** @param producers of the snapshot where the segment begins; none: transactions open there are taken to begin there. */
  constructor(producers: readonly ProducerState[]) {
    for (const { producerId, openTransactionStart } of producers) {
      if (openTransactionStart !== undefined) this.open.set(producerId, openTransactionStart);
    }
  }

  /** A transactional batch of data. */
  addData(batch: ScannedBatch): void {
    if (!this.open.has(batch.producerId)) this.open.set(batch.producerId, batch.baseOffset);
  }

  /** A marker; the last stable offset then is where the oldest other open transaction begins. */
  addMarker(batch: ScannedBatch, kind: ControlMarkerKind): void {
    const firstOffset = this.open.get(batch.producerId);
    this.open.delete(batch.producerId);
    if (kind !== 'abort' || firstOffset === undefined) return;
    this.found.push({
      producerId: batch.producerId,
      firstOffset,
      lastOffset: batch.lastOffset,
      lastStableOffset: this.oldestOpen() ?? batch.lastOffset + 1n,
    });
  }

  /** In the order of their markers. */
  result(): readonly AbortedTransaction[] {
    return this.found;
  }

  private oldestOpen(): bigint | undefined {
    let oldest: bigint | undefined;
    for (const start of this.open.values()) {
      if (oldest === undefined || start < oldest) oldest = start;
    }
    return oldest;
  }
}
