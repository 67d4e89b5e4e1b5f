import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Disk } from '../../../../src/platform/disk.ts';
import { nodeDisk } from '../../../../src/platform/disk.ts';
import { systemRandom } from '../../../../src/platform/random.ts';
import { bytesSource } from '../../../../src/store/byte-source.ts';
import { FilesystemStore } from '../../../../src/store/filesystem/filesystem-store.ts';
import { nobody } from '../../../../src/store/object-store.ts';
import { sampleBytes } from '../../../support/sample-bytes.ts';
import { all, codeOf, interruptedSource, never, recorder } from '../../../support/store-probes.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'logtier-fs-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function open(disk: Disk = nodeDisk): FilesystemStore {
  return new FilesystemStore({ disk, random: systemRandom }, { directory });
}

/** The disk with some doors replaced: how a full or broken disk is played. */
function diskWith(changes: Partial<Disk>): Disk {
  return { ...nodeDisk, ...changes };
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const one = bytesSource(Buffer.from('one'));

test('a full disk is DISK_FULL and leaves nothing', async () => {
  const disk = diskWith({
    open: async (file, mode) => ({
      ...(await nodeDisk.open(file, mode)),
      write: () => Promise.reject(errno('ENOSPC')),
    }),
  });
  expect(await codeOf(open(disk).put('a/b', one, nobody, never))).toBe('DISK_FULL');
  expect(await readdir(directory, { recursive: true })).toEqual(['.uploading']);
});

test('a directory that refuses to be read is STORE_DENIED, one that breaks is STORE_UNAVAILABLE', async () => {
  const outcomes = [];
  for (const code of ['EACCES', 'EIO', 'ESTALE']) {
    const disk = diskWith({ stat: () => Promise.reject(errno(code)) });
    outcomes.push(await codeOf(open(disk).stat('a', never)));
  }
  expect(outcomes).toEqual(['STORE_DENIED', 'STORE_UNAVAILABLE', 'STORE_UNAVAILABLE']);
});

test('a missing root is a missing mount: nothing is made, and it is retried', async () => {
  const gone = path.join(directory, 'not-mounted');
  const store = new FilesystemStore({ disk: nodeDisk, random: systemRandom }, { directory: gone });
  expect(await codeOf(store.put('a', one, nobody, never))).toBe('STORE_UNAVAILABLE');
  expect(await readdir(directory)).toEqual([]);
});

test('bytes are synced before the name exists, and every directory above after it', async () => {
  const steps: string[] = [];
  const disk = diskWith({
    open: async (file, mode) => {
      const opened = await nodeDisk.open(file, mode);
      return {
        ...opened,
        sync: async () => {
          await opened.sync();
          steps.push('sync file');
        },
      };
    },
    link: async (from, to) => {
      await nodeDisk.link(from, to);
      steps.push('link');
    },
    syncDirectory: async (name) => {
      await nodeDisk.syncDirectory(name);
      steps.push(`sync /${path.relative(directory, name)}`);
    },
  });
  await open(disk).put('a/b/c', one, nobody, never);
  expect(steps).toEqual(['sync file', 'link', 'sync /a/b', 'sync /a', 'sync /']);
});

test('a put that was abandoned while it ran publishes nothing', async () => {
  const store = open();
  const observer = recorder();
  const bytes = sampleBytes(3_000_000, 1);
  const source = interruptedSource(bytes, 1_000_000, () => {
    abandoned ??= store.abandon('late', observer.uploadIds, never);
  });
  let abandoned: Promise<void> | undefined;
  expect(await codeOf(store.put('late', source, observer, never))).toBe('STORE_REFUSED');
  await abandoned;
  expect(await all(store.list('', '', never))).toEqual([]);
});

test('one key is never the directory of another', async () => {
  const store = open();
  await store.put('a/b', one, nobody, never);
  expect(await codeOf(store.put('a', one, nobody, never))).toBe('STORE_REFUSED');
  expect(await codeOf(store.put('a/b/c', one, nobody, never))).toBe('STORE_REFUSED');
  expect(await codeOf(store.stat('a/b/c', never))).toBe('OBJECT_NOT_FOUND');
});

test('unfinished files are no objects, and their directory is no key', async () => {
  await mkdir(path.join(directory, '.uploading'));
  await writeFile(path.join(directory, '.uploading', 'left'), 'x');
  const store = open();
  expect(await all(store.list('', '', never))).toEqual([]);
  expect(await codeOf(store.stat('.uploading/left', never))).toBe('INVALID_ARGUMENT');
});

test('a delete takes the empty directories with it, and only those', async () => {
  const store = open();
  await store.put('a/b/c/1', one, nobody, never);
  await store.put('a/2', one, nobody, never);
  await store.delete(['a/b/c/1'], never);
  expect((await readdir(directory, { recursive: true })).toSorted()).toEqual([
    '.uploading',
    'a',
    'a/2',
  ]);
});

test('an upload id cannot leave the directory of unfinished files', async () => {
  await writeFile(path.join(directory, 'keep'), 'x');
  await open().abandon('key', ['../keep', '..', '/etc/passwd'], never);
  expect(await readdir(directory)).toEqual(['keep']);
});
