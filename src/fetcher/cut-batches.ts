// Which bytes of a window of the log go to the reader: whole batches, and where the stream ends. Pure.
//
// Runs over every batch that is sent, so it reads only what decides. Kafka's CRC of the records goes to the
// reader untouched; here length, magic, offsets and leader epoch must be those of a batch.
import { LogtierError } from '../base/errors.ts';
import { viewOf } from '../kafka/big-endian.ts';
import { entryEndAt, epochAt, type Lineage } from '../kafka/lineage.ts';
import { BATCH_HEADER_BYTES, readBatchHeader } from '../kafka/record-batch.ts';

const LENGTH_OVERHEAD = 12;
const SMALLEST_LENGTH = BATCH_HEADER_BYTES - LENGTH_OVERHEAD;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

export interface StreamRules {
  /** Batches whose last offset is below are passed over. */
  readonly from: bigint;
  /** A batch that begins here or above ends the stream: another segment serves it. */
  readonly bound: bigint;
  /** A batch of another epoch than the one in force at its base offset ends the stream (rule 14). */
  readonly lineage: Lineage;
  /** Of the segment; no batch lies below. */
  readonly segmentStart: bigint;
  /** Of the segment, exclusive; no batch reaches beyond. */
  readonly segmentNext: bigint;
  /** A transactional batch whose outcome is not known ends the stream. */
  readonly isCommittedOnly: boolean;
}

export interface CutWindow {
  readonly bytes: Uint8Array;
  /** Of its first byte in the log; a batch begins there. */
  readonly position: number;
  /** Bytes that may still be sent; a first batch is sent even if it is larger. */
  readonly roomBytes: number;
  readonly logBytes: number;
}

/** Whether the outcome of the transaction of a batch is not known. */
export type IsUndecided = (producerId: bigint, baseOffset: bigint) => boolean;

/** `outcomes`: no end; tell the cutter the outcomes of transactions and go on at `position`. */
export type StreamStop = 'bound' | 'epoch' | 'room' | 'undecided' | 'outcomes';

export interface Cut {
  /** Whole batches to send: bytes [start, end) of the window. */
  readonly start: number;
  readonly end: number;
  /** Where in the log to go on; may lie beyond the window. */
  readonly position: number;
  /** A batch that begins at `position` and is to be sent, but does not fit into the window: its bytes. */
  readonly largeBytes: number;
  readonly stop: StreamStop | undefined;
}

interface Progress {
  /** Where the epoch in force ends, and which it is. */
  epochEnd: bigint;
  epoch: number | undefined;
  /** No batch may begin below. */
  expected: bigint;
  isAnySent: boolean;
  nextOffset: bigint;
  hasTransactions: boolean;
}

/** Walks the windows of one stream in order. */
export class BatchCutter {
  private readonly rules: StreamRules;
  private progress: Progress;
  private isUndecided: IsUndecided | undefined;

  constructor(rules: StreamRules) {
    this.rules = rules;
    this.progress = {
      epochEnd: rules.segmentStart,
      epoch: undefined,
      expected: rules.segmentStart,
      isAnySent: false,
      nextOffset: rules.from,
      hasTransactions: false,
    };
  }

  /** After the last batch that was sent, or where the stream was stopped. */
  get nextOffset(): bigint {
    return this.progress.nextOffset;
  }

  get isAnySent(): boolean {
    return this.progress.isAnySent;
  }

  /** Transactional batches were sent: which of them were aborted must be told. */
  get hasTransactions(): boolean {
    return this.progress.hasTransactions;
  }

  /** Asked for by the stop `outcomes`, at most once. */
  learnOutcomes(isUndecided: IsUndecided): void {
    this.isUndecided = isUndecided;
  }

  /** CORRUPT_BATCH, or UNSUPPORTED_FORMAT, with the position of what is no batch; the cutter is then as before. */
  cut(window: CutWindow): Cut {
    const before = { ...this.progress };
    try {
      return this.walk(window);
    } catch (error) {
      this.progress = before;
      throw error;
    }
  }

  private walk({ bytes, position, roomBytes, logBytes }: CutWindow): Cut {
    const view = viewOf(bytes);
    let at = 0;
    let start = -1;
    let largeBytes = 0;
    let stop: StreamStop | undefined;
    while (at + BATCH_HEADER_BYTES <= bytes.length) {
      const batchBytes = this.check(view, { bytes, at, position, logBytes });
      const baseOffset = view.getBigInt64(at);
      const lastOffset = baseOffset + BigInt(view.getInt32(at + 23));
      if (lastOffset < this.rules.from) {
        at += batchBytes;
        this.progress.expected = lastOffset + 1n;
        continue;
      }
      if (start === -1) start = at;
      stop = this.stopBefore(view, at, baseOffset);
      if (stop === undefined && this.progress.isAnySent && at - start + batchBytes > roomBytes)
        stop = 'room';
      if (stop !== undefined) break;
      if (at + batchBytes > bytes.length) {
        largeBytes = batchBytes;
        break;
      }
      this.send(view, at, lastOffset);
      at += batchBytes;
    }
    if (at < bytes.length && position + bytes.length >= logBytes) requireWhole(at, bytes, position);
    const from = start === -1 ? at : start;
    return { start: from, end: Math.max(from, at), position: position + at, largeBytes, stop };
  }

  /** The batch at `position` is sent in pieces by the caller. */
  sendLarge(header: Uint8Array): void {
    const view = viewOf(header);
    this.send(view, 0, view.getBigInt64(0) + BigInt(view.getInt32(23)));
  }

  private send(view: DataView, at: number, lastOffset: bigint): void {
    this.progress.isAnySent = true;
    this.progress.nextOffset = lastOffset + 1n;
    this.progress.expected = this.progress.nextOffset;
    if ((view.getInt16(at + 21) & TRANSACTIONAL) !== 0) this.progress.hasTransactions = true;
  }

  private stopBefore(view: DataView, at: number, baseOffset: bigint): StreamStop | undefined {
    if (baseOffset >= this.rules.bound) return this.stopAt(this.rules.bound, 'bound');
    const epoch = view.getInt32(at + 12);
    if (epoch !== this.epochOf(baseOffset) && epoch !== -1 && this.progress.epoch !== undefined) {
      return this.stopAt(baseOffset, 'epoch');
    }
    const isData = (view.getInt16(at + 21) & (TRANSACTIONAL | CONTROL)) === TRANSACTIONAL;
    if (!isData || !this.rules.isCommittedOnly) return undefined;
    if (this.isUndecided === undefined) return 'outcomes';
    const isOpen = this.isUndecided(view.getBigInt64(at + 43), baseOffset);
    return isOpen ? this.stopAt(baseOffset, 'undecided') : undefined;
  }

  private stopAt(offset: bigint, stop: StreamStop): StreamStop {
    if (offset > this.progress.nextOffset) this.progress.nextOffset = offset;
    return stop;
  }

  private epochOf(offset: bigint): number | undefined {
    if (offset < this.progress.epochEnd) return this.progress.epoch;
    this.progress.epoch = epochAt(this.rules.lineage, offset);
    this.progress.epochEnd = entryEndAt(this.rules.lineage, offset) ?? this.rules.segmentNext;
    return this.progress.epoch;
  }

  /** Length of the batch at `at`, once it can be one. */
  private check(
    view: DataView,
    { bytes, at, position, logBytes }: Omit<CutWindow, 'roomBytes'> & { readonly at: number },
  ): number {
    const length = view.getInt32(at + 8);
    const baseOffset = view.getBigInt64(at);
    const lastDelta = view.getInt32(at + 23);
    const isBatch =
      view.getInt8(at + 16) === 2 &&
      length >= SMALLEST_LENGTH &&
      lastDelta >= 0 &&
      baseOffset >= this.progress.expected &&
      baseOffset + BigInt(lastDelta) < this.rules.segmentNext &&
      position + at + length + LENGTH_OVERHEAD <= logBytes;
    if (isBatch) return length + LENGTH_OVERHEAD;
    readBatchHeader(bytes, at, position + at); // says it better, where it is the header itself
    throw notInPlace(position + at, baseOffset);
  }
}

function notInPlace(position: number, offset: bigint): LogtierError {
  const message = `record batch at byte ${position}: it does not belong there`;
  return new LogtierError('CORRUPT_BATCH', message, { details: { position, offset } });
}

/** A log ends with a batch: fewer bytes than a header are none. */
function requireWhole(at: number, bytes: Uint8Array, position: number): void {
  if (bytes.length - at < BATCH_HEADER_BYTES) throw notInPlace(position + at, -1n);
}
