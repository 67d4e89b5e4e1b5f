import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { openRaftLog } from '../../src/metastore/log/raft-log/open-raft-log.ts';
import { raftLogSettings } from '../../src/metastore/log/raft-log/settings.ts';
import { noPeers } from '../../src/metastore/log/raft-log/transport.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { nextTurn } from '../../src/platform/turn.ts';
import { committedEntries } from '../support/committed-entries.ts';

const CHILD = join(import.meta.dirname, 'log-crash.child.ts');
const KILLS = 6;

/** Lets a child write until it acknowledged `count` commands, then kill -9; index → command of all it acknowledged. */
async function writeUntilKilled(directory: string, count: number): Promise<Map<bigint, string>> {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const acknowledged = new Map<bigint, string>();
  for await (const line of createInterface({ input: child.stdout })) {
    const space = line.indexOf(' ');
    acknowledged.set(BigInt(line.slice(0, space)), line.slice(space + 1));
    if (acknowledged.size === count) child.kill('SIGKILL');
  }
  await exited;
  expect(child.signalCode).toBe('SIGKILL');
  return acknowledged;
}

/** Every entry that the log still holds. */
async function readLog(directory: string): Promise<{ first: bigint; texts: Map<bigint, string> }> {
  const deps = {
    disk: nodeDisk,
    clock: systemClock,
    logger: silentLogger,
    random: systemRandom,
    nextTurn,
    transport: noPeers,
  };
  const settings = raftLogSettings.parse({ wal: { fileBytes: '2MiB' } });
  const place = {
    directory,
    clusterId: 'crash',
    nodeId: 1n,
    voters: [{ id: 1, address: '' }],
    applied: { index: 0n, term: 0n },
  };
  const log = await openRaftLog(deps, settings, place);
  const { firstIndex, committed } = log.status();
  const texts = new Map<bigint, string>();
  for await (const entries of committedEntries(log, firstIndex - 1n)) {
    for (const { index, command } of entries) {
      texts.set(index, Buffer.from(command).toString().trimEnd());
    }
    if (texts.has(committed)) break;
  }
  await log.stop();
  return { first: firstIndex, texts };
}

test('killed at any moment, the log keeps every acknowledged command under its index', async () => {
  const scratch = await mkdtemp(join(tmpdir(), 'log-crash-'));
  const directory = join(scratch, 'wal');
  try {
    const acknowledged = new Map<bigint, string>();
    for (let kill = 0; kill < KILLS; kill += 1) {
      const said = await writeUntilKilled(directory, 300 + kill * 1711);
      for (const [index, text] of said) acknowledged.set(index, text);
      const { first, texts } = await readLog(directory);
      const held = [...acknowledged].filter(([index]) => index >= first);
      expect(held.length).toBeGreaterThan(200);
      expect(held.filter(([index, text]) => texts.get(index) !== text)).toEqual([]);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
});
