// Checks a `.log` piece by piece, without keeping it. A batch may span any number of pieces.
import { crc32c } from '../base/checksum.ts';
import { assert } from '../base/assert.ts';
import { LogtierError } from '../base/errors.ts';
import { viewOf } from './big-endian.ts';
import {
  BATCH_HEADER_BYTES,
  CRC_START,
  batchError,
  damaged,
  readHeaderAt,
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

/** A checked batch. */
export type ScannedBatch = RecordBatchHeader;

export interface ScanEnd {
  /** Exclusive; the segment's base when there was no batch. */
  readonly nextOffset: bigint;
  /** Position after the last batch. */
  readonly endPosition: number;
}

/** A batch whose body has not all come yet. */
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
  private readonly lastPossibleOffset: bigint;
  private readonly header = new Uint8Array(BATCH_HEADER_BYTES);
  private headerBytes = 0;
  private open: OpenBatch | undefined;
  private position: number;
  private nextOffset: bigint;
  private leaderEpoch = -1;
  private failure: LogtierError | undefined;

  constructor(start: ScanStart) {
    this.segmentBaseOffset = start.segmentBaseOffset;
    this.lastPossibleOffset = start.segmentBaseOffset + LARGEST_RELATIVE_OFFSET;
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
    if (this.open !== undefined || this.headerBytes > 0) {
      const offset = this.open?.batch.baseOffset ?? this.nextOffset;
      const place = { position: this.position, offset };
      throw batchError('TRUNCATED_FILE', 'the file ends inside it', place);
    }
    return { nextOffset: this.nextOffset, endPosition: this.position };
  }

  private consume(piece: Uint8Array): ScannedBatch[] {
    const view = viewOf(piece);
    const done: ScannedBatch[] = [];
    let at = 0;
    while (at < piece.length) {
      const isWhole = this.headerBytes === 0 && piece.length - at >= BATCH_HEADER_BYTES;
      if (this.open !== undefined) at = this.takeBody(piece, at);
      else if (isWhole) at = this.takeStart(piece, view, at);
      else at = this.takeHeader(piece, at);
      const batch = this.close();
      if (batch !== undefined) done.push(batch);
    }
    return done;
  }

  /** A header that lies whole in the piece, with as much of its body: the usual case. */
  private takeStart(piece: Uint8Array, view: DataView, at: number): number {
    const batch = readHeaderAt(view, at, this.position);
    const end = Math.min(piece.length, at + batch.batchBytes);
    this.begin(batch, piece.subarray(at + CRC_START, end));
    return end;
  }

  /** A header cut by the end of a piece is put together first. */
  private takeHeader(piece: Uint8Array, at: number): number {
    const end = Math.min(piece.length, at + BATCH_HEADER_BYTES - this.headerBytes);
    this.header.set(piece.subarray(at, end), this.headerBytes);
    this.headerBytes += end - at;
    if (this.headerBytes === BATCH_HEADER_BYTES) {
      this.headerBytes = 0;
      const batch = readHeaderAt(viewOf(this.header), 0, this.position);
      this.begin(batch, this.header.subarray(CRC_START));
    }
    return end;
  }

  private begin(batch: ScannedBatch, checked: Uint8Array): void {
    this.requireOrder(batch);
    const missingBytes = batch.batchBytes - CRC_START - checked.length;
    this.open = { batch, crc: crc32c(checked), missingBytes };
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
    requireCrc(crc, batch);
    this.open = undefined;
    this.position += batch.batchBytes;
    this.nextOffset = batch.lastOffset + 1n;
    if (batch.partitionLeaderEpoch !== -1) this.leaderEpoch = batch.partitionLeaderEpoch;
    return batch;
  }

  private requireOrder(batch: ScannedBatch): void {
    if (batch.baseOffset < this.nextOffset) {
      throw damaged(batch, `offset ${this.nextOffset} was due, not ${batch.baseOffset}`);
    }
    if (batch.lastOffset > this.lastPossibleOffset) {
      throw damaged(batch, `too far from offset ${this.segmentBaseOffset}, its segment's base`);
    }
    const epoch = batch.partitionLeaderEpoch;
    if (epoch !== -1 && epoch < this.leaderEpoch) {
      throw damaged(batch, `leader epoch ${epoch} follows ${this.leaderEpoch}`);
    }
  }
}
