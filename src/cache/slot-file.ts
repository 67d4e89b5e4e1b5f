// One preallocated file of slots, overwritten in place: the disk tier of the cache (safety rules 17 to 19).
//
//   slot i:  header page 4 KiB │ data 4 MiB        at i * (4 KiB + 4 MiB)
//
// Never truncated or replaced in place: another size is another file with another name.
import { LogtierError } from '../base/errors.ts';
import { diskError, type Disk, type DiskFile, type FileStat } from '../platform/disk.ts';
import type { Random } from '../platform/random.ts';
import { throwIfAborted } from '../platform/clock.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import type { ChunkRef } from './chunk-ref.ts';
import { encodeHeader, HEADER_BYTES } from './slot-header.ts';

export const HEADER_PAGE_BYTES = 4096;
export const SLOT_BYTES = HEADER_PAGE_BYTES + LOG_CHUNK_BYTES;

/** Zeros are written in steps of this size: no step holds the disk or the loop for long. */
const ZERO_STEP_BYTES = 2 ** 20;

const FILE_NAME = /^chunks-[0-9a-f]{16}\.slots$/;
const UNFINISHED_NAME = /^chunks-[0-9a-f]{16}\.slots\.new$/;

/** Which file it is, not what it is called: readers key their descriptors by it. */
export type SlotFileIdentity = Pick<FileStat, 'dev' | 'ino' | 'sizeBytes'>;

export interface SlotFileDeps {
  readonly disk: Disk;
  readonly random: Random;
}

const INVALID_PAGE = Buffer.alloc(HEADER_PAGE_BYTES);

/** The open file. Who calls `write` owns the slot until the promise has settled, whatever was cancelled. */
export class SlotFile {
  readonly path: string;
  readonly slots: number;
  readonly identity: SlotFileIdentity;
  private readonly file: DiskFile;
  private readonly bootId: Uint8Array;
  private counter = 0n;

  constructor(file: DiskFile, identity: SlotFileIdentity, bootId: Uint8Array) {
    this.file = file;
    this.path = file.path;
    this.identity = identity;
    this.slots = Math.floor(identity.sizeBytes / SLOT_BYTES);
    this.bootId = bootId;
  }

  /**
   * Replaces what the slot holds: header invalid, data, header new, each awaited. It cannot be cancelled:
   * a write that hangs would land in the next owner's data. Answers the new header.
   */
  async write(slot: number, ref: ChunkRef, data: Uint8Array): Promise<Buffer> {
    this.counter += 1n;
    const header = encodeHeader(ref, { bootId: this.bootId, counter: this.counter });
    const page = Buffer.alloc(HEADER_PAGE_BYTES);
    header.copy(page);
    const start = slot * SLOT_BYTES;
    await this.file.write(INVALID_PAGE, start);
    await this.file.write(data, start + HEADER_PAGE_BYTES);
    await this.file.write(page, start);
    return header;
  }

  /**
   * Fills `into` from byte `at` of the slot's data. False when the slot does not hold `header` after the
   * read: then `into` holds anything. That it did before, the caller knows: `write` or `readHeader` told it,
   * or the last read that was answered. A generation never repeats, so between the two checks it was there.
   */
  async read(slot: number, header: Buffer, at: number, into: Uint8Array): Promise<boolean> {
    const position = slot * SLOT_BYTES + HEADER_PAGE_BYTES + at;
    if ((await this.file.read(into, position)) < into.length) return false;
    return header.equals(await this.readHeader(slot));
  }

  async readHeader(slot: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(HEADER_BYTES);
    const count = await this.file.read(bytes, slot * SLOT_BYTES);
    return bytes.subarray(0, count);
  }

  datasync(): Promise<void> {
    return this.file.datasync();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

/** How many whole slots fit under a limit. */
export function slotsWithin(sizeBytes: number): number {
  return Math.floor(sizeBytes / SLOT_BYTES);
}

/**
 * The slot file of exactly `slots` slots in `directory`: the one that is there, or a new one written with
 * zeros and synced once. Every other slot file in the directory is unlinked. DISK_FULL when it does not
 * fit; nothing of it is left then.
 */
export async function openSlotFile(
  deps: SlotFileDeps,
  directory: string,
  slots: number,
  signal: AbortSignal,
): Promise<SlotFile> {
  const { disk, random } = deps;
  try {
    await disk.makeDirectory(directory);
    const kept = await keepOne(disk, directory, slots * SLOT_BYTES);
    const path = kept ?? (await createSlotFile(deps, directory, slots, signal));
    const file = await disk.open(path, 'write');
    return new SlotFile(file, await file.stat(), random.bytes(16));
  } catch (error) {
    throw diskError(error, `slot file in ${directory}`);
  }
}

async function keepOne(
  disk: Disk,
  directory: string,
  sizeBytes: number,
): Promise<string | undefined> {
  let kept: string | undefined;
  for (const { name } of await disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (!FILE_NAME.test(name) && !UNFINISHED_NAME.test(name)) continue;
    const isWhole = FILE_NAME.test(name) && (await disk.stat(path)).sizeBytes === sizeBytes;
    if (isWhole && kept === undefined) kept = path;
    else await disk.unlink(path);
  }
  return kept;
}

async function createSlotFile(
  { disk, random }: SlotFileDeps,
  directory: string,
  slots: number,
  signal: AbortSignal,
): Promise<string> {
  const path = `${directory}/chunks-${Buffer.from(random.bytes(8)).toString('hex')}.slots`;
  const unfinished = `${path}.new`;
  const file = await disk.open(unfinished, 'create');
  try {
    await writeZeros(file, slots * SLOT_BYTES, signal);
    await file.datasync();
  } catch (error) {
    await disk.unlink(unfinished);
    throw error;
  } finally {
    await file.close();
  }
  await disk.rename(unfinished, path);
  await disk.syncDirectory(directory);
  return path;
}

async function writeZeros(file: DiskFile, sizeBytes: number, signal: AbortSignal): Promise<void> {
  const zeros = Buffer.alloc(ZERO_STEP_BYTES);
  for (let at = 0; at < sizeBytes; at += ZERO_STEP_BYTES) {
    throwIfAborted(signal);
    await file.write(zeros.subarray(0, Math.min(ZERO_STEP_BYTES, sizeBytes - at)), at);
  }
}

/** Removes every slot file: what is in them can no longer be told from what was written. */
export async function unlinkSlotFiles(disk: Disk, directory: string): Promise<void> {
  for (const { name } of await disk.list(directory)) {
    if (FILE_NAME.test(name)) await disk.unlink(`${directory}/${name}`);
  }
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof LogtierError && error.code === 'DISK_FULL';
}
