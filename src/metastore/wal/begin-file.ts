// What a writer needs to begin a file of the log.
import type { Clock } from '../../platform/clock.ts';
import type { Disk, DiskFile } from '../../platform/disk.ts';
import type { LogState } from './log-state.ts';
import type { NextFile } from './next-file.ts';
import {
  encodeFileHeader,
  fileSalt,
  printFileName,
  type WalFileHeader,
  type WalFileName,
  type WalIdentity,
} from './wal-file.ts';
import type { Chain } from './wal-record.ts';

export interface WalDeps {
  readonly disk: Disk;
  readonly clock: Clock;
}

export interface WalPlace extends WalIdentity {
  /** Made when missing; nothing else may write there. Its parent must exist. */
  readonly directory: string;
}

/** What a writer continues. */
export interface WalStart {
  readonly files: readonly WalFileName[];
  readonly state: LogState;
  readonly file: DiskFile;
  readonly salt: number;
  readonly sizeBytes: number;
  readonly position: number;
  readonly chain: Chain;
  readonly next: NextFile;
}

/** Gives the prepared file its header, then its name: a file with a name has a good header. */
export async function beginFile(
  disk: Disk,
  next: NextFile,
  directory: string,
  header: WalFileHeader,
): Promise<Pick<WalStart, 'file' | 'salt' | 'sizeBytes'>> {
  const file = await next.take();
  const bytes = encodeFileHeader(header);
  await file.write(bytes, 0);
  await file.sync();
  await disk.rename(next.path, `${directory}/${printFileName(header)}`);
  await disk.syncDirectory(directory);
  const { sizeBytes } = await file.stat();
  return { file, salt: fileSalt(bytes), sizeBytes };
}
