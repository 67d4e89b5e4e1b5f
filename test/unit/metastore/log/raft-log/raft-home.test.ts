// Members with real directories that reach each other over gRPC on sockets.
import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { hasCode } from '../../../../../src/base/errors.ts';
import type { OpenedLog } from '../../../../../src/metastore/log/log-home.ts';
import type { GroupControl } from '../../../../../src/metastore/log/raft-log/group-control.ts';
import type { GroupChange } from '../../../../../src/metastore/log/raft-log/membership-change.ts';
import { raftHome } from '../../../../../src/metastore/log/raft-log/raft-home.ts';
import { isSnapshot } from '../../../../../src/metastore/log/replicated-log.ts';
import { raftLogSettings } from '../../../../../src/metastore/log/raft-log/settings.ts';
import { systemClock } from '../../../../../src/platform/clock.ts';
import { nodeDisk } from '../../../../../src/platform/disk.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { systemRandom } from '../../../../../src/platform/random.ts';
import { defaultServeSettings, type RpcServer, serve } from '../../../../../src/rpc/serve.ts';

const NEVER = new AbortController().signal;
const PATIENCE = { timeout: 60_000, interval: 10 };
const deps = {
  disk: nodeDisk,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  log: silentLogger,
};
const settings = raftLogSettings.parse({ wal: { fileBytes: '1MiB' }, tickMs: '30ms' });

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'raft-home-'));
});

interface Running extends OpenedLog {
  readonly server: RpcServer;
}
const running = new Map<number, Running>();
afterEach(async () => {
  for (const id of running.keys()) await stop(id);
  await rm(scratch, { recursive: true });
});

const addressOf = (id: number): string => `unix:${scratch}/${id}.sock`;

async function start(
  id: number,
  voterIds: readonly number[] = [1, 2, 3],
  applied = { index: 0n, term: 0n },
): Promise<Running> {
  const directory = join(scratch, `${id}`);
  await mkdir(directory, { recursive: true });
  const voters = voterIds.map((voter) => ({ id: voter, address: addressOf(voter) }));
  const address = addressOf(id);
  const home = raftHome(deps, settings, { id: 'the-group', nodeId: id, voters, address });
  const opened = await home.open({ directory, metastoreId: 'the-group', applied });
  const server = await serve(deps, { ...defaultServeSettings, address }, opened.services);
  const one = { ...opened, server };
  running.set(id, one);
  return one;
}

/** Member 1 of a metastore that knows of no group. */
async function startAlone(): Promise<OpenedLog> {
  const directory = join(scratch, '1');
  await mkdir(directory, { recursive: true });
  const applied = { index: 0n, term: 0n };
  return await raftHome(deps, settings).open({ directory, metastoreId: 'the-group', applied });
}

async function stop(id: number): Promise<void> {
  const one = running.get(id);
  running.delete(id);
  await one?.server.stop();
  await one?.log.stop();
}

async function wipe(id: number): Promise<void> {
  await stop(id);
  await rm(join(scratch, `${id}`), { recursive: true });
}

/** Resolves when somebody can commit. */
async function commit(command: string): Promise<void> {
  const bytes = new TextEncoder().encode(command);
  const attempt = async (): Promise<boolean> => {
    for (const { log } of running.values()) {
      const index = await log.propose(bytes, AbortSignal.timeout(2_000)).catch(() => undefined);
      if (index !== undefined) return true;
    }
    return false;
  };
  await vi.waitUntil(attempt, PATIENCE);
}

async function leader(): Promise<GroupControl> {
  return await vi.waitUntil(() => {
    const groups = [...running.values()].map(({ group }) => group());
    return groups.find((group) => group !== undefined && group.leaderId === group.nodeId);
  }, PATIENCE);
}

/** Waits for a new leader to apply what was before it, and for a learner to catch up. */
async function change(lead: GroupControl, what: GroupChange): Promise<void> {
  const attempt = async (): Promise<boolean> => {
    try {
      await lead.changeGroup(what, NEVER);
      return true;
    } catch (error) {
      if (hasCode(error, 'OVERLOADED', 'NOT_READY')) return false;
      throw error;
    }
  };
  await vi.waitUntil(attempt, PATIENCE);
}

test('a new group takes nothing before all its voters have met', async () => {
  const one = await start(1);
  await start(2);
  await expect(one.log.propose(new Uint8Array(1), NEVER)).rejects.toMatchObject({
    code: 'NOT_LEADER',
    message: 'member 1 does not lead: its new group waits for all its voters',
  });
  expect(one.log.status()).toMatchObject({ role: 'follower', leader: undefined, committed: 0n });
  expect(one.group()).toBeUndefined();
  await start(3);
  await commit('after the meeting');
  const { membership } = await leader();
  expect(membership.directories.size).toBe(3);
});

test('a voter that lost its directory is refused for good, whoever of the others is up', async () => {
  for (const id of [1, 2, 3]) await start(id);
  await commit('promised by a majority');
  await wipe(3);
  // Member 2 may be the one that has nothing yet of what was promised, not even a log.
  await stop(1);
  const wiped = await start(3);
  await vi.waitUntil(() => wiped.log.status().failure !== undefined, PATIENCE);
  expect(wiped.log.status().failure).toMatch('member 3 has lost its directory');
  await start(1);
  await commit('without the lost one');
});

test('a lost voter is replaced under a new number', async () => {
  for (const id of [1, 2, 3]) await start(id);
  await commit('before');
  await wipe(3);
  const lead = await leader();
  await change(lead, { kind: 'remove', id: 3 });
  await start(4, []);
  const directory = await lead.introduce({ id: 4, address: addressOf(4) }, NEVER);
  await change(lead, { kind: 'addLearner', id: 4, address: addressOf(4), directory });
  await change(lead, { kind: 'promote', id: 4 });
  expect(lead.membership.confState.voters).toEqual([1, 2, 4]);
  expect(lead.membership.directories.get(4)).toBe(directory);
  await commit('with the new one');
});

test('a member that is removed while it runs learns of it and stops', async () => {
  for (const id of [1, 2, 3]) await start(id);
  await commit('ready');
  const lead = await leader();
  const gone = [1, 2, 3].find((id) => id !== lead.nodeId)!;
  await change(lead, { kind: 'remove', id: gone });
  const { log } = running.get(gone)!;
  await vi.waitUntil(() => log.status().failure !== undefined, PATIENCE);
  expect(log.status().failure).toMatch(/removed/);
  await commit('without it');
});

test('a metastore that began alone gets its address with its settings, and takes in others', async () => {
  const alone = await startAlone();
  const index = await alone.log.propose(new TextEncoder().encode('alone'), NEVER);
  await alone.log.stop();
  await start(1, []);
  await start(2, []);
  const lead = await leader();
  await vi.waitUntil(() => lead.membership.addresses.get(1) === addressOf(1), PATIENCE);
  const two = { id: 2, address: addressOf(2) };
  const directory = await lead.introduce(two, NEVER);
  await change(lead, { kind: 'addLearner', ...two, directory });
  await change(lead, { kind: 'promote', id: 2 });
  await vi.waitUntil(() => running.get(2)!.log.status().committed > index, PATIENCE);
  for await (const item of running.get(2)!.log.committed(index - 1n)) {
    if (isSnapshot(item)) throw new Error('the log begins with its first entry');
    expect(new TextDecoder().decode(item[0]?.command)).toBe('alone');
    break;
  }
});

test('who asks for a member under a number or address of another is told so', async () => {
  for (const id of [1, 2, 3]) await start(id);
  await commit('ready');
  await start(4, []);
  const lead = await leader();
  const asked = lead.introduce({ id: 5, address: addressOf(4) }, NEVER);
  await expect(asked).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
  const nobody = lead.introduce({ id: 5, address: addressOf(5) }, NEVER);
  await expect(nobody).rejects.toMatchObject({ code: 'METASTORE_UNAVAILABLE' });
});

test('the leadership is handed over to the member asked for, and to any', async () => {
  for (const id of [1, 2, 3]) await start(id);
  await commit('ready');
  const first = await leader();
  const to = [1, 2, 3].find((id) => id !== first.nodeId)!;
  expect(await first.transferLeadership(to, NEVER)).toBe(to);
  const second = await leader();
  expect(second.nodeId).toBe(to);
  const third = await second.transferLeadership(undefined, NEVER);
  expect(third).not.toBe(to);
  await expect(second.transferLeadership(1, NEVER)).rejects.toMatchObject({ code: 'NOT_LEADER' });
  await commit('under the third leader');
});

test('a member that has begun does not start beside a directory id of another log', async () => {
  await start(1, [1]);
  await commit('alone');
  await stop(1);
  await rm(join(scratch, '1', 'log', 'directory-id'));
  await expect(start(1, [1])).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
});

test('a voter whose log is gone beside its catalog neither founds a group nor is told to', async () => {
  await expect(start(1, [1, 2, 3], { index: 500n, term: 3n })).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: 'the catalog is at entry 500, its log is gone',
  });
});

test('a restored catalog does not found a group of several', async () => {
  await expect(start(1, [1, 2, 3], { index: 1n, term: 1n })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: 'a restored metastore begins alone',
  });
});
