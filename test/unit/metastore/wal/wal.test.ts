import { expect, test } from 'vitest';
import { crc32 } from '../../../../src/base/checksum.ts';
import type { WalRecord } from '../../../../src/metastore/wal/wal-record.ts';
import type { Wal } from '../../../../src/metastore/wal/wal.ts';
import { entry, keepNothing, printed, readAll, WalWorld } from '../../../support/wal-world.ts';

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

test('a new log is empty, and reopened it knows what was appended', async () => {
  const world = new WalWorld();
  const first = await world.open();
  expect([first.isNew, first.wal.firstIndex, first.wal.lastIndex]).toEqual([true, 1n, 0n]);
  await first.wal.append([{ kind: 'hardState', term: 1n, vote: 7n, commit: 0n }, entry(1)]);
  await first.wal.append([entry(2), entry(3, '')]);
  await first.wal.close();
  const second = await world.open();
  expect([second.isNew, second.cutBytes]).toEqual([false, 0]);
  expect(second.wal.hardState).toEqual({ term: 1n, vote: 7n, commit: 0n });
  expect(await readAll(second.wal)).toEqual(['1/1 command 1', '2/1 command 2', '3/1 ']);
});

test('appends queued while one fdatasync runs share the next one', async () => {
  const world = new WalWorld({ fileBytes: 65_536, batchBytes: 32_768 });
  const wal = await world.openWal();
  const before = world.disk.syncs;
  const first = wal.append([entry(1)]);
  await Promise.resolve();
  const later = range(2, 102).map((index) => wal.append([entry(index)]));
  await Promise.all([first, ...later]);
  expect(world.disk.syncs - before).toBe(2);
  expect(await readAll(wal)).toEqual(range(1, 102).map((index) => `${index}/1 command ${index}`));
});

test('an append resolves only after its fdatasync', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  const steps: string[] = [];
  world.disk.fault = (operation) => {
    steps.push(operation);
    return undefined;
  };
  const done = wal.append([entry(1)]).then(() => steps.push('resolved'));
  await done;
  expect(steps).toEqual(['write', 'sync', 'resolved']);
});

test('files rotate, each found again in order, with entries read across them', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  for (const index of range(1, 101)) await wal.append([entry(index, 'x'.repeat(100))]);
  await wal.close();
  expect(world.files().length).toBeGreaterThan(4);
  const again = await world.openWal();
  const all = await readAll(again);
  expect(all).toEqual(range(1, 101).map((index) => `${index}/1 ${'x'.repeat(100)}`));
  expect(printed(await again.read(57n, 1))).toEqual([`57/1 ${'x'.repeat(100)}`]);
});

test('an entry as large as a file allows is taken, a larger one is refused and takes nothing', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1, 'y'.repeat(3600))]);
  expect(() => wal.append([entry(2, 'y'.repeat(4000))])).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
  await wal.append([entry(2, 'z'.repeat(3600))]);
  expect((await readAll(wal)).map((line) => line.length)).toEqual([3604, 3604]);
});

test('an append larger than a file is cut, and resolves when all of it is on disk', async () => {
  const world = new WalWorld({ queuedBytes: 1000 });
  const wal = await world.openWal();
  const records = [1, 2, 3, 4, 5].map((index) => entry(index, String(index).repeat(1500)));
  const taken = wal.append(records);
  expect(wal.queuedBytes).toBeGreaterThan(7500);
  await taken;
  expect([wal.lastIndex, wal.queuedBytes]).toEqual([5n, 0]);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(await readAll(again)).toEqual(
    [1, 2, 3, 4, 5].map((index) => `${index}/1 ${String(index).repeat(1500)}`),
  );
});

const membership = (index: number, text: string): WalRecord => ({
  kind: 'membership',
  index: BigInt(index),
  state: Buffer.from(text),
});

function members(wal: Wal): string[] {
  return wal.memberships.map(({ index, state }) => `${index} ${Buffer.from(state).toString()}`);
}

test('memberships are kept from the snapshot on, through files and openings', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([membership(0, 'one'), entry(1), entry(2), membership(2, 'two')]);
  await wal.append([entry(3), entry(4), membership(4, 'three')]);
  expect(members(wal)).toEqual(['0 one', '2 two', '4 three']);
  await wal.append([{ kind: 'snapshotMarker', index: 3n, term: 1n }]);
  expect(members(wal)).toEqual(['2 two', '4 three']);
  for (let index = 5; index < 100; index += 1) await wal.append([entry(index)]);
  await wal.dropThrough(3n);
  expect(world.files().length).toBeGreaterThan(1);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(members(again)).toEqual(['2 two', '4 three']);
});

test('a membership that never came to hold is replaced by one at a lower index', async () => {
  const wal = await new WalWorld().openWal();
  await wal.append([membership(0, 'one'), membership(90, 'of a snapshot'), membership(7, 'two')]);
  expect(members(wal)).toEqual(['0 one', '7 two']);
});

const change = (index: number): WalRecord => ({
  kind: 'entry',
  index: BigInt(index),
  term: 1n,
  changesMembers: true,
  command: Buffer.from('change'),
});

test('entries that change the members are known by their index until they are cut', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1), change(2), entry(3), change(4)]);
  expect([0n, 2n, 4n].map((after) => wal.memberChangeAfter(after))).toEqual([2n, 4n, undefined]);
  await wal.append([{ kind: 'truncate', fromIndex: 4n }]);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect([0n, 2n].map((after) => again.memberChangeAfter(after))).toEqual([2n, undefined]);
  expect((await again.read(2n, 10))[0]).toMatchObject({ index: 2n, changesMembers: true });
});

test('a log of format 1 is read, and goes on in a file of format 2', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1), entry(2)]);
  world.disk.killProcess();
  const [path] = world.files();
  const bytes = world.disk.contents().find(([name]) => name === path)![1];
  world.disk.place(path!, asFormat1(bytes));
  const { wal: again } = await world.open();
  await again.append([membership(0, 'one'), entry(3)]);
  expect(await readAll(again)).toEqual(['1/1 command 1', '2/1 command 2', '3/1 command 3']);
  const versions = world.files().map((name) => {
    const content = world.disk.contents().find(([each]) => each === name)![1];
    return content.readUInt32BE(8);
  });
  expect(versions).toEqual([1, 2]);
  const { wal: third } = await world.crashAndReopen(keepNothing);
  expect([members(third), third.lastIndex]).toEqual([['0 one'], 3n]);
});

/** The same records under a header of format 1: the headers' CRCs are salted with it. */
function asFormat1(file: Buffer): Buffer {
  const bytes = Buffer.from(file);
  bytes.writeUInt32BE(1, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 124)), 124);
  const salt = bytes.readUInt32BE(124);
  for (let at = 128; bytes.readUIntBE(at + 9, 3) === 0x57414c;) {
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, at + 40), (salt ^ at) >>> 0), at);
    at += 40 + Math.ceil(bytes.readUInt32BE(at + 12) / 8) * 8;
  }
  return bytes;
}

test('truncate voids entries, and others take their indexes', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1), entry(2), entry(3)]);
  await wal.append([{ kind: 'truncate', fromIndex: 2n }, entry(2, 'other', 2n)]);
  const expected = ['1/1 command 1', '2/2 other'];
  expect(await readAll(wal)).toEqual(expected);
  expect([1n, 2n, 3n].map((index) => wal.termOf(index))).toEqual([1n, 2n, undefined]);
  await wal.close();
  expect(await readAll(await world.openWal())).toEqual(expected);
});

test('a snapshot beyond the last entry starts the log anew behind it', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1), entry(2)]);
  await wal.append([{ kind: 'snapshotMarker', index: 50n, term: 4n }]);
  await wal.append([entry(51, 'after', 4n)]);
  await wal.close();
  const again = await world.openWal();
  expect([again.firstIndex, again.lastIndex, again.termOf(50n)]).toEqual([51n, 51n, 4n]);
  expect(await readAll(again)).toEqual(['51/4 after']);
});

test('dropping deletes only files that a durable snapshot covers whole (B.8 row 22)', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  for (const index of range(1, 101)) await wal.append([entry(index, 'x'.repeat(100))]);
  await expect(wal.dropThrough(50n)).rejects.toThrow('in a snapshot');
  const before = world.files().length;
  await wal.append([
    { kind: 'hardState', term: 1n, vote: 7n, commit: 50n },
    { kind: 'snapshotMarker', index: 50n, term: 1n },
  ]);
  await wal.dropThrough(50n);
  expect(world.files().length).toBeLessThan(before);
  expect(wal.firstIndex).toBeLessThanOrEqual(51n);
  expect(wal.firstIndex).toBeGreaterThan(1n);
  await expect(wal.read(1n, 1000)).rejects.toMatchObject({ code: 'COMPACTED' });
  const kept = await readAll(wal);
  await wal.close();
  const again = await world.openWal();
  expect(await readAll(again)).toEqual(kept);
  expect(again.snapshot).toEqual({ index: 50n, term: 1n });
  expect(again.hardState).toEqual({ term: 1n, vote: 7n, commit: 50n });
});

test('the hard state outlives the file it was written to', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([{ kind: 'hardState', term: 9n, vote: 3n, commit: 0n }]);
  for (const index of range(1, 101)) await wal.append([entry(index, 'x'.repeat(100))]);
  await wal.append([{ kind: 'snapshotMarker', index: 100n, term: 1n }]);
  await wal.dropThrough(100n);
  expect(world.files()).toHaveLength(1);
  await wal.close();
  expect((await world.openWal()).hardState).toEqual({ term: 9n, vote: 3n, commit: 0n });
});

test('an idle log marks its last batch durable, once', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  const before = world.disk.writes;
  world.clock.tick();
  world.clock.tick();
  await wal.close();
  expect(world.disk.writes - before).toBe(1);
});

test('closing is idempotent and waits for what is queued', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  const done = wal.append([entry(1)]);
  await Promise.all([wal.close(), wal.close()]);
  await done;
  expect(() => wal.append([entry(2)])).toThrow('is open');
  expect(world.disk.contents().map(([path]) => path)).not.toContain('/data/wal/next.tmp');
});
