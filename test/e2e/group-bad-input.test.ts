// What an operator, a disk or a client can get wrong about a group: one clear error each, and nothing is damaged.
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CatalogState } from '../../src/gen/logtier/v1/catalog_command.ts';
import { stateKey } from '../../src/metastore/catalog/keys.ts';
import { decodeRow, encodeRow } from '../../src/metastore/catalog/row.ts';
import { openRocksdbEngine } from '../../src/metastore/engine/rocksdb-engine.ts';
import { type GroupPlace, raftHome } from '../../src/metastore/log/raft-log/raft-home.ts';
import { type Metastore, openMetastore } from '../../src/metastore/member/open-metastore.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import { catalogRpc } from '../../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type Disk, nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, type RpcServer, serve } from '../../src/rpc/serve.ts';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { CLUSTER } from '../support/metastore-catalog.ts';
import { claimRequest, NEVER, TestMetastoreClient } from '../support/metastore-world.ts';

const PATIENCE = { timeout: 60_000, interval: 10 };
const GROUP = 'the-group-under-test_a';
const settings = memberSettings.parse({ log: { wal: { fileBytes: '1MiB' }, tickMs: '30ms' } });

let scratch: string;
/** Warnings of all members: what they said, and of what. */
let said: string[];
const running = new Map<number, Metastore & { readonly server: RpcServer }>();

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'group-input-'));
  said = [];
});
afterEach(async () => {
  for (const id of running.keys()) await stop(id);
  await rm(scratch, { recursive: true });
});

const addressOf = (id: number): string => `unix:${scratch}/${id}.sock`;
const directoryOf = (id: number): string => join(scratch, `${id}`);

function placeOf(id: number): GroupPlace {
  const group = [1, 2, 3].map((each) => ({ id: each, address: addressOf(each) }));
  return { id: GROUP, nodeId: id, voters: group, address: addressOf(id) };
}

async function start(id: number, facts: Partial<GroupPlace> = {}, disk: Disk = nodeDisk) {
  const logger = {
    ...silentLogger,
    warn: ({ reason }: Readonly<Record<string, unknown>>, message: string) => {
      said.push(`${message}: ${String(reason)}`);
    },
  };
  const deps = { disk, clock: systemClock, random: systemRandom, logger };
  const opened = await openMetastore(deps, settings, {
    directory: directoryOf(id),
    logHome: raftHome(deps, settings.log, { ...placeOf(id), ...facts }),
  });
  const server = await serve(
    { clock: systemClock, log: silentLogger },
    { ...defaultServeSettings, address: addressOf(id) },
    [catalogRpc(catalogService(opened.member)), ...opened.peerServices],
  );
  running.set(id, { ...opened, server });
  return opened;
}

async function stop(id: number): Promise<void> {
  const one = running.get(id);
  running.delete(id);
  await one?.server.stop();
  await one?.stop();
}

/** Resolves when a command went through whoever leads; the token's index tells how far the log is. */
async function commit(): Promise<bigint> {
  const transport = grpcTransport(
    systemClock,
    [...running.keys()].map((id) => addressOf(id)),
  );
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'one' });
  try {
    const claim = await client.ledger.claim(claimRequest(), AbortSignal.timeout(60_000));
    return claim.token.index;
  } finally {
    await client.channel.stop();
    transport.stop();
  }
}

/** Digests of everything but the engine's own files, which opening it writes. */
async function kept(id: number): Promise<string[]> {
  const log = join(directoryOf(id), 'log');
  const names = (await readdir(log)).toSorted().map((name) => join(log, name));
  const paths = [join(directoryOf(id), 'metastore-id'), ...names];
  return await Promise.all(
    paths.map(async (path) => {
      const digest = createHash('sha256').update(await readFile(path));
      return `${path} ${digest.digest('hex')}`;
    }),
  );
}

/** As a Logtier so many versions younger would have written it. */
async function changeStateVersion(id: number, by: number): Promise<void> {
  const engine = await openRocksdbEngine(join(directoryOf(id), 'db'));
  const state = decodeRow(CatalogState, (await engine.get(stateKey()))!);
  const value = encodeRow(CatalogState, { ...state, stateVersion: state.stateVersion + by });
  await engine.batch([{ kind: 'put', key: stateKey(), value }]);
  await engine.flush();
  await engine.close();
}

async function began(...ids: number[]): Promise<bigint> {
  for (const id of ids) await start(id);
  return await commit();
}

/** It does not open, with this error; its files stay as they are, and with right settings it goes on. */
async function refused(id: number, attempt: () => Promise<unknown>, error: object): Promise<void> {
  await stop(id);
  const before = await kept(id);
  await expect(attempt()).rejects.toMatchObject(error);
  expect(await kept(id)).toEqual(before);
  const again = await start(id);
  const index = await commit();
  await again.member.applied(index, AbortSignal.timeout(60_000));
}

test('a directory of another metastore than the settings name is refused', async () => {
  await began(1, 2, 3);
  await refused(3, () => start(3, { id: 'another-metastore-s-id' }), {
    code: 'WRONG_CLUSTER',
    message: `${directoryOf(3)} belongs to metastore ${GROUP}`,
    hint: 'metastore.group.id or metastore.etcd.metastoreId names another one',
  });
});

test('the directory of another member is refused', async () => {
  await began(1, 2, 3);
  await refused(3, () => start(3, { nodeId: 2 }), { code: 'WRONG_CLUSTER' });
});

test('a directory that was copied from another member is refused by the group', async () => {
  await began(1, 2, 3);
  await stop(2);
  await stop(3);
  await rm(directoryOf(3), { recursive: true });
  await cp(directoryOf(2), directoryOf(3), { recursive: true });
  await expect(start(3)).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
  await start(2);
  expect(await commit()).toBeGreaterThan(0n);
});

test('a new group whose list names a member of another group waits, says why, and harms neither', async () => {
  const others = { id: 'the-other-group-s-id_a', voters: [{ id: 3, address: addressOf(3) }] };
  const other = await start(3, others);
  await other.member.barrier(NEVER);
  const { revision } = other.member;
  const one = await start(1);
  await start(2);
  const why = await vi.waitUntil(
    () => said.find((line) => line.includes('member 1') && line.includes('looks for member 3')),
    PATIENCE,
  );
  expect(why).toBe(
    `a new group waits for a member: LogtierError: member 1 of ${GROUP} looks for member 3, this is member 3 of ${others.id}`,
  );
  expect(one.logStatus()).toMatchObject({ committed: 0n, failure: undefined });
  expect(other.member.revision).toEqual(revision);
  // Once the right one listens there, the group begins.
  await stop(3);
  await rm(directoryOf(3), { recursive: true });
  await start(3);
  expect(await commit()).toBeGreaterThan(0n);
});

test('voters that do not agree on the list of voters wait, and say what the other one has', async () => {
  await start(1);
  await start(2, { voters: placeOf(2).voters.slice(0, 2) });
  const why = await vi.waitUntil(() => said.find((line) => line.includes('begins with')), PATIENCE);
  const two = `1 at ${addressOf(1)}, 2 at ${addressOf(2)}`;
  const three = `${two}, 3 at ${addressOf(3)}`;
  expect([
    `a new group waits for a member: LogtierError: member 2 begins with ${two}, not ${three}`,
    `a new group waits for a member: LogtierError: member 1 begins with ${three}, not ${two}`,
  ]).toContain(why);
});

test('a catalog of a newer Logtier is refused, and stays as it is', async () => {
  await began(1, 2, 3);
  await stop(3);
  await changeStateVersion(3, 1);
  await expect(start(3)).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    hint: 'run the newer Logtier again',
  });
  await changeStateVersion(3, -1);
  const again = await start(3);
  await again.member.applied(await commit(), AbortSignal.timeout(60_000));
});

test('a full disk at start is said so, and the member is whole when there is space again', async () => {
  await began(1, 2, 3);
  const full: Disk = {
    ...nodeDisk,
    open: async (path, mode) => ({
      ...(await nodeDisk.open(path, mode)),
      write: () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
    }),
  };
  await refused(3, () => start(3, {}, full), { code: 'DISK_FULL' });
});

test('a log without its directory id is refused', async () => {
  await began(1, 2, 3);
  const path = join(directoryOf(3), 'log', 'directory-id');
  const id = await readFile(path);
  await stop(3);
  await writeFile(path, 'no id at all\n');
  await expect(start(3)).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: `${join(directoryOf(3), 'log')}/directory-id holds no directory id`,
  });
  await writeFile(path, id);
  await start(3);
  await commit();
});

test('a member that was removed while it was away is told so, and stops', async () => {
  await began(1, 2, 3);
  const leads = await vi.waitUntil(() => {
    return [...running.values()].find(({ group }) => group()?.leaderId === group()?.nodeId);
  }, PATIENCE);
  const group = leads.group()!;
  const gone = [1, 2, 3].find((id) => id !== group.nodeId)!;
  await stop(gone);
  await group.changeGroup({ kind: 'remove', id: gone }, NEVER);
  const back = await start(gone);
  expect(await back.member.failed).toMatchObject({ code: 'MEMBER_REMOVED' });
  expect(back.logStatus().failure).toMatch(`member ${gone} was removed`);
  await stop(gone);
  expect(await commit()).toBeGreaterThan(0n);
});

test('commands of an expired session are refused by value, and nothing of them happens', async () => {
  const index = await began(1, 2, 3);
  const address = [...running.keys()].map((id) => addressOf(id));
  const transport = grpcTransport(systemClock, address);
  const late = {
    incarnation: 1,
    clientId: index + 1_000_000n,
    seq: 1n,
    nowMs: 0n,
    clusterId: CLUSTER,
    ops: [{ op: { $case: 'confirmClock' as const, value: { nowMs: 0n, confirmedBy: 'nobody' } } }],
    answeredBelow: 0n,
  };
  const { results } = await vi.waitUntil(
    () => transport.mutate({ clusterId: CLUSTER, commands: [late] }, NEVER).catch(() => undefined),
    PATIENCE,
  );
  expect(results.flatMap((each) => each.results.map(({ result }) => result))).toMatchObject([
    { $case: 'refused', value: { code: 'SESSION_EXPIRED' } },
  ]);
  transport.stop();
});
