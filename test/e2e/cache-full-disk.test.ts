import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { SLOT_BYTES } from '../../src/cache/slot-file.ts';

const run = promisify(execFile);
const directories: string[] = [];

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

/** What the child saw on a file system of `sizeMib`, asked for `slots` slots. */
async function onDiskOf(sizeMib: number, slots: number): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), 'logtier-full-disk-'));
  directories.push(directory);
  const child = join(import.meta.dirname, 'cache-full-disk.child.ts');
  const script = [
    `mount -t tmpfs -o size=${sizeMib}m tmpfs "$1"`,
    `exec "$2" --import tsx "$3" "$1" ${slots}`,
  ].join(' && ');
  const args = ['-Ur', '-m', 'sh', '-c', script, 'sh', directory, process.execPath, child];
  const { stdout } = await run('unshare', args);
  return JSON.parse(stdout);
}

test('on a disk that is really too full the slot file is smaller, and every read is right', async () => {
  expect(await onDiskOf(40, 16)).toEqual({ right: 24, sizes: [8 * SLOT_BYTES], errors: 1 });
});

test('on a disk without room there is no slot file, and every read is right', async () => {
  expect(await onDiskOf(8, 16)).toEqual({ right: 24, sizes: [], errors: 4 });
});
