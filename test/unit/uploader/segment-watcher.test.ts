import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/platform/clock.ts';
import { nodeDisk, type Disk } from '../../../src/platform/disk.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { SegmentWatcher } from '../../../src/uploader/segment-watcher.ts';

let root: string;
const watchers: SegmentWatcher[] = [];

beforeEach(async () => {
  root = await fs.mkdtemp(join(tmpdir(), 'logtier-watch-'));
});

afterEach(async () => {
  await Promise.all(watchers.splice(0).map((watcher) => watcher.stop()));
  await fs.rm(root, { recursive: true, force: true });
});

async function touch(...path: string[]): Promise<void> {
  const file = join(root, ...path);
  await fs.mkdir(join(file, '..'), { recursive: true });
  await fs.writeFile(file, '');
}

interface Watching {
  readonly watcher: SegmentWatcher;
  readonly files: Map<string, readonly string[]>;
  readonly gone: string[];
}

async function watching(
  logDirs: readonly string[],
  disk: Disk = nodeDisk,
  scanIntervalMs = 60_000,
): Promise<Watching> {
  const files = new Map<string, readonly string[]>();
  const gone: string[] = [];
  const watcher = new SegmentWatcher(
    { disk, clock: systemClock, logger: silentLogger },
    { logDirs, scanIntervalMs },
    {
      changed: ({ topic, partition, fileNames }) => files.set(`${topic}-${partition}`, fileNames),
      gone: ({ topic, partition }, why) => {
        files.delete(`${topic}-${partition}`);
        gone.push(`${topic}-${partition}: ${why}`);
      },
    },
  );
  watchers.push(watcher);
  await watcher.start();
  return { watcher, files, gone };
}

const soon = { timeout: 5_000, interval: 10 };

test('the first look finds live directories only, in every log directory', async () => {
  await touch('a', 'orders-0', '00000000000000000000.log');
  await touch('b', 'orders-1', '00000000000000000007.log');
  await touch('a', 'orders-2.0123456789abcdef0123456789abcdef-delete', '00000000000000000000.log');
  await touch('a', 'orders-3.0123456789abcdef0123456789abcdef-future', '00000000000000000000.log');
  await touch('a', 'lost+found', 'x');
  const { files } = await watching([join(root, 'a'), join(root, 'b')]);
  expect(Object.fromEntries(files)).toEqual({
    'orders-0': ['00000000000000000000.log'],
    'orders-1': ['00000000000000000007.log'],
  });
});

test('a roll is seen without waiting for the next scan', async () => {
  await touch('orders-0', '00000000000000000000.log');
  const { files } = await watching([root]);
  await touch('orders-0', '00000000000000000100.log');
  await vi.waitFor(() => {
    expect(files.get('orders-0')).toEqual(['00000000000000000000.log', '00000000000000000100.log']);
  }, soon);
});

test('a segment that rolls during the first look is not missed', async () => {
  await touch('orders-0', '00000000000000000000.log');
  const rollAfterList: Disk = {
    ...nodeDisk,
    list: async (path) => {
      const entries = await nodeDisk.list(path);
      const rolled = join(path, '00000000000000000100.log');
      if (path.endsWith('orders-0')) await fs.writeFile(rolled, '');
      return entries;
    },
  };
  const { files } = await watching([root], rollAfterList);
  await vi.waitFor(() => {
    expect(files.get('orders-0')).toHaveLength(2);
  }, soon);
});

test('a topic that is deleted and created again under its name is watched anew', async () => {
  await touch('orders-0', '00000000000000000000.log');
  const { files, gone } = await watching([root]);
  await fs.rename(
    join(root, 'orders-0'),
    join(root, 'orders-0.0123456789abcdef0123456789abcdef-delete'),
  );
  await touch('orders-0', '00000000000000000005.log');
  await vi.waitFor(() => {
    expect(gone).toEqual(['orders-0: removed']);
    expect(files.get('orders-0')).toEqual(['00000000000000000005.log']);
  }, soon);
  await touch('orders-0', '00000000000000000009.log');
  await vi.waitFor(() => {
    expect(files.get('orders-0')).toHaveLength(2);
  }, soon);
});

test('a log directory that vanishes is a finding, the others go on, and it is taken up when it comes back', async () => {
  await touch('a', 'orders-0', '00000000000000000000.log');
  await touch('b', 'orders-1', '00000000000000000000.log');
  const { watcher, files, gone } = await watching([join(root, 'a'), join(root, 'b')], nodeDisk, 50);
  await fs.rename(join(root, 'a'), join(root, 'away'));
  await vi.waitFor(() => {
    expect(gone).toEqual(['orders-0: log directory failed']);
  }, soon);
  expect(watcher.findings()).toMatchObject([{ code: 'LOG_DIR_FAILED', logDir: join(root, 'a') }]);
  expect([...files.keys()]).toEqual(['orders-1']);
  await fs.rename(join(root, 'away'), join(root, 'a'));
  await vi.waitFor(() => {
    expect([...files.keys()].toSorted()).toEqual(['orders-0', 'orders-1']);
    expect(watcher.findings()).toEqual([]);
  }, soon);
});

test('at the inotify limit the directories are looked at by time instead, and a finding says so', async () => {
  await touch('orders-0', '00000000000000000000.log');
  const limited: Disk = {
    ...nodeDisk,
    watch: () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
  const { watcher, files } = await watching([root], limited, 50);
  expect(watcher.findings()).toMatchObject([{ code: 'WATCH_LIMIT' }]);
  await touch('orders-0', '00000000000000000100.log');
  await vi.waitFor(() => {
    expect(files.get('orders-0')).toHaveLength(2);
  }, soon);
  expect(watcher.findings()).toMatchObject([{ code: 'WATCH_LIMIT' }]);
});
