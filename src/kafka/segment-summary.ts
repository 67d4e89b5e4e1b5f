// What a whole segment holds, folded from its batches as they are scanned.
import type { ScannedBatch } from './batch-scanner.ts';
import type { EpochEntry, Lineage } from './lineage.ts';

export interface SegmentSummary {
  /** The segment's base, from its file name. */
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly nextOffset: bigint;
  readonly logBytes: number;
  readonly batchesCount: number;
  readonly recordsCount: number;
  /** -1 when no record has a timestamp. */
  readonly maxTimestampMs: number;
  /** Last offset of the first batch with that timestamp, as Kafka's time index has it; -1 without one. */
  readonly offsetOfMaxTimestamp: bigint;
  /** Of the batches' partitionLeaderEpoch (safety rule 15); empty epochs do not show. */
  readonly epochs: Lineage;
  /** Batches from before leader epochs (-1): their offsets are in no entry of `epochs`, or in an older one. */
  readonly batchesWithoutEpoch: number;
  /** Data or markers of transactions: only then can there be a transaction index. */
  readonly hasTransactions: boolean;
  /** Offsets are missing between batches: compacted. */
  readonly hasHoles: boolean;
}

export class SegmentSummarizer {
  private readonly baseOffset: bigint;
  private readonly epochs: EpochEntry[] = [];
  private nextOffset: bigint;
  private logBytes = 0;
  private batchesCount = 0;
  private recordsCount = 0;
  private maxTimestampMs = -1;
  private offsetOfMaxTimestamp = -1n;
  private batchesWithoutEpoch = 0;
  private hasTransactions = false;
  private hasHoles = false;

  constructor(baseOffset: bigint) {
    this.baseOffset = baseOffset;
    this.nextOffset = baseOffset;
  }

  add(batch: ScannedBatch): void {
    this.batchesCount += 1;
    this.recordsCount += batch.recordsCount;
    this.hasTransactions ||= batch.isTransactional;
    this.hasHoles ||= batch.baseOffset !== this.nextOffset;
    this.nextOffset = batch.lastOffset + 1n;
    this.logBytes = batch.position + batch.batchBytes;
    if (batch.maxTimestampMs > this.maxTimestampMs) {
      this.maxTimestampMs = batch.maxTimestampMs;
      this.offsetOfMaxTimestamp = batch.lastOffset;
    }
    this.addEpoch(batch);
  }

  summary(): SegmentSummary {
    return {
      startOffset: this.baseOffset,
      nextOffset: this.nextOffset,
      logBytes: this.logBytes,
      batchesCount: this.batchesCount,
      recordsCount: this.recordsCount,
      maxTimestampMs: this.maxTimestampMs,
      offsetOfMaxTimestamp: this.offsetOfMaxTimestamp,
      epochs: this.epochs.slice(),
      batchesWithoutEpoch: this.batchesWithoutEpoch,
      hasTransactions: this.hasTransactions,
      hasHoles: this.hasHoles,
    };
  }

  /** The first entry begins at the segment's base, as KIP-405 wants, even where the first offsets are gone. */
  private addEpoch({ partitionLeaderEpoch: epoch, baseOffset }: ScannedBatch): void {
    if (epoch === -1) {
      this.batchesWithoutEpoch += 1;
      return;
    }
    if (this.epochs.at(-1)?.epoch === epoch) return;
    const isFirst = this.batchesCount === 1;
    this.epochs.push({ epoch, startOffset: isFirst ? this.baseOffset : baseOffset });
  }
}
