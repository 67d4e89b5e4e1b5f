// Holds a segment's offset and time index against its batches, while the log streams by.
import type { ScannedBatch } from '../kafka/batch-scanner.ts';
import type { OffsetPosition } from '../kafka/offset-index.ts';
import type { TimestampOffset } from '../kafka/time-index.ts';

/** Fed with every batch of the log in order. `fault` is the first disagreement, undefined while there is none. */
export interface IndexWalk {
  readonly fault: string | undefined;
  add(batch: ScannedBatch): void;
  /** Call once after the last batch. */
  finish(): void;
}

/**
 * Every entry must name where a batch begins, with an offset not below that batch's: else a reader that
 * starts there misses records.
 */
export class OffsetIndexWalk implements IndexWalk {
  fault: string | undefined;
  private readonly entries: readonly OffsetPosition[];
  private next = 0;

  constructor(entries: readonly OffsetPosition[]) {
    this.entries = entries;
  }

  add(batch: ScannedBatch): void {
    const entry = this.entries[this.next];
    if (this.fault !== undefined || entry === undefined || entry.position > batch.position) return;
    this.next += 1;
    if (entry.position < batch.position) {
      this.fault = `byte ${entry.position} is not where a batch begins`;
    } else if (entry.offset < batch.baseOffset) {
      this.fault = `offset ${entry.offset} lies before byte ${entry.position}`;
    }
  }

  finish(): void {
    const entry = this.entries[this.next];
    if (entry !== undefined) this.fault ??= `byte ${entry.position} is not where a batch begins`;
  }
}

/**
 * No record up to an entry's offset may be younger than its timestamp, and the last entry names the
 * largest one: else a search by time passes over records.
 */
export class TimeIndexWalk implements IndexWalk {
  fault: string | undefined;
  private readonly entries: readonly TimestampOffset[];
  private next = 0;
  private newestMs = -1;

  constructor(entries: readonly TimestampOffset[]) {
    this.entries = entries;
  }

  add(batch: ScannedBatch): void {
    if (this.fault !== undefined) return;
    let entry = this.entries[this.next];
    while (entry !== undefined && entry.offset < batch.lastOffset) {
      this.require(entry);
      this.next += 1;
      entry = this.entries[this.next];
    }
    this.newestMs = Math.max(this.newestMs, batch.maxTimestampMs);
  }

  finish(): void {
    for (const entry of this.entries.slice(this.next)) this.require(entry);
    const lastMs = this.entries.at(-1)?.timestampMs ?? -1;
    if (lastMs !== this.newestMs) {
      this.fault ??= `it ends with timestamp ${lastMs}, the log's largest is ${this.newestMs}`;
    }
  }

  private require(entry: TimestampOffset): void {
    if (entry.timestampMs < this.newestMs) {
      this.fault ??= `timestamp ${entry.timestampMs} up to offset ${entry.offset}, but ${this.newestMs} is there`;
    }
  }
}
