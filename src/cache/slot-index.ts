// Which slots may be trusted after a restart of the sidecar, and in which order they make room.
//
//   64 bytes: magic 8 │ kernel boot id 16 │ dev i64 │ ino u64 │ size u64 │ entries u32 │ 0…   │ CRC-32 of all before it u32
//   69 bytes an entry: slot u32 │ header 64 (as it stands in the slot) │ 1 when in main
//
// The slots' own headers say what they hold. This file only says which of them were whole while this kernel
// ran: after a power loss a header may be on the disk and its data not (safety rule 19).
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import { diskError, errnoOf, type Disk } from '../platform/disk.ts';
import type { SlotFileIdentity } from './slot-file.ts';
import { HEADER_BYTES } from './slot-header.ts';

const MAGIC = Buffer.from('LTINDEX1', 'latin1');
const FILE_HEADER_BYTES = 64;
const ENTRY_BYTES = 4 + HEADER_BYTES + 1;
const CRC_BYTES = 4;
const KERNEL_BOOT_ID = '/proc/sys/kernel/random/boot_id';

export interface SlotIndexEntry {
  readonly slot: number;
  /** The slot counts only while its header page begins with exactly these bytes. */
  readonly header: Buffer;
  readonly isMain: boolean;
}

export interface SlotIndex {
  /** 16 bytes: of the running kernel when it was written. */
  readonly kernelBootId: Buffer;
  readonly file: SlotFileIdentity;
  /** Trusted slots only, first to be evicted first. */
  readonly entries: readonly SlotIndexEntry[];
}

/** 16 bytes, new with each boot of the machine (random(4)). */
export async function readKernelBootId(disk: Disk): Promise<Buffer> {
  const text = (await disk.readFile(KERNEL_BOOT_ID)).toString('latin1').trim();
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) {
    throw new LogtierError('DISK_FAILED', `${KERNEL_BOOT_ID} holds '${text}', no boot id`);
  }
  return bytes;
}

export function encodeSlotIndex(index: SlotIndex): Buffer {
  const entriesEnd = FILE_HEADER_BYTES + index.entries.length * ENTRY_BYTES;
  const bytes = Buffer.alloc(entriesEnd + CRC_BYTES);
  MAGIC.copy(bytes, 0);
  index.kernelBootId.copy(bytes, 8);
  bytes.writeBigInt64BE(BigInt.asIntN(64, index.file.dev), 24);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, index.file.ino), 32);
  bytes.writeBigUInt64BE(BigInt(index.file.sizeBytes), 40);
  bytes.writeUInt32BE(index.entries.length, 48);
  index.entries.forEach((entry, number) => {
    const at = FILE_HEADER_BYTES + number * ENTRY_BYTES;
    bytes.writeUInt32BE(entry.slot, at);
    entry.header.copy(bytes, at + 4);
    bytes.writeUInt8(entry.isMain ? 1 : 0, at + 4 + HEADER_BYTES);
  });
  bytes.writeUInt32BE(crc32(bytes.subarray(0, entriesEnd)), entriesEnd);
  return bytes;
}

/** Undefined for anything that is not exactly such a file. */
export function decodeSlotIndex(bytes: Buffer): SlotIndex | undefined {
  const entriesEnd = bytes.length - CRC_BYTES;
  if (entriesEnd < FILE_HEADER_BYTES || !MAGIC.equals(bytes.subarray(0, 8))) return undefined;
  if (bytes.readUInt32BE(entriesEnd) !== crc32(bytes.subarray(0, entriesEnd))) return undefined;
  const count = bytes.readUInt32BE(48);
  if (FILE_HEADER_BYTES + count * ENTRY_BYTES !== entriesEnd) return undefined;
  const file = {
    dev: bytes.readBigInt64BE(24),
    ino: bytes.readBigUInt64BE(32),
    sizeBytes: Number(bytes.readBigUInt64BE(40)),
  };
  const entries = Array.from({ length: count }, (_, number) => {
    const at = FILE_HEADER_BYTES + number * ENTRY_BYTES;
    const header = Buffer.from(bytes.subarray(at + 4, at + 4 + HEADER_BYTES));
    const isMain = bytes.readUInt8(at + 4 + HEADER_BYTES) === 1;
    return { slot: bytes.readUInt32BE(at), header, isMain };
  });
  return { kernelBootId: Buffer.from(bytes.subarray(8, 24)), file, entries };
}

export function isSameFile(left: SlotFileIdentity, right: SlotFileIdentity): boolean {
  return (
    BigInt.asUintN(64, left.dev) === BigInt.asUintN(64, right.dev) &&
    BigInt.asUintN(64, left.ino) === BigInt.asUintN(64, right.ino) &&
    left.sizeBytes === right.sizeBytes
  );
}

/** Undefined when there is none, or it is damaged: then no slot is trusted. */
export async function loadSlotIndex(disk: Disk, path: string): Promise<SlotIndex | undefined> {
  try {
    return decodeSlotIndex(await disk.readFile(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw diskError(error, `cache index ${path}`);
  }
}

/** Atomic: readers see the old index or the new one. */
export async function saveSlotIndex(
  disk: Disk,
  directory: string,
  path: string,
  index: SlotIndex,
): Promise<void> {
  const unfinished = `${path}.new`;
  await unlinkIfThere(disk, unfinished);
  const file = await disk.open(unfinished, 'create');
  try {
    await file.write(encodeSlotIndex(index), 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(unfinished, path);
  await disk.syncDirectory(directory);
}

export async function unlinkIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
