// What a log does with a disk that lies, fails, tears or rots (B.8 rows 10, 11 and 28).
import { expect, test } from 'vitest';
import { type Draw, seededDraw } from '../../../support/memory-disk.ts';
import {
  entry,
  IDENTITY,
  keepAll,
  keepNothing,
  readAll,
  WalWorld,
} from '../../../support/wal-world.ts';

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `${from + at}/1 command ${from + at}`);

/** Three acknowledged entries in three batches, then a kill: the tail file with its records' positions. */
async function threeEntries(): Promise<{ world: WalWorld; path: string; positions: number[] }> {
  const world = new WalWorld();
  const wal = await world.openWal();
  for (const index of [1, 2, 3]) await wal.append([entry(index)]);
  world.disk.killProcess();
  const path = world.files()[0]!;
  const [, bytes] = world.disk.contents().find(([name]) => name === path)!;
  const positions = [1, 2, 3].map((index) => bytes.indexOf(`command ${index}`));
  return { world, path, positions };
}

/** Opens, expects a refusal, and that not one byte on disk changed. */
async function refusal(world: WalWorld, identity = IDENTITY): Promise<unknown> {
  const before = world.disk.contents();
  const error: unknown = await world.open(identity).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(world.disk.contents()).toEqual(before);
  return error;
}

test('acknowledged entries survive power loss, whatever the disk kept of the rest', async () => {
  for (const draw of [keepAll, keepNothing]) {
    const world = new WalWorld();
    const wal = await world.openWal();
    for (let index = 1; index <= 60; index += 1) await wal.append([entry(index)]);
    const { wal: again } = await world.crashAndReopen(draw);
    expect(await readAll(again)).toEqual(lines(1, 61));
  }
});

test('a vote is on disk before its append resolves (B.8 row 10)', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([{ kind: 'hardState', term: 5n, vote: 2n, commit: 0n }]);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(again.hardState).toEqual({ term: 5n, vote: 2n, commit: 0n });
});

test('no append resolves while its fdatasync hangs (B.8 row 11)', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  let resolved = false;
  world.disk.fault = (operation) => {
    if (operation === 'write') world.disk.schedule = () => new Promise(() => undefined);
    return undefined;
  };
  void wal.append([entry(1)]).then(() => (resolved = true));
  await world.settle();
  const [, bytes] = world.disk.contents().find(([name]) => name.endsWith('.wal'))!;
  expect([bytes.includes('command 1'), resolved, wal.lastIndex]).toEqual([true, false, 0n]);
});

test('a torn tail is cut, and never comes back', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  // The second batch spans sectors; the first of them is lost, the others reach the disk.
  world.disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  const torn = wal.append([entry(2, 'a'.repeat(600)), entry(3, 'b'.repeat(600))]);
  await expect(torn).rejects.toMatchObject({ code: 'DISK_FAILED' });
  world.disk.fault = () => undefined;
  const path = world.files()[0]!;
  const [, bytes] = world.disk.contents().find(([name]) => name === path)!;
  world.disk.killProcess();
  bytes.fill(0, bytes.indexOf('aaa') + 10, bytes.indexOf('aaa') + 50);
  world.disk.place(path, bytes);
  const reopened = await world.open();
  expect(reopened.cutBytes).toBeGreaterThan(1200);
  expect(await readAll(reopened.wal)).toEqual(lines(1, 2));
  const [, mended] = world.disk.contents().find(([name]) => name === path)!;
  expect([mended.includes('aaa'), mended.includes('bbb')]).toEqual([false, false]);
  await reopened.wal.append([entry(2)]);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(await readAll(again)).toEqual(lines(1, 3));
});

test('a flipped bit before records written later is refused, with file, position and a hint (B.8 row 28)', async () => {
  const { world, path, positions } = await threeEntries();
  world.disk.flipBit(path, positions[1]!, 3);
  expect(await refusal(world)).toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringMatching(/wal at byte \d+: record \d+ is damaged, but record/),
    hint: expect.stringContaining('restore'),
    details: { path },
  });
});

test('a sector of zeros before records written later is refused too', async () => {
  const { world, path, positions } = await threeEntries();
  const [, bytes] = world.disk.contents().find(([name]) => name === path)!;
  bytes.fill(0, positions[0]! - 60, positions[1]);
  world.disk.place(path, bytes);
  expect(await refusal(world)).toMatchObject({ code: 'CORRUPT_STATE' });
});

test('damage to the last batch is refused once the idle mark is written, and cut before', async () => {
  const unmarked = await threeEntries();
  unmarked.world.disk.flipBit(unmarked.path, unmarked.positions[2]!, 0);
  expect(await readAll((await unmarked.world.open()).wal)).toEqual(lines(1, 3));

  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  world.clock.tick();
  await wal.close();
  const path = world.files()[0]!;
  const [, bytes] = world.disk.contents().find(([name]) => name === path)!;
  world.disk.flipBit(path, bytes.indexOf('command 1'), 0);
  expect(await refusal(world)).toMatchObject({ code: 'CORRUPT_STATE' });
});

test('every single flipped bit of a marked log is refused or harmless, never a loss', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  for (let index = 1; index <= 12; index += 1) await wal.append([entry(index)]);
  await wal.close();
  const path = world.files()[0]!;
  const [, sound] = world.disk.contents().find(([name]) => name === path)!;
  const end = sound.lastIndexOf('command 12') + 16;
  const outcomes = new Set<string>();
  for (let position = 0; position < end; position += 1) {
    world.disk.place(path, sound);
    world.disk.flipBit(path, position, position % 8);
    const opened = await world.open().catch((error: unknown) => error);
    const code =
      opened instanceof Error && 'code' in opened
        ? String(opened.code)
        : JSON.stringify(await readAll((opened as { wal: typeof wal }).wal));
    outcomes.add(code);
    world.disk.killProcess();
  }
  expect([...outcomes].toSorted()).toEqual(
    ['CORRUPT_STATE', JSON.stringify(lines(1, 13))].toSorted(),
  );
});

test('a failed fdatasync is final: all that waits and all that comes rejects, and none is retried', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  world.disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  const first = wal.append([entry(2)]);
  await Promise.resolve();
  await Promise.resolve();
  const second = wal.append([entry(3)]);
  const outcomes = await Promise.allSettled([first, second]);
  expect(outcomes).toEqual([
    { status: 'rejected', reason: expect.objectContaining({ code: 'DISK_FAILED' }) },
    { status: 'rejected', reason: expect.objectContaining({ code: 'DISK_FAILED' }) },
  ]);
  world.disk.fault = () => undefined;
  const { syncs } = world.disk;
  expect(() => wal.append([entry(2)])).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }));
  await world.settle();
  await wal.close();
  expect([world.disk.syncs - syncs, wal.failure?.code]).toEqual([0, 'DISK_FAILED']);
});

test('after a failed fdatasync and a restart, what is recovered really reaches the disk (fsyncgate)', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  world.disk.fault = (operation) => (operation === 'sync' ? 'EIO' : undefined);
  // Longer than a sector, so that no later write brings its sectors to the disk by chance.
  const unlucky = wal.append([entry(2, 'x'.repeat(1500))]);
  await expect(unlucky).rejects.toMatchObject({ code: 'DISK_FAILED' });
  world.disk.fault = () => undefined;
  world.disk.killProcess();
  // The page cache shows entry 2 as clean; the platter never got it.
  const recovered = await readAll((await world.open()).wal);
  expect(recovered).toHaveLength(2);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(await readAll(again)).toEqual(recovered);
});

test('a file begun just before a kill keeps its name through a later power loss', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  let index = 1;
  world.disk.fault = (operation) => (operation === 'syncDirectory' ? 'EIO' : undefined);
  const fill = async (): Promise<void> => {
    for (; ; index += 1) await wal.append([entry(index)]);
  };
  await expect(fill()).rejects.toMatchObject({ code: 'DISK_FAILED' });
  world.disk.fault = () => undefined;
  world.disk.killProcess();
  expect(world.files()).toHaveLength(2);
  const { wal: second } = await world.open();
  await second.append([entry(index)]);
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(await readAll(again)).toEqual(lines(1, index + 1));
});

test('a full disk is DISK_FULL when the next file is needed, and everything before stays', async () => {
  const world = new WalWorld();
  const wal = await world.openWal();
  world.disk.capacityBytes = 8192;
  let acknowledged = 0;
  const fill = async (): Promise<void> => {
    for (let index = 1; ; index += 1) {
      await wal.append([entry(index)]);
      acknowledged = index;
    }
  };
  await expect(fill()).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(acknowledged).toBeGreaterThan(60);
  world.disk.capacityBytes = Infinity;
  const { wal: again } = await world.crashAndReopen(keepNothing);
  expect(await readAll(again)).toEqual(lines(1, acknowledged + 1));
});

test('space freed before the next file is needed is used', async () => {
  const world = new WalWorld();
  world.disk.capacityBytes = 4096 + 100;
  const wal = await world.openWal();
  world.disk.capacityBytes = Infinity;
  for (let index = 1; index <= 100; index += 1) await wal.append([entry(index)]);
  expect(await readAll(wal)).toEqual(lines(1, 101));
});

/** A hundred entries over several files, closed. */
async function severalFiles(): Promise<{ world: WalWorld; files: string[] }> {
  const world = new WalWorld();
  const wal = await world.openWal();
  for (let index = 1; index <= 200; index += 1) await wal.append([entry(index)]);
  await wal.close();
  const files = world.files();
  expect(files.length).toBeGreaterThanOrEqual(4);
  return { world, files };
}

test('a file missing in the middle is refused', async () => {
  const { world, files } = await severalFiles();
  world.disk.remove(files[1]!);
  expect(await refusal(world)).toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringContaining('the file before this one is missing'),
  });
});

test('a missing oldest file is refused unless a snapshot covers it', async () => {
  const { world, files } = await severalFiles();
  world.disk.remove(files[0]!);
  expect(await refusal(world)).toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringContaining('older files are missing'),
  });
});

test('a damaged header is refused, in any file', async () => {
  const { world, files } = await severalFiles();
  for (const path of files) {
    world.disk.flipBit(path, 27, 0);
    expect(await refusal(world)).toMatchObject({ code: 'CORRUPT_STATE', details: { path } });
    world.disk.flipBit(path, 27, 0);
  }
});

test('a renamed file is refused', async () => {
  const { world, files } = await severalFiles();
  const [, bytes] = world.disk.contents().find(([name]) => name === files[2])!;
  world.disk.place(files[1]!, bytes);
  expect(await refusal(world)).toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringContaining('was renamed'),
  });
});

test('damage at the end of a file is no torn tail when another file follows', async () => {
  const { world, files } = await severalFiles();
  const [path, bytes] = world.disk.contents().find(([name]) => name === files[0])!;
  world.disk.flipBit(path, bytes.lastIndexOf('command'), 1);
  expect(await refusal(world)).toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringContaining('a record is damaged'),
    details: { path },
  });
});

test('a log of another metastore or another member is refused untouched', async () => {
  const { world } = await threeEntries();
  const other = { clusterId: 'metastore-2', nodeId: 7n };
  expect(await refusal(world, other)).toMatchObject({ code: 'WRONG_CLUSTER' });
  const twin = { clusterId: 'metastore-1', nodeId: 8n };
  expect(await refusal(world, twin)).toMatchObject({ code: 'WRONG_CLUSTER' });
});

test('a copy of log bytes inside a command is not taken for a later record', async () => {
  const longer = new WalWorld({ fileBytes: 65_536 });
  const source = await longer.openWal();
  for (let index = 1; index <= 40; index += 1) await source.append([entry(index)]);
  const [, copied] = longer.disk.contents().find(([name]) => name.endsWith('.wal'))!;

  const world = new WalWorld({ fileBytes: 65_536 });
  const wal = await world.openWal();
  await wal.append([entry(1)]);
  // Headers that call ordinals up to 40 durable, of the same member, at other positions.
  const command = Buffer.concat([Buffer.alloc(8), copied.subarray(128, 4096)]);
  await wal.append([{ kind: 'entry', index: 2n, term: 1n, changesMembers: false, command }]);
  world.disk.killProcess();
  const [path, grown] = world.disk.contents().find(([name]) => name.endsWith('.wal'))!;
  const damaged = grown.indexOf('command 40') + 5;
  world.disk.flipBit(path, damaged, 0);
  const reopened = await world.open();
  expect(reopened.cutBytes).toBeGreaterThan(2900);
  expect(await readAll(reopened.wal)).toEqual(lines(1, 2));
});

test('a crash at any step of the first opening leaves a log that opens', async () => {
  for (let step = 0; step < 60; step += 1) {
    const world = new WalWorld();
    let left = step;
    const draw: Draw = seededDraw(step);
    world.disk.schedule = () => {
      left -= 1;
      if (left === 0) world.disk.crash(draw);
      return Promise.resolve();
    };
    await world.open().catch(() => undefined);
    await world.settle();
    world.disk.schedule = () => Promise.resolve();
    const { wal } = await world.crashAndReopen(draw);
    await wal.append([entry(1)]);
    expect(await readAll(wal)).toEqual(lines(1, 2));
  }
});
