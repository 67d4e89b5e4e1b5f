// Name and header of one file of the write-ahead log. The whole format: docs/wal-format.md
import { assert } from '../../base/assert.ts';
import { crc32 } from '../../base/checksum.ts';
import { LogtierError } from '../../base/errors.ts';
import type { Chain } from './wal-record.ts';

/** Whose log this is; every file says so. */
export interface WalIdentity {
  /** At most 64 bytes in UTF-8. */
  readonly clusterId: string;
  readonly nodeId: bigint;
}

export interface WalFileName {
  /** Counts files since the log began; the first is 1. */
  readonly seq: number;
  /** Index of the next entry when the file was begun. */
  readonly firstIndex: bigint;
}

export interface WalFileHeader extends WalFileName, WalIdentity {
  /** The last record of the file before. */
  readonly before: Chain;
}

export const FILE_HEADER_BYTES = 128;

const MAGIC = Buffer.from('LOGTWAL\0', 'latin1');
/** Version 2 added the records of a group's members. */
export const WAL_VERSION = 2;
const OLDEST_VERSION = 1;
const MAX_CLUSTER_ID_BYTES = 64;
const NAME = /^(\d{10})-(\d{20})\.wal$/;

export function printFileName({ seq, firstIndex }: WalFileName): string {
  return `${String(seq).padStart(10, '0')}-${String(firstIndex).padStart(20, '0')}.wal`;
}

export function parseFileName(name: string): WalFileName | undefined {
  const [, seq, firstIndex] = NAME.exec(name) ?? [];
  return seq === undefined || firstIndex === undefined
    ? undefined
    : { seq: Number(seq), firstIndex: BigInt(firstIndex) };
}

export function encodeFileHeader(header: WalFileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  const clusterId = Buffer.from(header.clusterId);
  assert(clusterId.length <= MAX_CLUSTER_ID_BYTES, 'a cluster id has at most 64 bytes');
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32BE(WAL_VERSION, 8);
  bytes.writeUInt32BE(clusterId.length, 12);
  bytes.writeBigUInt64BE(BigInt(header.seq), 16);
  bytes.writeBigUInt64BE(header.firstIndex, 24);
  bytes.writeBigUInt64BE(header.nodeId, 32);
  bytes.writeBigUInt64BE(BigInt(header.before.ordinal), 40);
  bytes.writeUInt32BE(header.before.crc, 48);
  clusterId.copy(bytes, 56);
  bytes.writeUInt32BE(fileSalt(bytes), 124);
  return bytes;
}

/** CRC of the header; record headers are seeded with it. */
export function fileSalt(header: Buffer): number {
  return crc32(header.subarray(0, 124));
}

/** Refuses with CORRUPT_STATE what is no header of ours; `path` is for the message. */
export function decodeFileHeader(
  bytes: Buffer,
  path: string,
): WalFileHeader & { readonly version: number } {
  if (bytes.length < FILE_HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) {
    throw badHeader(path, 'it does not begin as a log file');
  }
  if (bytes.readUInt32BE(124) !== fileSalt(bytes)) throw badHeader(path, 'its header is damaged');
  const version = bytes.readUInt32BE(8);
  if (version < OLDEST_VERSION || version > WAL_VERSION) {
    throw new LogtierError('CORRUPT_STATE', `${path}: log format ${version} is not known`, {
      hint: `this build reads formats up to ${WAL_VERSION}: run the build that wrote the file`,
    });
  }
  const clusterIdBytes = Math.min(bytes.readUInt32BE(12), MAX_CLUSTER_ID_BYTES);
  return {
    version,
    seq: Number(bytes.readBigUInt64BE(16)),
    firstIndex: bytes.readBigUInt64BE(24),
    nodeId: bytes.readBigUInt64BE(32),
    before: { ordinal: Number(bytes.readBigUInt64BE(40)), crc: bytes.readUInt32BE(48) },
    clusterId: bytes.subarray(56, 56 + clusterIdBytes).toString(),
  };
}

function badHeader(path: string, what: string): LogtierError {
  return corruptWal(path, 0, what);
}

/** The one way out of damage: the log never guesses, an operator decides. */
export function corruptWal(path: string, position: number, what: string): LogtierError {
  return new LogtierError('CORRUPT_STATE', `${path} at byte ${position}: ${what}`, {
    hint:
      'nothing was changed on disk. In a group: wipe this member and let it join again under a new id. ' +
      'A single member: restore the newest backup, or the file from a copy of this disk',
    details: { path, position },
  });
}
