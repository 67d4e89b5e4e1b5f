// Whatever happens at once in a tiny slot file: every byte answered is the byte stored.
import { expect, test } from 'vitest';
import type { Disk } from '../../src/platform/disk.ts';
import { CacheWorld, chunkOf, loadOf } from '../support/cache-world.ts';
import { seededDraw } from '../support/memory-disk.ts';

export interface CacheHome {
  readonly name: string;
  /** A disk with the kernel's boot id, and a directory on it for one test. */
  make(): Promise<{ disk: Disk; dir: string }>;
}

const READERS = 8;
const READS_EACH = 60;
const CHUNKS = 14;

export function cacheContract(home: CacheHome): void {
  test(`${home.name}: many readers of more chunks than slots read only what was stored, over restarts`, async () => {
    const { disk, dir } = await home.make();
    const chunks = Array.from({ length: CHUNKS }, (_, number) => chunkOf(1, number, 200_000));
    const answered = { right: 0, left: 0 };
    for (let life = 0; life < 3; life += 1) {
      const world = await CacheWorld.open(disk, { slots: 5, dir });
      const reader = async (seed: number): Promise<void> => {
        const draw = seededDraw(seed);
        for (let read = 0; read < READS_EACH; read += 1) {
          const chunk = chunks[Math.floor(draw() * draw() * CHUNKS)] ?? chunkOf(1, 0, 200_000);
          const start = Math.floor(draw() * 199_000);
          const end = start + 1 + Math.floor(draw() * (200_000 - start - 1));
          const leaving = new AbortController();
          const isLeaving = draw() < 0.1;
          const reading = world.read(chunk, {
            start,
            end,
            load: loadOf(chunk.bytes),
            signal: leaving.signal,
          });
          if (isLeaving) leaving.abort();
          const bytes = await reading.catch(() => undefined);
          if (bytes === undefined) answered.left += 1;
          else if (bytes.equals(chunk.bytes.subarray(start, end))) answered.right += 1;
          if (draw() < 0.02) world.cache.distrust(chunk.ref);
          if (draw() < 0.02) world.tick();
        }
      };
      await Promise.all(Array.from({ length: READERS }, (_, seed) => reader(seed + life * 100)));
      await world.cache.stop();
      expect(world.errors()).toEqual([]);
    }
    // Who left got nothing; all others got exactly the bytes.
    expect(answered.right + answered.left).toBe(3 * READERS * READS_EACH);
    expect(answered.left).toBeLessThan(READERS * READS_EACH);
  });
}
