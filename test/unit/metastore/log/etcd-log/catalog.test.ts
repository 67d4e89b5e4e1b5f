// The same catalog over etcd: whole members, one of them fresh behind a compaction.
import { expect, test } from 'vitest';
import {
  type CatalogMember,
  openMember,
} from '../../../../../src/metastore/member/catalog-member.ts';
import {
  type EngineHome,
  openEngineHome,
} from '../../../../../src/metastore/member/engine-home.ts';
import { raiseIncarnation } from '../../../../../src/metastore/member/restore.ts';
import { readState } from '../../../../../src/metastore/catalog/state.ts';
import { memberSettings } from '../../../../../src/metastore/member/settings.ts';
import type { ReplicatedLog } from '../../../../../src/metastore/log/replicated-log.ts';
import { systemClock } from '../../../../../src/platform/clock.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { MemoryEngines } from '../../../../support/engine-homes.ts';
import { EtcdFake } from '../../../../support/etcd-fake.ts';
import {
  etcdSettings,
  MemorySnapshots,
  openMemberLog,
} from '../../../../support/etcd-log-world.ts';
import { MemoryDisk } from '../../../../support/memory-disk.ts';
import { CLUSTER, METASTORE } from '../../../../support/metastore-catalog.ts';

const NEVER = new AbortController().signal;
const AT = '/member';

interface Opened {
  readonly member: CatalogMember;
  readonly log: ReplicatedLog;
  readonly home: EngineHome;
}

async function openHome(): Promise<EngineHome> {
  const disk = new MemoryDisk();
  disk.place(`${AT}/metastore-id`, Buffer.from(METASTORE));
  const openEngine = new MemoryEngines().openerOn(disk.forProcess());
  const deps = { disk: disk.forProcess(), logger: silentLogger, openEngine };
  return await openEngineHome(deps, AT);
}

async function open(
  etcd: EtcdFake,
  snapshots: MemorySnapshots,
  memberId: string,
  { metastoreId = METASTORE, snapshotBytes = '1B', home: given = openHome() } = {},
): Promise<Opened> {
  const settings = etcdSettings({ snapshotBytes, keptEntries: 0 });
  const home = await given;
  const { appliedIndex: applied } = await readState(home.engine, metastoreId);
  const client = etcd.connect();
  const place = { client, settings, snapshots, memberId, applied, groupId: metastoreId };
  const log = await openMemberLog(place);
  const memberDeps = { home, log, clock: systemClock, logger: silentLogger };
  const member = await openMember(memberDeps, memberSettings.parse({}), metastoreId);
  return { member, log, home };
}

async function register(member: CatalogMember, instance: string): Promise<void> {
  const command = {
    incarnation: 0,
    clientId: 0n,
    seq: 0n,
    nowMs: 0n,
    clusterId: CLUSTER,
    ops: [{ op: { $case: 'registerClient', value: { brokerId: 1, instance } } as const }],
    answeredBelow: 0n,
  };
  await member.propose(command, NEVER);
}

test('members that all propose hold one catalog, and so does one that starts from the snapshot', async () => {
  const etcd = new EtcdFake();
  const snapshots = new MemorySnapshots();
  const first = await open(etcd, snapshots, 'first');
  const second = await open(etcd, snapshots, 'second');
  for (let at = 0; at < 10; at += 1) {
    await Promise.all([first, second].map(({ member }, by) => register(member, `${by}-${at}`)));
  }
  await Promise.all([first.member.barrier(NEVER), second.member.barrier(NEVER)]);
  expect(first.member.state).toEqual(second.member.state);
  const index = first.member.state.appliedIndex;
  await first.log.compact({ index, makeDurable: () => first.member.engine.flush() });
  await expect.poll(() => first.log.status().firstIndex, { timeout: 30_000 }).toBe(index + 1n);
  await register(second.member, 'after the snapshot');

  const fresh = await open(etcd, snapshots, 'fresh');
  await fresh.member.barrier(NEVER);
  await first.member.barrier(NEVER);
  expect(fresh.member.state).toEqual(first.member.state);
  await register(fresh.member, 'by the fresh one');
  await Promise.all([first, fresh].map(({ member }) => member.barrier(NEVER)));
  expect(fresh.member.state).toEqual(first.member.state);
  for (const { member } of [first, second, fresh]) await member.stop();
});

test('a restored catalog goes on over a new log, and a fresh member gets all of it', async () => {
  const snapshots = new MemorySnapshots();
  const before = await open(new EtcdFake(), snapshots, 'before');
  await register(before.member, 'of the old life');
  await before.member.stop();
  const metastoreId = 'n'.repeat(22);
  const etcd = new EtcdFake();
  await raiseIncarnation(before.home.engine, METASTORE, metastoreId);
  const over = { metastoreId, snapshotBytes: '256MiB' };
  const home = Promise.resolve(before.home);
  const restored = await open(etcd, snapshots, 'restored', { ...over, home });
  const fresh = await open(etcd, snapshots, 'fresh', over);
  await register(restored.member, 'of the new life');
  expect(restored.member.state).toMatchObject({ incarnation: 2, appliedIndex: 2n });
  await restored.log.compact({ index: 2n, makeDurable: () => restored.member.engine.flush() });
  await fresh.member.barrier(NEVER);
  expect(fresh.member.state).toEqual(restored.member.state);
  await register(fresh.member, 'by the fresh one');
  await restored.member.barrier(NEVER);
  expect(restored.member.state).toEqual(fresh.member.state);
  for (const { member } of [restored, fresh]) await member.stop();
});
