import { expect, test } from 'vitest';
import { openSlotFile, SLOT_BYTES, type SlotFile } from '../../../src/cache/slot-file.ts';
import type { Disk } from '../../../src/platform/disk.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import { chunkOf } from '../../support/cache-world.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

const { signal } = new AbortController();

function open(disk: Disk, slots = 2): Promise<SlotFile> {
  return openSlotFile({ disk, random: systemRandom }, '/cache', slots, signal);
}

test('a new file is written in full with zeros and synced before it has its name', async () => {
  const disk = new MemoryDisk();
  const file = await open(disk);
  const [[path, bytes] = ['', Buffer.alloc(0)], ...others] = disk.contents();
  expect(others).toEqual([]);
  expect(path).toBe(file.path);
  expect(bytes.equals(Buffer.alloc(2 * SLOT_BYTES))).toBe(true);
  expect(disk.syncs).toBe(1);
  disk.crash(() => 0);
  expect(disk.contents().map(([name]) => name)).toEqual([file.path]);
});

test('a file of the wanted size is kept; another size is another file, and the old one goes', async () => {
  const disk = new MemoryDisk();
  const first = await open(disk);
  const again = await open(disk);
  expect([again.path, again.identity]).toEqual([first.path, first.identity]);
  const larger = await open(disk, 3);
  expect(larger.path).not.toBe(first.path);
  expect(disk.contents().map(([path]) => path)).toEqual([larger.path]);
});

test('what a crash left of a file being written is removed', async () => {
  const disk = new MemoryDisk();
  disk.place('/cache/chunks-0123456789abcdef.slots.new', Buffer.alloc(5000));
  disk.place('/cache/somebody-elses.file', Buffer.from('stays'));
  const file = await open(disk);
  const names = disk.contents().map(([path]) => path);
  expect(names.toSorted()).toEqual(['/cache/somebody-elses.file', file.path].toSorted());
});

test('DISK_FULL leaves nothing behind', async () => {
  const disk = new MemoryDisk();
  disk.capacityBytes = SLOT_BYTES;
  await expect(open(disk)).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(disk.contents()).toEqual([]);
});

test('a slot is written as invalid header, data, new header, one after the other', async () => {
  const disk = new MemoryDisk();
  const writes: [number, number, boolean][] = [];
  const watched: Disk = {
    ...disk.forProcess(),
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      return {
        ...file,
        write: async (bytes, position) => {
          writes.push([position, bytes.length, bytes.every((byte) => byte === 0)]);
          await file.write(bytes, position);
        },
      };
    },
  };
  await open(disk);
  const file = await open(watched);
  const { ref, bytes } = chunkOf(1, 7);
  await file.write(1, ref, bytes);
  expect(writes).toEqual([
    [SLOT_BYTES, 4096, true],
    [SLOT_BYTES + 4096, ref.bytes, false],
    [SLOT_BYTES, 4096, false],
  ]);
});

test('a read answers the bytes of its chunk, and false once the slot has another owner', async () => {
  const file = await open(new MemoryDisk());
  const [old, young] = [chunkOf(1, 0), chunkOf(2, 0)];
  const header = await file.write(0, old.ref, old.bytes);
  const into = Buffer.alloc(500);
  expect(await file.read(0, header, 100, into)).toBe(true);
  expect(into.equals(old.bytes.subarray(100, 600))).toBe(true);
  const newer = await file.write(0, young.ref, young.bytes);
  expect(await file.read(0, header, 100, into)).toBe(false);
  expect(await file.read(0, newer, 100, into)).toBe(true);
});

test('the same chunk written again has another header: a generation never repeats', async () => {
  const disk = new MemoryDisk();
  const { ref, bytes } = chunkOf(1, 0);
  const headers: string[] = [];
  for (let start = 0; start < 2; start += 1) {
    const file = await open(disk);
    for (let time = 0; time < 3; time += 1) {
      headers.push((await file.write(0, ref, bytes)).toString('hex'));
    }
  }
  expect(new Set(headers).size).toBe(6);
});

test('a slot that is overwritten between the reading of its data and the check of its header is refused', async () => {
  const disk = new MemoryDisk();
  const file = await open(disk);
  const [old, young] = [chunkOf(1, 0), chunkOf(2, 0)];
  const header = await file.write(0, old.ref, old.bytes);
  const into = Buffer.alloc(500);
  let operations = 0;
  let overwritten: Promise<unknown> = Promise.resolve();
  disk.schedule = async () => {
    operations += 1;
    // 1: data, 2: header. The writer comes between them.
    if (operations === 2) overwritten = file.write(0, young.ref, young.bytes);
    if (operations === 2) await overwritten;
  };
  expect(await file.read(0, header, 0, into)).toBe(false);
});
