// Files under a directory as keys in order, one directory in memory per level, resumable.
import * as path from 'node:path';
import type { Disk, DirectoryEntry } from '../../platform/disk.ts';
import { errnoOf } from '../../platform/disk.ts';
import { compareKeys, UPLOADING_DIRECTORY } from '../object-key.ts';
import type { StoredObject } from '../object-store.ts';

export interface ListBounds {
  readonly prefix: string;
  readonly after: string;
}

interface Found {
  /** A directory's ends with '/': so it sorts where its keys do. */
  readonly key: string;
  readonly isDirectory: boolean;
}

async function entriesOf(disk: Disk, directory: string): Promise<DirectoryEntry[]> {
  try {
    return await disk.list(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []; // removed meanwhile: it was empty
    throw error;
  }
}

function isWanted(found: Found, { prefix, after }: ListBounds): boolean {
  if (!found.isDirectory) return found.key.startsWith(prefix) && compareKeys(found.key, after) > 0;
  if (found.key === `${UPLOADING_DIRECTORY}/`) return false;
  const mayHoldPrefix = found.key.startsWith(prefix) || prefix.startsWith(found.key);
  return mayHoldPrefix && (after.startsWith(found.key) || compareKeys(found.key, after) > 0);
}

function wantedIn(
  entries: readonly DirectoryEntry[],
  parentKey: string,
  bounds: ListBounds,
): Found[] {
  return entries
    .filter(({ kind }) => kind !== 'other')
    .map(({ name, kind }) => {
      const isDirectory = kind === 'directory';
      return { key: `${parentKey}${name}${isDirectory ? '/' : ''}`, isDirectory };
    })
    .filter((found) => isWanted(found, bounds))
    .toSorted((left, right) => compareKeys(left.key, right.key));
}

async function statFile(disk: Disk, root: string, key: string): Promise<StoredObject | undefined> {
  try {
    const { sizeBytes, modifiedMs } = await disk.stat(path.join(root, key));
    return { key, sizeBytes, modifiedMs };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Objects under `root` + `parentKey` ('' or a key that ends with '/'), in key order. */
export async function* listFiles(
  disk: Disk,
  root: string,
  bounds: ListBounds,
  parentKey = '',
): AsyncGenerator<StoredObject> {
  const entries = await entriesOf(disk, path.join(root, parentKey));
  for (const { key, isDirectory } of wantedIn(entries, parentKey, bounds)) {
    if (isDirectory) {
      yield* listFiles(disk, root, bounds, key);
      continue;
    }
    const object = await statFile(disk, root, key);
    if (object !== undefined) yield object;
  }
}
