import { expect, test } from 'vitest';
import { metastoreIdOf } from '../../../../src/metastore/member/identity.ts';
import { systemRandom } from '../../../../src/platform/random.ts';
import { MemoryDisk } from '../../../support/memory-disk.ts';
import { codeOf } from '../../../support/metastore-world.ts';

function world() {
  const disk = new MemoryDisk();
  disk.place('/data/lost+found', Buffer.alloc(0));
  return { disk, deps: { disk: disk.forProcess(), random: systemRandom } };
}

test('an empty directory gets an id of its own, which it keeps', async () => {
  const { deps } = world();
  const id = await metastoreIdOf(deps, '/data');
  expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(await metastoreIdOf(deps, '/data')).toBe(id);
});

test('a directory that holds a log but no id is damaged, never renamed', async () => {
  const { disk, deps } = world();
  disk.place('/data/log/1.wal', Buffer.alloc(1));
  expect(await codeOf(metastoreIdOf(deps, '/data'))).toBe('CORRUPT_STATE');
});

test('an id that is none is damage', async () => {
  const { disk, deps } = world();
  disk.place('/data/metastore-id', Buffer.from('half a li'));
  expect(await codeOf(metastoreIdOf(deps, '/data'))).toBe('CORRUPT_STATE');
});
