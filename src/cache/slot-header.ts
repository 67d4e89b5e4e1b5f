// The first 64 bytes of a slot's header page, big-endian; the rest of the page is zero, a zero page is invalid.
//
//    0 magic 8 bytes │ 24 generation u64 │ 48 chunk u32  │ 56 CRC-32 of the data u32
//    8 bootId 16     │ 32 segmentId 16   │ 52 length u32 │ 60 CRC-32 of [0, 60) u32
//
// Readers outside this process compare all 64 bytes before and after they read (safety rule 18).
import { crc32 } from '../base/checksum.ts';
import { segmentId } from '../segment/ids.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import type { ChunkRef } from './chunk-ref.ts';

export const HEADER_BYTES = 64;
const MAGIC = Buffer.from('LTSLOT01', 'latin1');

/** (bootId, counter) never repeats: not in one process, and not over a restart (rule 18). */
export interface Generation {
  /** 16 random bytes, drawn once by each process that writes the file. */
  readonly bootId: Uint8Array;
  readonly counter: bigint;
}

export function encodeHeader(ref: ChunkRef, generation: Generation): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.set(generation.bootId, 8);
  bytes.writeBigUInt64BE(generation.counter, 24);
  bytes.set(Buffer.from(ref.segmentId, 'base64url'), 32);
  bytes.writeUInt32BE(ref.chunk, 48);
  bytes.writeUInt32BE(ref.bytes, 52);
  bytes.writeUInt32BE(ref.crc, 56);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** What a header names; undefined when it is invalid: zero, torn, or of another format. */
export function decodeHeader(bytes: Buffer): ChunkRef | undefined {
  if (bytes.length < HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return undefined;
  if (bytes.readUInt32BE(60) !== crc32(bytes.subarray(0, 60))) return undefined;
  const length = bytes.readUInt32BE(52);
  if (length === 0 || length > LOG_CHUNK_BYTES) return undefined;
  return {
    segmentId: segmentId(bytes.subarray(32, 48).toString('base64url')),
    chunk: bytes.readUInt32BE(48),
    bytes: length,
    crc: bytes.readUInt32BE(56),
  };
}
