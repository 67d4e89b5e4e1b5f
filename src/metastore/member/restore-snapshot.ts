// A new member's directory out of a saved snapshot: the beginning of a new group, never part of the old one.
import { LogtierError } from '../../base/errors.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import { diskError, type Disk, type DiskFile } from '../../platform/disk.ts';
import type { Random } from '../../platform/random.ts';
import { CHUNK_BYTES, type SnapshotHeader } from '../catalog/snapshot-format.ts';
import { importCatalog } from '../catalog/snapshot-import.ts';
import type { KvEngine } from '../engine/kv-engine.ts';
import { currentEngineName } from './current-engine.ts';
import { freshMetastoreId, writeMetastoreId } from './identity.ts';
import { raiseIncarnation } from './restore.ts';

export interface RestoreDeps {
  readonly disk: Disk;
  readonly random: Random;
  openEngine(directory: string): Promise<KvEngine>;
}

export interface Restored {
  /** New: no member of the old group takes this one in, nor this one them. */
  readonly metastoreId: string;
  readonly incarnation: number;
  /** What the snapshot held. */
  readonly from: SnapshotHeader;
}

/**
 * `directory` must be empty or missing; it is a member's only when this resolves: what an interrupted
 * restore leaves is refused by all. Orphans stay locked until the store is reconciled (safety rule 6).
 * SNAPSHOT_DAMAGED and CORRUPT_STATE say which part of the file is bad or that it is a newer Logtier's.
 */
export async function restoreSnapshot(
  deps: RestoreDeps,
  paths: { readonly file: string; readonly directory: string },
  signal: AbortSignal,
): Promise<Restored> {
  const { disk, random } = deps;
  const { file, directory } = paths;
  await requireEmpty(disk, directory);
  const name = await currentEngineName(disk, directory);
  const engine = await deps.openEngine(`${directory}/${name}`);
  try {
    const from = await importCatalog(engine, contentOf(disk, file, signal), acceptAny, signal);
    const metastoreId = freshMetastoreId(random);
    const incarnation = await raiseIncarnation(engine, from.metastoreId, metastoreId);
    await engine.close();
    await writeMetastoreId(disk, directory, metastoreId);
    return { metastoreId, incarnation, from };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function acceptAny(): void {
  // Any metastore's snapshot may begin a new group.
}

async function requireEmpty(disk: Disk, directory: string): Promise<void> {
  let names: readonly string[];
  try {
    await disk.makeDirectory(directory);
    names = (await disk.list(directory)).map(({ name }) => name);
  } catch (error) {
    throw diskError(error, `making ${directory}`);
  }
  if (names.length === 0) return;
  throw new LogtierError('INVALID_ARGUMENT', `${directory} is not empty: it holds ${names[0]}`, {
    hint: 'restore into a new directory; delete what an interrupted restore left',
  });
}

async function* contentOf(
  disk: Disk,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openFile(disk, path);
  try {
    for (let position = 0; ;) {
      throwIfAborted(signal);
      const into = new Uint8Array(CHUNK_BYTES);
      const bytes = await file.read(into, position);
      if (bytes === 0) return;
      yield into.subarray(0, bytes);
      position += bytes;
    }
  } catch (error) {
    throw diskError(error, `reading ${path}`);
  } finally {
    await file.close();
  }
}

async function openFile(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, 'read');
  } catch (error) {
    throw diskError(error, `opening ${path}`);
  }
}
