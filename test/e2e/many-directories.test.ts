// A broker with as many partitions as one is told to have at most: real directories, real inotify.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mapAtOnce } from '../../src/base/map-at-once.ts';
import { segmentFileName } from '../../src/kafka/segment-files.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { SegmentWatcher } from '../../src/uploader/segment-watcher.ts';

const DIRECTORIES = 10_000;
const FILES_EACH = 10;
const ROLLED_OFFSET = 1_000n;

let logDir: string;

beforeAll(async () => {
  logDir = await fs.mkdtemp(join(tmpdir(), 'logtier-many-'));
  const partitions = Array.from({ length: DIRECTORIES }, (_, index) => index);
  await mapAtOnce(partitions, 16, async (partition) => {
    const directory = join(logDir, `orders-${partition}`);
    await fs.mkdir(directory);
    for (let file = 0; file < FILES_EACH; file += 1) {
      await fs.writeFile(join(directory, segmentFileName(BigInt(file * 100), 'log')), '');
    }
  });
});

afterAll(async () => {
  await fs.rm(logDir, { recursive: true, force: true });
});

test('ten thousand directories with a hundred thousand files are all seen, and a roll among them', async () => {
  const seen = new Map<number, number>();
  const watcher = new SegmentWatcher(
    { disk: nodeDisk, clock: systemClock, logger: silentLogger },
    { logDirs: [logDir], scanIntervalMs: 5_000 },
    {
      changed: ({ partition, fileNames }) => {
        seen.set(partition, fileNames.length);
      },
      gone: ({ partition }) => {
        seen.delete(partition);
      },
    },
  );
  await watcher.start();
  try {
    expect(seen.size).toBe(DIRECTORIES);
    expect(new Set(seen.values())).toEqual(new Set([FILES_EACH]));
    const rolled = join(logDir, 'orders-7777', segmentFileName(ROLLED_OFFSET, 'log'));
    await fs.writeFile(rolled, '');
    await expect.poll(() => seen.get(7_777), { timeout: 240_000 }).toBe(FILES_EACH + 1);
    await fs.rm(join(logDir, 'orders-1234'), { recursive: true });
    await expect.poll(() => seen.size, { timeout: 240_000 }).toBe(DIRECTORIES - 1);
  } finally {
    await watcher.stop();
  }
});
