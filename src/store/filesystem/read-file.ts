// A ranged get from a file: positional reads, two buffers, one read ahead.
import { assert } from '../../base/assert.ts';
import type { ByteRange } from '../../base/byte-range.ts';
import { rangeBytes, splitRange } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import type { DiskFile } from '../../platform/disk.ts';
import { STREAM_CHUNK_BYTES } from '../object-store.ts';

async function readPiece(file: DiskFile, piece: ByteRange, buffer: Buffer): Promise<Buffer> {
  const into = buffer.subarray(0, rangeBytes(piece));
  const count = await file.read(into, piece.start);
  if (count === into.length) return into;
  throw new LogtierError('STORE_UNAVAILABLE', `${file.path} ended at ${piece.start + count}`);
}

/** Pieces of `range`, each valid until the next is asked for. */
export async function* readPieces(
  file: DiskFile,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const pieces = splitRange(range, STREAM_CHUNK_BYTES);
  const bufferBytes = Math.min(STREAM_CHUNK_BYTES, rangeBytes(range));
  const ring = [Buffer.allocUnsafeSlow(bufferBytes), Buffer.allocUnsafeSlow(bufferBytes)];
  const start = (index: number): Promise<Buffer> | undefined => {
    const piece = pieces[index];
    const buffer = ring[index % 2];
    if (piece === undefined || buffer === undefined) return undefined;
    const reading = readPiece(file, piece, buffer);
    reading.catch(() => undefined); // told when it is awaited; never unhandled when the loop is left
    return reading;
  };
  let ahead = start(0);
  for (let index = 0; index < pieces.length; index += 1) {
    throwIfAborted(signal);
    const bytes = await ahead;
    assert(bytes !== undefined, 'a read for every piece');
    ahead = start(index + 1);
    yield bytes;
  }
}
