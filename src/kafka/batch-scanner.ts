// Checks a `.log` piece by piece, without keeping it. A batch may span any number of pieces.
import { crc32c } from '../base/checksum.ts';
import { assert } from '../base/assert.ts';
import { LogtierError } from '../base/errors.ts';
import {
  BATCH_HEADER_BYTES,
  CRC_START,
  batchError,
  readBatchHeader,
  requireCrc,
  type RecordBatchHeader,
} from './record-batch.ts';

/** Kafka's indexes keep offsets relative to the segment's base as int32. */
const LARGEST_RELATIVE_OFFSET = 2n ** 31n - 1n;

export interface ScanStart {
  /** From the segment's file name; no batch may lie below it. */
  readonly segmentBaseOffset: bigint;
  /** Of the first byte pushed, in the file; a batch begins there. Default 0. */
  readonly position?: number;
}

/** A checked batch and where it begins in the file. */
export interface ScannedBatch extends RecordBatchHeader {
  readonly position: number;
}

export interface ScanEnd {
  /** Exclusive; the segment's base when there was no batch. */
  readonly nextOffset: bigint;
  /** Position after the last batch. */
  readonly endPosition: number;
}

interface OpenBatch {
  readonly batch: ScannedBatch;
  crc: number;
  missingBytes: number;
}

/**
 * Feed it the pieces of a segment in order, then call `end`. A batch is answered once its last byte has
 * been checked: length, magic, CRC-32C, offsets ascending from the segment's base, leader epochs never
 * falling. After an error it stays failed.
 *
 * Offset, length and leader epoch lie outside the CRC: what a flipped bit there does not break here shows
 * in the segment's next offset and in the lineage, which the caller compares (safety rule 15).
 */
export class BatchScanner {
  private readonly segmentBaseOffset: bigint;
  private readonly header = new Uint8Array(BATCH_HEADER_BYTES);
  private headerBytes = 0;
  private open: OpenBatch | undefined;
  private position: number;
  private nextOffset: bigint;
  private leaderEpoch = -1;
  private failure: LogtierError | undefined;

  constructor(start: ScanStart) {
    this.segmentBaseOffset = start.segmentBaseOffset;
    this.nextOffset = start.segmentBaseOffset;
    this.position = start.position ?? 0;
  }

  /** The batches that this piece completes. */
  push(piece: Uint8Array): ScannedBatch[] {
    if (this.failure !== undefined) throw this.failure;
    try {
      return this.consume(piece);
    } catch (error) {
      if (error instanceof LogtierError) this.failure = error;
      throw error;
    }
  }

  /** TRUNCATED_FILE when the pieces ended inside a batch. */
  end(): ScanEnd {
    if (this.failure !== undefined) throw this.failure;
    if (this.headerBytes > 0) {
      throw batchError('TRUNCATED_FILE', 'the file ends inside it', {
        position: this.position,
        offset: this.open?.batch.baseOffset ?? this.nextOffset,
      });
    }
    return { nextOffset: this.nextOffset, endPosition: this.position };
  }

  private consume(piece: Uint8Array): ScannedBatch[] {
    const done: ScannedBatch[] = [];
    let at = 0;
    while (at < piece.length) {
      at = this.open === undefined ? this.takeHeader(piece, at) : this.takeBody(piece, at);
      const batch = this.close();
      if (batch !== undefined) done.push(batch);
    }
    return done;
  }

  private takeHeader(piece: Uint8Array, at: number): number {
    const end = Math.min(piece.length, at + BATCH_HEADER_BYTES - this.headerBytes);
    this.header.set(piece.subarray(at, end), this.headerBytes);
    this.headerBytes += end - at;
    if (this.headerBytes === BATCH_HEADER_BYTES) {
      const header = readBatchHeader(this.header, 0, this.position);
      this.requireOrder(header);
      this.open = {
        batch: { ...header, position: this.position },
        crc: crc32c(this.header.subarray(CRC_START)),
        missingBytes: header.batchBytes - BATCH_HEADER_BYTES,
      };
    }
    return end;
  }

  private takeBody(piece: Uint8Array, at: number): number {
    assert(this.open !== undefined, 'a body follows its header');
    const end = Math.min(piece.length, at + this.open.missingBytes);
    this.open.crc = crc32c(piece.subarray(at, end), this.open.crc);
    this.open.missingBytes -= end - at;
    return end;
  }

  private close(): ScannedBatch | undefined {
    if (this.open === undefined || this.open.missingBytes > 0) return undefined;
    const { batch, crc } = this.open;
    requireCrc(crc, batch, { position: batch.position, offset: batch.baseOffset });
    this.open = undefined;
    this.headerBytes = 0;
    this.position += batch.batchBytes;
    this.nextOffset = batch.lastOffset + 1n;
    if (batch.partitionLeaderEpoch !== -1) this.leaderEpoch = batch.partitionLeaderEpoch;
    return batch;
  }

  private requireOrder(header: RecordBatchHeader): void {
    const place = { position: this.position, offset: header.baseOffset };
    if (header.baseOffset < this.nextOffset) {
      throw batchError('CORRUPT_BATCH', `offset ${this.nextOffset} was due`, place);
    }
    if (header.lastOffset - this.segmentBaseOffset > LARGEST_RELATIVE_OFFSET) {
      throw batchError('CORRUPT_BATCH', 'too far from the base of its segment', place);
    }
    const epoch = header.partitionLeaderEpoch;
    if (epoch !== -1 && epoch < this.leaderEpoch) {
      const what = `leader epoch ${epoch} follows ${this.leaderEpoch}`;
      throw batchError('CORRUPT_BATCH', what, place);
    }
  }
}
