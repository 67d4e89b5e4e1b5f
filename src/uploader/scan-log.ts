// The one pass over a segment's log before anything is promised: batches, epochs and chunk checksums.
import type { ByteRange } from '../base/byte-range.ts';
import { rangeBytes, splitRange } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import { BatchScanner, type ScanEnd, type ScannedBatch } from '../kafka/batch-scanner.ts';
import { throwIfAborted } from '../platform/clock.ts';
import type { DiskFile } from '../platform/disk.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import { onDisk } from './local-segment.ts';

/** Read at once and checked in one step: no longer step holds the event loop. Divides LOG_CHUNK_BYTES. */
const PIECE_BYTES = 2 ** 20;

export interface ScannedLog extends ScanEnd {
  readonly chunkCrcs: readonly number[];
}

/** A batch and, if the visitor asks, its bytes: valid until the visitor's promise settles. */
export interface BatchVisitor {
  visit(batch: ScannedBatch): void;
  /** True for the few batches whose bytes are wanted. */
  wantsBytes(batch: ScannedBatch): boolean;
  visitBytes(batch: ScannedBatch, bytes: Uint8Array): Promise<void>;
}

/**
 * Reads `logBytes` of `log` in two reused buffers, one filling while the other is checked. CORRUPT_BATCH or
 * UNSUPPORTED_FORMAT for damage, TRUNCATED_FILE when the last batch is cut, SOURCE_CHANGED when the file ends
 * early.
 */
export async function scanLog(
  log: DiskFile,
  scan: { readonly baseOffset: bigint; readonly logBytes: number },
  visitor: BatchVisitor,
  signal: AbortSignal,
): Promise<ScannedLog> {
  const scanner = new BatchScanner({ segmentBaseOffset: scan.baseOffset });
  const chunkCrcs: number[] = [];
  let crc = 0;
  for await (const { range, bytes } of pieces(log, scan.logBytes, signal)) {
    crc = crc32(bytes, range.start % LOG_CHUNK_BYTES === 0 ? 0 : crc);
    if (range.end % LOG_CHUNK_BYTES === 0 || range.end === scan.logBytes) chunkCrcs.push(crc);
    for (const batch of scanner.push(bytes)) {
      visitor.visit(batch);
      if (visitor.wantsBytes(batch)) {
        await visitor.visitBytes(batch, await bytesOf(log, batch, { range, bytes }));
      }
    }
  }
  return { ...scanner.end(), chunkCrcs };
}

interface Piece {
  readonly range: ByteRange;
  readonly bytes: Uint8Array;
}

async function* pieces(
  log: DiskFile,
  logBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const ranges = splitRange({ start: 0, end: logBytes }, PIECE_BYTES);
  const ring = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  const start = (index: number): Promise<Piece> | undefined => {
    const range = ranges[index];
    if (range === undefined) return undefined;
    const reading = readPiece(log, range, index % 2 === 0 ? ring[0] : ring[1]);
    reading.catch(() => undefined); // told when it is awaited
    return reading;
  };
  let ahead = start(0);
  for (let index = 0; ahead !== undefined; index += 1) {
    throwIfAborted(signal);
    const piece = await ahead;
    ahead = start(index + 1);
    yield piece;
  }
}

async function readPiece(log: DiskFile, range: ByteRange, buffer: Uint8Array): Promise<Piece> {
  const bytes = buffer.subarray(0, rangeBytes(range));
  const count = await onDisk(log.read(bytes, range.start), log.path);
  if (count < bytes.length) {
    const at = range.start + count;
    throw new LogtierError('SOURCE_CHANGED', `${log.path} ends at ${at}, it was longer`);
  }
  return { range, bytes };
}

/** Out of the piece at hand; read again when the batch began in the piece before. */
async function bytesOf(log: DiskFile, batch: ScannedBatch, piece: Piece): Promise<Uint8Array> {
  const start = batch.position - piece.range.start;
  if (start >= 0) return piece.bytes.subarray(start, start + batch.batchBytes);
  const range = { start: batch.position, end: batch.position + batch.batchBytes };
  return (await readPiece(log, range, Buffer.allocUnsafeSlow(batch.batchBytes))).bytes;
}
