import { expect, test } from 'vitest';
import { SLOT_BYTES } from '../../../src/cache/slot-file.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import type { LoadChunk } from '../../../src/cache/chunk-cache.ts';
import type { Disk } from '../../../src/platform/disk.ts';
import {
  BOOT_ID_PATH,
  CacheWorld,
  chunkOf,
  Gate,
  loadOf,
  segmentNamed,
} from '../../support/cache-world.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

const FIRST_BOOT = '11111111-2222-3333-4444-555555555555\n';
const SECOND_BOOT = '99999999-2222-3333-4444-555555555555\n';

function diskOf(slots = 0): MemoryDisk {
  const disk = new MemoryDisk();
  const zeros = Buffer.alloc(slots * SLOT_BYTES);
  if (slots > 0) disk.place('/state/cache/chunks-0000000000000000.slots', zeros);
  disk.place(BOOT_ID_PATH, Buffer.from(FIRST_BOOT));
  return disk;
}

function slotPath(disk: MemoryDisk): string {
  return disk.paths().find((path) => path.endsWith('.slots')) ?? 'none';
}

test('a second read of a chunk asks the store nothing, from memory and from its slot', async () => {
  const world = await CacheWorld.open(diskOf(), { slots: 12 });
  const chunk = chunkOf(1, 0);
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect((await world.read(chunk, { start: 5, end: 99 })).equals(chunk.bytes.subarray(5, 99))).toBe(
    true,
  );
  expect(world.loaded).toEqual([`${segmentNamed(1)}/0`]);
  await world.flushMemory();
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(world.loaded).toEqual([]);
  expect(await world.metric('cache_hits_total{tier="disk"}')).toBe(1);
  await world.cache.stop();
});

test('readers that come while a chunk is loaded join the load', async () => {
  const world = await CacheWorld.open(diskOf());
  const chunk = chunkOf(1, 0);
  const gate = new Gate();
  const load = loadOf(chunk.bytes, gate.opened);
  const reads = [1, 2, 3].map(() => world.read(chunk, { load }));
  gate.open();
  for (const read of reads) expect((await read).equals(chunk.bytes)).toBe(true);
  expect(world.loaded.length).toBe(1);
  await world.cache.stop();
});

test('a reader that leaves stops waiting, and the load goes on and fills the cache', async () => {
  const world = await CacheWorld.open(diskOf());
  const chunk = chunkOf(1, 0);
  const gate = new Gate();
  const leaving = new AbortController();
  const read = world.read(chunk, {
    load: loadOf(chunk.bytes, gate.opened),
    signal: leaving.signal,
  });
  leaving.abort(new LogtierError('ABORTED', 'the reader went away'));
  await expect(read).rejects.toMatchObject({ code: 'ABORTED' });
  gate.open();
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(world.loaded.length).toBe(1);
  await world.cache.stop();
});

test('altered bytes are loaded once more and then refused; short ones are refused at once', async () => {
  const world = await CacheWorld.open(diskOf());
  const chunk = chunkOf(1, 0);
  const altered = Buffer.from(chunk.bytes);
  altered[500] = (altered[500] ?? 0) ^ 1;
  await expect(world.read(chunk, { load: loadOf(altered) })).rejects.toMatchObject({
    code: 'OBJECT_CORRUPT',
  });
  expect(world.loaded.length).toBe(2);
  await expect(world.read(chunk, { load: loadOf(chunk.bytes.subarray(1)) })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
  expect(world.loaded.length).toBe(3);
  const longer = Buffer.concat([chunk.bytes, Buffer.alloc(1)]);
  await expect(world.read(chunk, { load: loadOf(longer) })).rejects.toMatchObject({
    code: 'OBJECT_CORRUPT',
  });
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  await world.cache.stop();
});

test('bytes that were altered on the way only come right the second time', async () => {
  const world = await CacheWorld.open(diskOf());
  const chunk = chunkOf(1, 0);
  let loads = 0;
  const load: LoadChunk = (signal) => {
    loads += 1;
    const altered = Buffer.from(chunk.bytes).fill(0, 10, 20);
    return loadOf(loads === 1 ? altered : chunk.bytes)(signal);
  };
  expect((await world.read(chunk, { load })).equals(chunk.bytes)).toBe(true);
  await world.cache.stop();
});

test('a stopped sidecar finds its chunks again without the store', async () => {
  const disk = diskOf();
  const chunks = [0, 1, 2].map((number) => chunkOf(1, number));
  const before = await CacheWorld.open(disk);
  for (const chunk of chunks) await before.read(chunk);
  await before.cache.stop();
  await before.cache.stop();
  const after = await CacheWorld.open(disk);
  for (const chunk of chunks) expect((await after.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(after.loaded).toEqual([]);
  expect(await after.metric('cache_hits_total{tier="disk"}')).toBe(3);
  await after.cache.stop();
});

test('a killed sidecar finds its chunks by their headers and checks each at its first hit', async () => {
  const disk = diskOf(14);
  const [whole, damaged] = [chunkOf(1, 0), chunkOf(1, 1)];
  const before = await CacheWorld.open(disk.forProcess(), { slots: 14 });
  await before.read(whole);
  await before.read(damaged);
  await before.flushMemory(); // both are in their slots
  disk.killProcess();
  const path = slotPath(disk);
  const bytes = disk.contents().find(([name]) => name === path)?.[1];
  for (let slot = 0; slot < 14; slot += 1) {
    const at = slot * SLOT_BYTES + 4096;
    if (bytes?.subarray(at, at + 100).equals(damaged.bytes.subarray(0, 100)) === true) {
      disk.flipBit(path, at + 50, 3);
    }
  }
  const after = await CacheWorld.open(disk.forProcess(), { slots: 14 });
  expect((await after.read(whole)).equals(whole.bytes)).toBe(true);
  expect((await after.read(damaged)).equals(damaged.bytes)).toBe(true);
  expect(after.loaded).not.toContain(`${segmentNamed(1)}/0`);
  await after.cache.stop();
});

test('after a power loss a slot whose header survived without its data is loaded again', async () => {
  const disk = diskOf(4);
  const chunks = [0, 1].map((number) => chunkOf(1, number));
  const before = await CacheWorld.open(disk.forProcess());
  for (const chunk of chunks) await before.read(chunk);
  await before.cache.stop(); // the index is on disk and lists both
  disk.crash(() => 0.5);
  for (const slot of [0, 1, 2, 3]) disk.flipBit(slotPath(disk), slot * SLOT_BYTES + 4096 + 9, 0);
  disk.place(BOOT_ID_PATH, Buffer.from(SECOND_BOOT));
  const after = await CacheWorld.open(disk.forProcess());
  for (const chunk of chunks) expect((await after.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(after.loaded.length).toBe(2);
  expect(await after.metric('cache_bad_slots_total')).toBe(2);
  await after.cache.stop();
});

test('a slot checked under a new kernel is trusted by the next start, one not checked is not', async () => {
  const disk = diskOf(4);
  const [checked, unchecked] = [chunkOf(1, 0), chunkOf(1, 1)];
  const first = await CacheWorld.open(disk.forProcess());
  await first.read(checked);
  await first.read(unchecked);
  await first.cache.stop();
  disk.place(BOOT_ID_PATH, Buffer.from(SECOND_BOOT));
  const second = await CacheWorld.open(disk.forProcess());
  await second.read(checked);
  await second.read(chunkOf(1, 2)); // something to write an index for
  await second.cache.stop();
  for (const slot of [0, 1, 2, 3]) disk.flipBit(slotPath(disk), slot * SLOT_BYTES + 4096 + 9, 0);
  const third = await CacheWorld.open(disk.forProcess());
  expect((await third.read(unchecked)).equals(unchecked.bytes)).toBe(true);
  expect(third.loaded).toEqual([`${segmentNamed(1)}/1`]);
  await third.cache.stop();
});

test('a chunk that a reader distrusts is compared with its CRC, and loaded again when it is bad', async () => {
  const disk = diskOf();
  const world = await CacheWorld.open(disk, { slots: 12 });
  const chunk = chunkOf(1, 0);
  await world.read(chunk);
  await world.flushMemory();
  world.cache.distrust(chunk.ref);
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(world.loaded).toEqual([]); // the slot was good
  for (let slot = 0; slot < 12; slot += 1) {
    disk.flipBit(slotPath(disk), slot * SLOT_BYTES + 4096 + 9, 0);
  }
  world.cache.distrust(chunk.ref);
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(world.loaded).toEqual([`${segmentNamed(1)}/0`]);
  await world.cache.stop();
});

test('on a disk too full the file is smaller, on a full one there is none, and reads go on', async () => {
  const disk = diskOf();
  disk.capacityBytes = 6 * SLOT_BYTES;
  const smaller = await CacheWorld.open(disk, { slots: 8 });
  expect(disk.contents().find(([path]) => path.endsWith('.slots'))?.[1].length).toBe(
    4 * SLOT_BYTES,
  );
  expect(smaller.errors().length).toBe(1);
  await smaller.cache.stop();

  const full = diskOf();
  full.capacityBytes = SLOT_BYTES;
  const world = await CacheWorld.open(full, { slots: 8 });
  expect(world.errors().length).toBe(3); // 8 slots, then 4, then off
  const chunk = chunkOf(1, 0);
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  await world.cache.stop();
});

test('a failed write turns the disk tier off for good, loudly, and reads go on', async () => {
  for (const errno of ['ENOSPC', 'EIO']) {
    const disk = diskOf();
    const world = await CacheWorld.open(disk);
    disk.fault = (operation) => (operation === 'write' ? errno : undefined);
    const chunk = chunkOf(1, 0);
    expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
    await world.flushMemory();
    disk.fault = () => undefined;
    expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
    expect(world.loaded.length).toBe(1);
    expect(await world.metric('cache_disk_tier_on')).toBe(0);
    expect(world.errors().length).toBe(1);
    expect(slotPath(disk)).toBe('none');
    await world.cache.stop();
  }
});

test('a failed fdatasync drops the index and every chunk, loudly', async () => {
  const disk = diskOf();
  const world = await CacheWorld.open(disk, { slots: 14 });
  const chunk = chunkOf(1, 0);
  await world.read(chunk);
  await world.flushMemory();
  world.tick();
  await expect.poll(() => disk.paths().some((path) => path.endsWith('.index'))).toBe(true);
  await world.read(chunkOf(1, 1));
  await expect.poll(() => world.metric('cache_slots_used')).toBe(11);
  world.loaded.length = 0;
  disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  world.tick();
  await expect.poll(() => world.errors().length).toBe(1);
  disk.fault = () => undefined;
  await expect.poll(() => disk.paths()).toEqual([BOOT_ID_PATH]);
  expect((await world.read(chunk)).equals(chunk.bytes)).toBe(true);
  expect(world.loaded).toEqual([`${segmentNamed(1)}/0`]);
  await world.cache.stop();
});

test('a slot whose write hangs is nobody else’s until the write has called back', async () => {
  const disk = diskOf(4);
  const hung = new Gate();
  let isHanging = false;
  const written: number[] = [];
  const slow: Disk = {
    ...disk.forProcess(),
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      const write = async (bytes: Uint8Array, position: number): Promise<void> => {
        if (isHanging && bytes.length > 4096) {
          isHanging = false;
          await hung.opened;
        }
        written.push(Math.floor(position / SLOT_BYTES));
        await file.write(bytes, position);
      };
      return { ...file, write };
    },
  };
  const world = await CacheWorld.open(slow, { slots: 4 });
  written.length = 0;
  isHanging = true;
  const leaving = new AbortController();
  const late = chunkOf(1, 0);
  await world.read(late, { signal: leaving.signal }); // answered from memory while its slot is written
  leaving.abort();
  await expect.poll(() => written.length).toBe(1); // the invalid header, then it hangs
  const [hungSlot] = written;
  for (let number = 0; number < 12; number += 1) await world.read(chunkOf(2, number));
  expect(written.slice(1)).not.toContain(hungSlot);
  hung.open();
  await world.cache.stop();
  expect(written.filter((slot) => slot === hungSlot).length).toBe(3);
});

test('read-ahead fills the cache and its failures are nobody’s', async () => {
  const world = await CacheWorld.open(diskOf());
  const [good, bad] = [chunkOf(1, 0), chunkOf(1, 1)];
  world.cache.prefetch(good.ref, loadOf(good.bytes));
  world.cache.prefetch(bad.ref, loadOf(Buffer.alloc(3)));
  await expect.poll(() => world.cache.has(good.ref)).toBe(true);
  await world.read(good);
  expect(world.loaded).toEqual([]);
  await world.cache.stop();
});
