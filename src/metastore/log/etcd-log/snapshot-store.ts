// Where snapshots of the catalog lie: an object store, in parts small enough to be held in memory.
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError } from '../../../base/errors.ts';
import type { Snapshot } from '../replicated-log.ts';
import type { SnapshotRow } from './rows.ts';

/** Of one part; a snapshot of 10 million segments is about 700 parts. */
export const SNAPSHOT_PART_BYTES = 4 * 2 ** 20;

/** No synchronous step over a chunk takes long. */
const CHUNK_BYTES = 2 ** 20;

/** Names are paths without a leading slash; one name, one content. Waits out a store that is away for a while. */
export interface SnapshotStore {
  /** Durable when it resolves. At most SNAPSHOT_PART_BYTES. */
  put(name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** OBJECT_NOT_FOUND when there is none. */
  get(name: string, signal: AbortSignal): Promise<Uint8Array>;
  /** All names whose put began before the call and ended well; perhaps others. */
  list(signal: AbortSignal): AsyncIterable<string>;
  /** Deleting what is not there succeeds. */
  delete(names: readonly string[], signal: AbortSignal): Promise<void>;
}

export interface StoredSnapshot {
  readonly parts: number;
  readonly sizeBytes: number;
  readonly crc32: number;
}

export function partName(name: string, part: number): string {
  return `${name}/${String(part).padStart(8, '0')}`;
}

export async function storeSnapshot(
  store: SnapshotStore,
  name: string,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<StoredSnapshot> {
  let parts = 0;
  let sizeBytes = 0;
  let crc = 0;
  for await (const part of inParts(snapshot.content(signal))) {
    await store.put(partName(name, parts), part, signal);
    parts += 1;
    sizeBytes += part.length;
    crc = crc32(part, crc);
  }
  return { parts, sizeBytes, crc32: crc };
}

async function* inParts(
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let part = new Uint8Array(SNAPSHOT_PART_BYTES);
  let filled = 0;
  for await (const chunk of content) {
    for (let start = 0; start < chunk.length;) {
      const piece = chunk.subarray(start, start + SNAPSHOT_PART_BYTES - filled);
      part.set(piece, filled);
      filled += piece.length;
      start += piece.length;
      if (filled < SNAPSHOT_PART_BYTES) continue;
      yield part;
      part = new Uint8Array(SNAPSHOT_PART_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

/** OBJECT_CORRUPT, after the last chunk, when it is not what was stored: install nothing before the end. */
export async function* readSnapshot(
  store: Pick<SnapshotStore, 'get'>,
  row: SnapshotRow,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sizeBytes = 0;
  let crc = 0;
  for (let part = 0; part < row.parts; part += 1) {
    const bytes = await store.get(partName(row.name, part), signal);
    sizeBytes += bytes.length;
    crc = crc32(bytes, crc);
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      yield bytes.subarray(start, start + CHUNK_BYTES);
    }
  }
  if (BigInt(sizeBytes) === row.sizeBytes && crc === row.crc32) return;
  throw new LogtierError('OBJECT_CORRUPT', `the snapshot ${row.name} is not what was stored`);
}
