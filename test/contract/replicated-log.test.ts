import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import type { ReplicatedLog } from '../../src/metastore/log/replicated-log.ts';
import { singleMemberLogSettings } from '../../src/metastore/log/single-member/settings.ts';
import { openSingleMemberLog } from '../../src/metastore/log/single-member/single-member-log.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { MemoryLogStore } from '../support/memory-log.ts';
import { IDENTITY, tickedClock } from '../support/wal-world.ts';
import { type LogHome, replicatedLogContract } from './replicated-log.ts';

replicatedLogContract('memory', () => {
  const store = new MemoryLogStore();
  let open: ReplicatedLog | undefined;
  return Promise.resolve({
    open: () => {
      open = store.open();
      return Promise.resolve(open);
    },
    kill: async () => open?.stop(),
    maxCommandBytes: 512 * 1024,
    remove: async () => open?.stop(),
  });
});

replicatedLogContract('single-member, on a disk that loses power,', () => {
  const disk = new MemoryDisk();
  disk.place('/data/lost+found', Buffer.alloc(0));
  const settings = {
    ...singleMemberLogSettings.parse({
      wal: { fileBytes: '4KiB', batchBytes: '2KiB' },
      tailBytes: '1KiB',
      readBytes: '1KiB',
    }),
    maxCommandBytes: 3000,
  };
  const home: LogHome = {
    open: () => {
      const deps = { disk: disk.forProcess(), clock: tickedClock(), logger: silentLogger };
      return openSingleMemberLog(deps, settings, { directory: '/data/wal', ...IDENTITY });
    },
    kill: () => {
      disk.crash(() => 0.4);
      return Promise.resolve();
    },
    maxCommandBytes: settings.maxCommandBytes,
    remove: () => {
      disk.killProcess();
      return Promise.resolve();
    },
  };
  return Promise.resolve(home);
});

replicatedLogContract('single-member, on a real disk,', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'single-member-log-'));
  const settings = singleMemberLogSettings.parse({ wal: { fileBytes: '2MiB' } });
  const opened: ReplicatedLog[] = [];
  return {
    open: async () => {
      const deps = { disk: nodeDisk, clock: systemClock, logger: silentLogger };
      const place = { directory: join(directory, 'wal'), ...IDENTITY };
      const log = await openSingleMemberLog(deps, settings, place);
      opened.push(log);
      return log;
    },
    // A real kill -9 needs a process: test/e2e/log-crash.test.ts.
    kill: async () => opened.at(-1)?.stop(),
    maxCommandBytes: settings.maxCommandBytes,
    remove: async () => {
      for (const log of opened) await log.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
