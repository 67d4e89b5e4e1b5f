// One put into a directory: a temporary file, made durable, then linked to its name without replacing.
import * as path from 'node:path';
import { crc32 } from '../../base/checksum.ts';
import { LogtierError } from '../../base/errors.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import type { Disk, DiskFile } from '../../platform/disk.ts';
import { errnoOf, exists } from '../../platform/disk.ts';
import { STREAM_CHUNK_BYTES } from '../object-store.ts';
import type { ByteSource } from '../object-store.ts';

/** A delete may remove an empty parent between making it and linking into it: so often it is made again. */
const LINK_TRIES = 8;

/** Answers the CRC-32 of what the file gives back: each piece is read again while it is still in the CPU's caches. */
async function writeBody(file: DiskFile, body: ByteSource, signal: AbortSignal): Promise<number> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(STREAM_CHUNK_BYTES, body.sizeBytes));
  let [position, crc] = [0, 0];
  for await (const bytes of body.read({ start: 0, end: body.sizeBytes }, signal)) {
    await file.write(bytes, position);
    const back = buffer.subarray(0, bytes.length);
    const count = await file.read(back, position);
    crc = crc32(back.subarray(0, count), crc);
    position += bytes.length;
  }
  if (position !== body.sizeBytes) {
    throw new LogtierError('SOURCE_CHANGED', `got ${position} of ${body.sizeBytes} bytes`);
  }
  return crc;
}

/** Writes all of `body` into a new file and makes its bytes durable; answers the CRC-32 of the bytes read back. */
export async function writeTemporary(
  disk: Disk,
  temporary: string,
  body: ByteSource,
  signal: AbortSignal,
): Promise<number> {
  const file = await disk.open(temporary, 'create');
  try {
    const crc = await writeBody(file, body, signal);
    await file.sync();
    return crc;
  } finally {
    await file.close();
  }
}

/** fsync of every directory from the file's own up to the root: any of them may be new. */
async function syncParents(disk: Disk, root: string, file: string): Promise<void> {
  let directory = path.dirname(file);
  while (directory.startsWith(root)) {
    await disk.syncDirectory(directory);
    if (directory === root) return;
    directory = path.dirname(directory);
  }
}

type Linked = 'new' | 'taken' | 'no parent';

async function linkOnce(disk: Disk, temporary: string, file: string): Promise<Linked> {
  await disk.makeDirectory(path.dirname(file));
  try {
    await disk.link(temporary, file);
    return 'new';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST') return 'taken';
    if (errno !== 'ENOENT') throw error;
    if (await exists(disk, temporary)) return 'no parent';
    throw new LogtierError('STORE_REFUSED', 'the upload was abandoned while it ran', {
      cause: error,
    });
  }
}

/**
 * Gives `temporary` its final name; link(2) never replaces. Answers false when the name is taken.
 * Durable when it resolves: the file was synced before, the names are synced here.
 */
export async function publish(
  disk: Disk,
  files: { readonly root: string; readonly temporary: string; readonly file: string },
  signal: AbortSignal,
): Promise<boolean> {
  for (let attempt = 0; attempt < LINK_TRIES; attempt += 1) {
    throwIfAborted(signal);
    const linked = await linkOnce(disk, files.temporary, files.file);
    if (linked === 'taken') return false;
    if (linked === 'no parent') continue;
    await syncParents(disk, files.root, files.file);
    return true;
  }
  throw new LogtierError('STORE_UNAVAILABLE', `the directory of ${files.file} keeps vanishing`);
}
