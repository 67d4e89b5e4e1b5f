// The catalog as one file or stream: a backup that any later member can begin from.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk, type DiskFile, errnoOf } from '../../platform/disk.ts';
import type { LogIndex, SnapshotProvider } from '../log/replicated-log.ts';

export interface SnapshotSink {
  /** Called again only when the chunk before was taken. */
  write(chunk: Uint8Array): Promise<void>;
}

export interface SavedSnapshot {
  readonly index: LogIndex;
  readonly term: bigint;
  readonly bytes: number;
}

/** As of everything applied at the call; the member goes on meanwhile. */
export async function saveSnapshot(
  member: { readonly snapshots: SnapshotProvider },
  sink: SnapshotSink,
  signal: AbortSignal,
): Promise<SavedSnapshot> {
  const snapshot = await member.snapshots.take(signal);
  try {
    let bytes = 0;
    for await (const chunk of snapshot.content(signal)) {
      await sink.write(chunk);
      bytes += chunk.length;
    }
    const { index, term } = snapshot;
    return { index, term, bytes };
  } finally {
    await snapshot.close();
  }
}

export interface SaveDeps {
  readonly disk: Disk;
  readonly member: { readonly snapshots: SnapshotProvider };
}

/** `directory/name` appears whole and durable, or not at all; refuses to replace a file. */
export async function saveSnapshotFile(
  { disk, member }: SaveDeps,
  directory: string,
  name: string,
  signal: AbortSignal,
): Promise<SavedSnapshot> {
  const path = `${directory}/${name}`;
  const aside = `${path}.tmp`;
  try {
    const file = await disk.open(aside, 'create');
    try {
      const saved = await writeSnapshot(member, file, signal);
      await disk.link(aside, path);
      return saved;
    } finally {
      await file.close();
      await disk.unlink(aside);
      await disk.syncDirectory(directory);
    }
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      throw new LogtierError('INVALID_ARGUMENT', `${path} or ${aside} exists`, { cause: error });
    }
    throw diskError(error, `saving ${path}`);
  }
}

async function writeSnapshot(
  member: SaveDeps['member'],
  file: DiskFile,
  signal: AbortSignal,
): Promise<SavedSnapshot> {
  let position = 0;
  const write = async (chunk: Uint8Array): Promise<void> => {
    await file.write(chunk, position);
    position += chunk.length;
  };
  const saved = await saveSnapshot(member, { write }, signal);
  await file.sync();
  return saved;
}
