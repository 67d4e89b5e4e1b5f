import { mkdtemp, rm } from 'node:fs/promises';
import { afterAll } from 'vitest';
import { nodeDisk } from '../../src/platform/disk.ts';
import { BOOT_ID_PATH } from '../support/cache-world.ts';
import { MemoryDisk, seededDraw } from '../support/memory-disk.ts';
import { cacheContract } from './chunk-cache.ts';

const directories: string[] = [];

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true });
});

cacheContract({
  name: 'memory disk, operations in any order',
  make: () => {
    const disk = new MemoryDisk();
    disk.place(BOOT_ID_PATH, Buffer.from('11111111-2222-3333-4444-555555555555\n'));
    const draw = seededDraw(42);
    disk.schedule = async () => {
      for (let turns = Math.floor(draw() * 6); turns > 0; turns -= 1) await Promise.resolve();
    };
    return Promise.resolve({ disk, dir: '/state/cache' });
  },
});

cacheContract({
  name: 'real disk',
  make: async () => {
    const dir = await mkdtemp('/tmp/logtier-cache-');
    directories.push(dir);
    return { disk: nodeDisk, dir };
  },
});
