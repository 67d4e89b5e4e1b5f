// The only door to files. A simulator owns another home of this interface.
import { readdir, stat, watch, type BigIntStats, type Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import { promisify } from 'node:util';
import { LogtierError } from '../base/errors.ts';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly modifiedMs: number;
}

export interface DirectoryEntry {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
}

export interface DiskFile {
  readonly path: string;
  /** Positional read; fewer bytes than asked only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`; resolves when the kernel has them, not when they are durable. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** fdatasync(2). After an error nothing about earlier writes is known: never retried. */
  datasync(): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<FileStat>;
  close(): Promise<void>;
}

/** `read`: must exist. `write`: read and write, created when missing. `create`: must not exist. */
export type OpenMode = 'read' | 'write' | 'create';

/** Errors are plain Node errors with `code` (ENOENT, ENOSPC, EIO …); `diskError` maps them. */
export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>;
  stat(path: string): Promise<FileStat>;
  readFile(path: string): Promise<Buffer>;
  list(path: string): Promise<DirectoryEntry[]>;
  makeDirectory(path: string): Promise<void>;
  /** rename(2): replaces a file of that name. */
  rename(from: string, to: string): Promise<void>;
  /** link(2): fails with EEXIST instead of replacing. */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  /** fsync of the directory itself, so that names in it are durable. */
  syncDirectory(path: string): Promise<void>;
  /** `fs.watch` of one directory; events are hints only. Throws ENOSPC at the inotify limit. */
  watch(path: string, onEvent: () => void, onError: (error: unknown) => void): () => void;
}

const OPEN_FLAGS: Record<OpenMode, string> = { read: 'r', write: 'r+', create: 'wx+' };

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** Wraps a Node error at a room's border; anything but a full disk is DISK_FAILED. */
export function diskError(error: unknown, doing: string): LogtierError {
  if (error instanceof LogtierError) return error;
  const errno = errnoOf(error);
  const full = errno === 'ENOSPC' || errno === 'EDQUOT';
  const code = full ? 'DISK_FULL' : 'DISK_FAILED';
  return new LogtierError(code, `${doing}: ${errno ?? String(error)}`, { cause: error });
}

export async function exists(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean }): FileStat['kind'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'directory' : 'other';
}

async function statOf(answer: Promise<BigIntStats>): Promise<FileStat> {
  const stats = await answer;
  return {
    kind: kindOf(stats),
    sizeBytes: Number(stats.size),
    dev: stats.dev,
    ino: stats.ino,
    modifiedMs: Number(stats.mtimeMs),
  };
}

// Called for 10,000 directories at a start. Those of fs/promises make an array of stats for each call, even
// readdir: half as dear again.
const listNames = promisify(readdir);
const statPath = promisify(stat);

async function writeAll(handle: fs.FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function readFully(
  handle: fs.FileHandle,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function diskFile(path: string, handle: fs.FileHandle): DiskFile {
  return {
    path,
    read: (into, position) => readFully(handle, into, position),
    write: (bytes, position) => writeAll(handle, bytes, position),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    datasync: () => handle.datasync(),
    sync: () => handle.sync(),
    stat: () => statOf(handle.stat({ bigint: true })),
    close: () => handle.close(),
  };
}

async function openFile(path: string, mode: OpenMode): Promise<DiskFile> {
  try {
    return diskFile(path, await fs.open(path, OPEN_FLAGS[mode]));
  } catch (error) {
    if (mode !== 'write' || errnoOf(error) !== 'ENOENT') throw error;
    return diskFile(path, await fs.open(path, 'w+'));
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const nodeDisk: Disk = {
  open: openFile,
  stat: (path) => statOf(statPath(path, { bigint: true })),
  readFile: (path) => fs.readFile(path),
  list: async (path) => {
    const entries: Dirent[] = await listNames(path, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  },
  makeDirectory: async (path) => {
    await fs.mkdir(path, { recursive: true });
  },
  rename: (from, to) => fs.rename(from, to),
  link: (from, to) => fs.link(from, to),
  unlink: (path) => fs.unlink(path),
  removeDirectory: (path) => fs.rmdir(path),
  syncDirectory,
  watch: (path, onEvent, onError) => {
    const watcher = watch(path, { persistent: false }, onEvent);
    watcher.on('error', onError);
    return () => {
      watcher.close();
    };
  },
};
