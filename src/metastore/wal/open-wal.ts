// Opens a log: recovers it, mends its tail, and has the first batch of this life on disk.
import { diskError, type Disk, type DiskFile } from '../../platform/disk.ts';
import { beginFile, type WalDeps, type WalPlace, type WalStart } from './begin-file.ts';
import { LogState } from './log-state.ts';
import { NextFile } from './next-file.ts';
import { type RecoveredWal, recoverWal, type WalTail } from './recovery.ts';
import type { WalSettings } from './settings.ts';
import { FILE_HEADER_BYTES, printFileName, WAL_VERSION } from './wal-file.ts';
import { Wal } from './wal.ts';

export interface OpenedWal {
  readonly wal: Wal;
  /** No log was there before. */
  readonly isNew: boolean;
  /** Bytes of a torn tail that were cut; none of them had been acknowledged. */
  readonly cutBytes: number;
}

/** CORRUPT_STATE and WRONG_CLUSTER leave the disk as it is. */
export async function openWal(
  deps: WalDeps,
  settings: WalSettings,
  place: WalPlace,
): Promise<OpenedWal> {
  const { disk } = deps;
  const recovered = await recoverWal(disk, place.directory, place);
  const next = new NextFile(disk, `${place.directory}/next.tmp`, settings.fileBytes);
  try {
    const start =
      recovered === undefined
        ? await createFirst(disk, next, place)
        : await continueTail(disk, next, { place, recovered });
    next.start();
    const wal = new Wal(deps, settings, place, start);
    await wal.begin();
    const cutBytes = recovered === undefined ? 0 : recovered.tail.junkEnd - recovered.tail.end;
    return { wal, isNew: recovered === undefined, cutBytes };
  } catch (error) {
    await next.stop().catch(() => undefined);
    throw diskError(error, `opening the log in ${place.directory}`);
  }
}

async function createFirst(disk: Disk, next: NextFile, place: WalPlace): Promise<WalStart> {
  await disk.makeDirectory(place.directory);
  await disk.syncDirectory(parentOf(place.directory));
  const { clusterId, nodeId } = place;
  const name = { seq: 1, firstIndex: 1n };
  const header = { ...name, clusterId, nodeId, before: { crc: 0, ordinal: 0 } };
  const { file, salt, sizeBytes } = await beginFile(disk, next, place.directory, header);
  const state = new LogState(1n);
  const position = FILE_HEADER_BYTES;
  return { files: [name], state, file, salt, sizeBytes, position, chain: header.before, next };
}

async function continueTail(
  disk: Disk,
  next: NextFile,
  input: { readonly place: WalPlace; readonly recovered: RecoveredWal },
): Promise<WalStart> {
  const { files, state, tail } = input.recovered;
  const { directory } = input.place;
  const file = await disk.open(`${directory}/${printFileName(tail.name)}`, 'write');
  try {
    await mendTail(file, tail);
    await disk.syncDirectory(directory);
  } catch (error) {
    await file.close().catch(() => undefined);
    throw error;
  }
  const { salt, sizeBytes, chain } = tail;
  // A file of an older version takes no new kinds of records: the next one begins at once.
  const position = tail.version === WAL_VERSION ? tail.end : sizeBytes;
  return { files, state, file, salt, sizeBytes, position, chain, next };
}

/**
 * Zeros what a crash left behind the good records, and writes the unproven ones anew: after a failed
 * fsync the kernel may show pages as clean that never reached the disk, and would not write them again.
 */
async function mendTail(file: DiskFile, tail: WalTail): Promise<void> {
  const unproven = Buffer.alloc(tail.end - tail.unprovenFrom);
  await file.read(unproven, tail.unprovenFrom);
  await file.write(unproven, tail.unprovenFrom);
  await file.write(Buffer.alloc(tail.junkEnd - tail.end), tail.end);
  await file.datasync();
}

function parentOf(directory: string): string {
  return directory.slice(0, directory.lastIndexOf('/')) || '/';
}
