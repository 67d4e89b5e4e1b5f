import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import type { ReplicatedLog } from '../../src/metastore/log/replicated-log.ts';
import { openRaftLog } from '../../src/metastore/log/raft-log/open-raft-log.ts';
import { raftLogSettings } from '../../src/metastore/log/raft-log/settings.ts';
import { noPeers } from '../../src/metastore/log/raft-log/transport.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { nextTurn } from '../../src/platform/turn.ts';
import { MemoryLogStore } from '../support/memory-log.ts';
import { RaftGroup } from '../support/raft-group.ts';
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

replicatedLogContract('Raft, a group of one on a disk that loses power,', () => {
  const group = new RaftGroup(1);
  const home: LogHome = {
    open: () => group.open(1),
    kill: () => group.crash(1),
    maxCommandBytes: group.settings.maxCommandBytes,
    remove: () => group.stopAll(),
  };
  return Promise.resolve(home);
});

replicatedLogContract('Raft, a group of three,', () => {
  const group = new RaftGroup(3);
  let leader: number | undefined;
  const home: LogHome = {
    open: async () => {
      // A log that the test stopped is opened again, as its process would be.
      if (leader !== undefined) await group.stop(leader);
      await group.openAll();
      const log = await group.lead();
      leader = group.leader()!.id;
      return log;
    },
    kill: () => group.crash(leader!),
    maxCommandBytes: group.settings.maxCommandBytes,
    remove: () => group.stopAll(),
  };
  return Promise.resolve(home);
});

replicatedLogContract('Raft, a group of one on a real disk,', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-log-'));
  const settings = raftLogSettings.parse({ wal: { fileBytes: '2MiB' } });
  const opened: ReplicatedLog[] = [];
  return {
    open: async () => {
      const deps = {
        disk: nodeDisk,
        clock: systemClock,
        logger: silentLogger,
        random: systemRandom,
        nextTurn,
        transport: noPeers,
      };
      const log = await openRaftLog(deps, settings, {
        directory: join(directory, 'wal'),
        clusterId: 'alone',
        nodeId: 1n,
        voters: [{ id: 1, address: '' }],
        applied: { index: 0n, term: 0n },
      });
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
