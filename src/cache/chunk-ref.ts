import type { SegmentId } from '../segment/ids.ts';

/** One chunk of the log of one segment, and the proof of its content. */
export interface ChunkRef {
  readonly segmentId: SegmentId;
  /** Number of the chunk; it begins at byte `chunk * LOG_CHUNK_BYTES` of the log. */
  readonly chunk: number;
  /** LOG_CHUNK_BYTES; the last chunk of a segment is shorter. */
  readonly bytes: number;
  /** CRC-32 (IEEE) of its bytes, from the segment's manifest. */
  readonly crc: number;
}

export type ChunkId = Pick<ChunkRef, 'segmentId' | 'chunk'>;

export function chunkKey(id: ChunkId): string {
  return `${id.segmentId}/${id.chunk}`;
}
