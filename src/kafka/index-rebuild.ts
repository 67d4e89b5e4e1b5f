// The offset and time index of a segment made anew from its log (safety rule 12), as Kafka itself does when
// it recovers a segment: apache/kafka storage LogSegment.recover
import type { ScannedBatch } from './batch-scanner.ts';
import { printOffsetIndex, type OffsetPosition } from './offset-index.ts';
import { printTimeIndex, type TimestampOffset } from './time-index.ts';

/** index.interval.bytes, Kafka's default. */
export const INDEX_INTERVAL_BYTES = 4096;

export interface RebuiltIndexes {
  readonly offsetIndex: Uint8Array;
  readonly timeIndex: Uint8Array;
}

/** Takes the batches of a whole segment in order. Any interval gives correct indexes; it sets how sparse. */
export class IndexRebuilder {
  private readonly baseOffset: bigint;
  private readonly intervalBytes: number;
  private readonly positions: OffsetPosition[] = [];
  private readonly times: TimestampOffset[] = [];
  private indexedPosition = 0;
  private newest: TimestampOffset | undefined;

  constructor(baseOffset: bigint, intervalBytes: number = INDEX_INTERVAL_BYTES) {
    this.baseOffset = baseOffset;
    this.intervalBytes = intervalBytes;
  }

  add(batch: ScannedBatch): void {
    if (batch.maxTimestampMs > (this.newest?.timestampMs ?? -1)) {
      this.newest = { timestampMs: batch.maxTimestampMs, offset: batch.lastOffset };
    }
    if (batch.position - this.indexedPosition <= this.intervalBytes) return;
    this.positions.push({ offset: batch.lastOffset, position: batch.position });
    this.addTime();
    this.indexedPosition = batch.position;
  }

  /** Call once, after the last batch: a closed segment always names its largest timestamp. */
  finish(): RebuiltIndexes {
    this.addTime();
    return {
      offsetIndex: printOffsetIndex(this.positions, this.baseOffset),
      timeIndex: printTimeIndex(this.times, this.baseOffset),
    };
  }

  private addTime(): void {
    if (this.newest !== undefined && this.times.at(-1) !== this.newest)
      this.times.push(this.newest);
  }
}
