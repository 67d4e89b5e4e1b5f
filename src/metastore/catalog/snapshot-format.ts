// The bytes of a snapshot (docs/snapshot-format.md): magic and version, then frames: one header, blocks of
// rows, one trailer. Every frame ends with the CRC-32 of all bytes of the snapshot before it, CRCs left out.
import { crc32 } from '../../base/checksum.ts';
import { LogtierError } from '../../base/errors.ts';
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { KvEntry } from '../engine/kv-engine.ts';

export const SNAPSHOT_MAGIC = Buffer.from('LTCATSNP', 'latin1');
export const SNAPSHOT_VERSION = 1;

/** Magic, then the version as u16. */
export const PREAMBLE_BYTES = SNAPSHOT_MAGIC.length + 2;

/** Largest piece that a snapshot is handed out in, and largest block of more than one row. */
export const CHUNK_BYTES = 1024 * 1024;

/** Kept answers are the largest rows: 1,024 records of at most 70 KiB. A larger row is refused. */
export const MAX_ROW_BYTES = 128 * 1024 * 1024;

export const FRAME = { header: 1, rows: 2, trailer: 3 } as const;

/** Kind u8, payload bytes u32. */
export const FRAME_HEAD_BYTES = 5;
export const CRC_BYTES = 4;

/** Rows u32, at the start of a block's payload. */
export const BLOCK_HEAD_BYTES = 4;

/** Key bytes u16, value bytes u32. */
export const ROW_HEAD_BYTES = 6;

/** State version, incarnation, applied index and term, hash; the metastore id is the rest. */
export const HEADER_FIXED_BYTES = 4 + 4 + 8 + 8 + 4;
export const MAX_HEADER_BYTES = HEADER_FIXED_BYTES + 255;

/** Blocks u32, rows u64, hash u32. */
export const TRAILER_BYTES = 4 + 8 + 4;

/** What a snapshot says about itself before its rows. */
export type SnapshotHeader = Pick<
  CatalogState,
  'stateVersion' | 'incarnation' | 'appliedIndex' | 'appliedTerm' | 'hash' | 'metastoreId'
>;

export interface SnapshotTrailer {
  readonly blocks: number;
  readonly rows: bigint;
  readonly hash: number;
}

/** `where` names the part: the whole snapshot is not believed. */
export function damaged(where: string, what: string): LogtierError {
  return new LogtierError('SNAPSHOT_DAMAGED', `${where} of the catalog snapshot ${what}`, {
    hint: 'take the snapshot again, or another file',
    details: { where },
  });
}

export function rowBytes({ key, value }: KvEntry): number {
  return ROW_HEAD_BYTES + key.length + value.length;
}

export function encodePreamble(): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES);
  SNAPSHOT_MAGIC.copy(bytes);
  bytes.writeUInt16BE(SNAPSHOT_VERSION, SNAPSHOT_MAGIC.length);
  return bytes;
}

export function encodeHeader(header: SnapshotHeader): Buffer {
  const fixed = Buffer.alloc(HEADER_FIXED_BYTES);
  let at = fixed.writeUInt32BE(header.stateVersion, 0);
  at = fixed.writeUInt32BE(header.incarnation, at);
  at = fixed.writeBigUInt64BE(header.appliedIndex, at);
  at = fixed.writeBigUInt64BE(header.appliedTerm, at);
  fixed.writeUInt32BE(header.hash, at);
  return Buffer.concat([fixed, Buffer.from(header.metastoreId, 'utf8')]);
}

export function decodeHeader(payload: Buffer): SnapshotHeader {
  return {
    stateVersion: payload.readUInt32BE(0),
    incarnation: payload.readUInt32BE(4),
    appliedIndex: payload.readBigUInt64BE(8),
    appliedTerm: payload.readBigUInt64BE(16),
    hash: payload.readUInt32BE(24),
    metastoreId: payload.toString('utf8', HEADER_FIXED_BYTES),
  };
}

export function encodeRows(rows: readonly KvEntry[], payloadBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(payloadBytes);
  let at = bytes.writeUInt32BE(rows.length, 0);
  for (const { key, value } of rows) {
    at = bytes.writeUInt16BE(key.length, at);
    at = bytes.writeUInt32BE(value.length, at);
    bytes.set(key, at);
    bytes.set(value, at + key.length);
    at += key.length + value.length;
  }
  return bytes;
}

/** Undefined when lengths and counts do not fit the payload. The rows are views of it. */
export function decodeRows(payload: Buffer): KvEntry[] | undefined {
  if (payload.length < BLOCK_HEAD_BYTES) return undefined;
  const count = payload.readUInt32BE(0);
  const rows: KvEntry[] = [];
  let at = BLOCK_HEAD_BYTES;
  while (at + ROW_HEAD_BYTES <= payload.length) {
    const keyEnd = at + ROW_HEAD_BYTES + payload.readUInt16BE(at);
    const end = keyEnd + payload.readUInt32BE(at + 2);
    if (end > payload.length) return undefined;
    rows.push({
      key: payload.subarray(at + ROW_HEAD_BYTES, keyEnd),
      value: payload.subarray(keyEnd, end),
    });
    at = end;
  }
  return at === payload.length && rows.length === count ? rows : undefined;
}

export function encodeTrailer(trailer: SnapshotTrailer): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  let at = bytes.writeUInt32BE(trailer.blocks, 0);
  at = bytes.writeBigUInt64BE(trailer.rows, at);
  bytes.writeUInt32BE(trailer.hash, at);
  return bytes;
}

export function decodeTrailer(payload: Buffer): SnapshotTrailer {
  return {
    blocks: payload.readUInt32BE(0),
    rows: payload.readBigUInt64BE(4),
    hash: payload.readUInt32BE(12),
  };
}

export function encodeFrameHead(kind: number, payloadBytes: number): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUInt32BE(payloadBytes, head.writeUInt8(kind, 0));
  return head;
}

/** The CRC after `parts`, which follow what gave `seed`. */
export function crcAfter(seed: number, ...parts: readonly Uint8Array[]): number {
  return parts.reduce((crc, part) => crc32(part, crc), seed);
}
