// One look at a log directory or a partition's directory: names only, so that 100,000 files cost little.
import { join } from 'node:path';
import { LogtierError } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import { parsePartitionDirectory } from '../kafka/partition-directory.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';

/** The live directory of one partition, as last listed. */
export interface LocalDirectory {
  readonly logDir: string;
  readonly path: string;
  readonly topic: string;
  readonly partition: number;
  /** Of the directory itself: another one means another directory under the old name. */
  readonly ino: bigint;
  readonly fileNames: readonly string[];
}

export type FoundDirectory = Omit<LocalDirectory, 'fileNames'>;

/** Directories listed at once: a few hide the latency, more only fill the thread pool. */
export const LISTS_AT_ONCE = 8;

/** Every live partition directory of one log directory. A directory that goes meanwhile is left out. */
export async function findDirectories(disk: Disk, logDir: string): Promise<FoundDirectory[]> {
  const entries = await disk.list(logDir).catch((error: unknown) => {
    throw logDirError(error, logDir);
  });
  const live = entries.flatMap((entry) => {
    const directory = entry.kind === 'directory' ? parsePartitionDirectory(entry.name) : undefined;
    return directory?.state === 'live' ? [{ ...directory, path: join(logDir, entry.name) }] : [];
  });
  const found = await mapAtOnce(live, LISTS_AT_ONCE, async ({ topic, partition, path }) => {
    const stat = await orGone(disk.stat(path), logDir);
    return stat === undefined ? [] : [{ logDir, path, topic, partition, ino: stat.ino }];
  });
  return found.flat();
}

/** Undefined when the directory has gone. */
export async function listDirectory(
  disk: Disk,
  found: FoundDirectory,
): Promise<LocalDirectory | undefined> {
  const entries = await orGone(disk.list(found.path), found.logDir);
  if (entries === undefined) return undefined;
  const fileNames = entries.filter((entry) => entry.kind === 'file').map((entry) => entry.name);
  return { ...found, fileNames: fileNames.toSorted() };
}

async function orGone<T>(answer: Promise<T>, logDir: string): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw logDirError(error, logDir);
  }
}

function logDirError(error: unknown, logDir: string): LogtierError {
  const errno = errnoOf(error) ?? String(error);
  const hint =
    errno === 'EACCES'
      ? 'the sidecar must be able to read it: same group as the broker'
      : 'is the disk mounted? The broker reports the directory as offline too';
  return new LogtierError('LOG_DIR_FAILED', `log directory ${logDir}: ${errno}`, {
    hint,
    cause: error,
    details: { logDir },
  });
}
