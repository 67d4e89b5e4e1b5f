// Values under the log's keys. What cannot be read is damage, never an empty log.
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError } from '../../../base/errors.ts';
import { EtcdLogBatch, EtcdLogHead, EtcdLogSnapshot } from '../../../gen/logtier/v1/etcd_log.ts';
import type { LogEntry, LogIndex } from '../replicated-log.ts';
import type { KeyRow } from './etcd-client.ts';

/** Indexes of one log never begin anew, and etcd's own terms are not ours. */
export const ETCD_LOG_TERM = 1n;

export interface Head {
  readonly lastIndex: LogIndex;
  readonly totalBytes: bigint;
  readonly etcdClusterId: bigint;
  /** 0, or 1 where a restored catalog stands for entry 1. */
  readonly beginsAfter: LogIndex;
  readonly modRevision: bigint;
}

export interface Batch {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly nonce: Uint8Array;
  readonly commands: readonly Uint8Array[];
  readonly totalBytes: bigint;
}

export interface SnapshotRow extends EtcdLogSnapshot {
  readonly modRevision: bigint;
}

export function commandBytes(commands: readonly Uint8Array[]): number {
  return commands.reduce((bytes, { length }) => bytes + length, 0);
}

function crcOf(commands: readonly Uint8Array[]): number {
  return commands.reduce((crc, command) => crc32(command, crc), 0);
}

export function encodeHead(head: Omit<Head, 'modRevision'>): Uint8Array {
  return EtcdLogHead.encode(head).finish();
}

export function decodeHead(row: KeyRow): Head {
  return { ...readRow(row, () => EtcdLogHead.decode(row.value)), modRevision: row.modRevision };
}

export function encodeBatch(batch: Omit<Batch, 'lastIndex'>): Uint8Array {
  const { firstIndex, totalBytes } = batch;
  return EtcdLogBatch.encode({
    firstIndex,
    totalBytes,
    nonce: Buffer.from(batch.nonce),
    commands: batch.commands.map((command) =>
      Buffer.from(command.buffer, command.byteOffset, command.length),
    ),
    crc32: crcOf(batch.commands),
  }).finish();
}

export function decodeBatch(row: KeyRow): Batch {
  const batch = readRow(row, () => EtcdLogBatch.decode(row.value));
  const lastIndex = batch.firstIndex + BigInt(batch.commands.length) - 1n;
  const isWhole = batch.commands.length > 0 && batch.crc32 === crcOf(batch.commands);
  if (!isWhole || !row.key.endsWith(`/${String(lastIndex).padStart(20, '0')}`)) throw damaged(row);
  const { firstIndex, nonce, commands, totalBytes } = batch;
  return { firstIndex, lastIndex, nonce, commands, totalBytes };
}

/** Entries above `after`. */
export function entriesOf(batch: Batch, after: LogIndex): LogEntry[] {
  const { firstIndex, commands } = batch;
  return commands
    .map((command, at) => ({ index: firstIndex + BigInt(at), term: ETCD_LOG_TERM, command }))
    .filter(({ index }) => index > after);
}

export function encodeSnapshotRow(row: EtcdLogSnapshot): Uint8Array {
  return EtcdLogSnapshot.encode(row).finish();
}

export function decodeSnapshotRow(row: KeyRow): SnapshotRow {
  return { ...readRow(row, () => EtcdLogSnapshot.decode(row.value)), modRevision: row.modRevision };
}

function readRow<T>(row: KeyRow, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw damaged(row, error);
  }
}

function damaged(row: KeyRow, cause?: unknown): LogtierError {
  return new LogtierError('CORRUPT_STATE', `etcd’s value of ${row.key} is damaged`, {
    hint: 'something else wrote under our prefix: restore the metastore from a backup',
    cause,
  });
}
