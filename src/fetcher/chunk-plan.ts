import { rangeBytes, splitRange, type ByteRange } from '../base/byte-range.ts';
import { LogtierError } from '../base/errors.ts';
import type { ChunkRef } from '../cache/chunk-ref.ts';
import { chunkRange } from '../segment/segment-object-reader.ts';
import { LOG_CHUNK_BYTES, type ObjectManifest } from '../segment/segment-object.ts';

export interface ChunkPiece {
  readonly ref: ChunkRef;
  /** Of the chunk. */
  readonly range: ByteRange;
  /** Where the piece begins in what was asked for. */
  readonly at: number;
}

export function chunkOf(manifest: ObjectManifest, chunk: number): ChunkRef {
  const crc = manifest.chunkCrcs[chunk];
  if (crc === undefined) {
    throw new LogtierError('OBJECT_CORRUPT', `the manifest has no checksum of chunk ${chunk}`);
  }
  const bytes = rangeBytes(chunkRange(manifest, chunk));
  return { segmentId: manifest.segmentId, chunk, bytes, crc };
}

/** Which bytes of which chunks make up `range` of the log, in order. */
export function planChunks(manifest: ObjectManifest, range: ByteRange): ChunkPiece[] {
  return splitRange(range, LOG_CHUNK_BYTES).map((piece) => {
    const chunk = Math.floor(piece.start / LOG_CHUNK_BYTES);
    const base = chunk * LOG_CHUNK_BYTES;
    return {
      ref: chunkOf(manifest, chunk),
      range: { start: piece.start - base, end: piece.end - base },
      at: piece.start - range.start,
    };
  });
}
