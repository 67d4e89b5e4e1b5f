// Whom a voter has agreed to begin with: one list, for good, and only what is its own.
import { beforeEach, expect, test } from 'vitest';
import { Founders } from '../../../../../src/metastore/log/raft-log/founders.ts';
import type { Peer } from '../../../../../src/metastore/log/raft-log/membership.ts';
import { MemoryDisk, seededDraw } from '../../../../support/memory-disk.ts';

const LOG = '/log';
const VOTERS: readonly Peer[] = [1, 2, 3].map((id) => ({ id, address: `host ${id}:7410` }));
const LIST: readonly Peer[] = VOTERS.map((voter) => ({ ...voter, directory: `of-${voter.id}` }));
const SELF = { id: 2, address: 'host 2:7410', directory: 'of-2' };

let disk: MemoryDisk;
beforeEach(async () => {
  disk = new MemoryDisk();
  await disk.makeDirectory(LOG);
});

function open(self = SELF, voters = VOTERS): Promise<Founders> {
  return Founders.open(disk, LOG, { self, voters });
}

const others = (id: number, directory: string | undefined): Peer[] =>
  LIST.map((founder) => (founder.id === id ? { ...founder, directory } : founder));

test('nobody is agreed to before; then the first list is kept for good, whatever power does', async () => {
  const founders = await open();
  expect(founders.agreed).toEqual([]);
  expect(await founders.agree(LIST.toReversed())).toEqual(LIST);
  expect(await founders.agree(others(3, 'another'))).toEqual(LIST);
  disk.crash(seededDraw(1));
  const again = await open();
  expect(again.agreed).toEqual(LIST);
  expect(await again.agree(others(3, 'another'))).toEqual(LIST);
  expect(again.directoryOf(3)).toBe('of-3');
  expect(again.directoryOf(4)).toBeUndefined();
});

test('of lists at the same time the first is agreed to, by both', async () => {
  const founders = await open();
  const [first, second] = [founders.agree(LIST), founders.agree(others(3, 'another'))];
  expect([await first, await second]).toEqual([LIST, LIST]);
});

test.each<readonly [string, readonly Peer[]]>([
  ['nobody', []],
  ['one voter less', LIST.slice(1)],
  ['a voter twice', [...LIST.slice(0, 2), LIST[0]!]],
  ['a stranger', [...LIST.slice(0, 2), { id: 4, address: 'host 3:7410', directory: 'of-4' }]],
  ['a voter at another address', [...LIST.slice(0, 2), { ...LIST[2]!, address: 'elsewhere' }]],
  ['a voter without a directory', others(3, undefined)],
  ['another directory of this voter', others(2, 'another')],
])('a list with %s is not agreed to', async (_, list) => {
  const founders = await open();
  expect(await founders.agree(list)).toEqual([]);
  expect(await founders.agree(LIST)).toEqual(LIST);
});

test('what could not be kept is not agreed to', async () => {
  const founders = await open();
  disk.fault = (operation) => (operation === 'sync' ? 'ENOSPC' : undefined);
  await expect(founders.agree(LIST)).rejects.toMatchObject({ code: 'DISK_FULL' });
  disk.fault = () => undefined;
  expect(founders.agreed).toEqual([]);
  expect(await founders.agree(LIST)).toEqual(LIST);
});

test('settings that name others than were agreed on are refused, also those of a group of one', async () => {
  const founders = await open();
  founders.requireOwn();
  await founders.agree(LIST);
  founders.requireOwn();
  for (const voters of [VOTERS.slice(1), [VOTERS[1]!], VOTERS.with(0, { id: 1, address: 'x:1' })]) {
    const changed = await open(SELF, voters);
    expect(() => {
      changed.requireOwn();
    }).toThrow(/^this member has agreed to begin a group with 1 at host 1:7410, 2 at/);
  }
  // It does not begin a group then.
  (await open(SELF, [])).requireOwn();
});

test('a damaged file, or that of another directory, is refused by name', async () => {
  await (await open()).agree(LIST);
  const fresh = await open({ ...SELF, directory: 'fresh' });
  expect(() => {
    fresh.requireOwn();
  }).toThrow('/log/founders is of another directory');
  const { length } = await disk.readFile(`${LOG}/founders`);
  for (let at = 0; at < length; at += 1) {
    const file = await disk.open(`${LOG}/founders`, 'write');
    const [before] = await disk.readFile(`${LOG}/founders`).then((bytes) => bytes.subarray(at));
    await file.write(Buffer.from([before! ^ 1]), at);
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
    await file.write(Buffer.from([before!]), at);
    await file.close();
  }
  expect((await open()).agreed).toEqual(LIST);
});
