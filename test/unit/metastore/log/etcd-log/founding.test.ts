// Which log a member may found, and which it may enter.
import { expect, test } from 'vitest';
import { etcdHome } from '../../../../../src/metastore/log/etcd-log/etcd-home.ts';
import { systemClock } from '../../../../../src/platform/clock.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { systemRandom } from '../../../../../src/platform/random.ts';
import type { LogHome } from '../../../../../src/metastore/log/log-home.ts';
import {
  isSnapshot,
  type LogIndex,
  type ReplicatedLog,
} from '../../../../../src/metastore/log/replicated-log.ts';
import { EtcdFake } from '../../../../support/etcd-fake.ts';
import {
  etcdSettings,
  MemorySnapshots,
  providerOf,
  textOf,
} from '../../../../support/etcd-log-world.ts';
import { MemoryDisk } from '../../../../support/memory-disk.ts';

const NEVER = new AbortController().signal;
const ID = 'm'.repeat(22);
const OTHER_ID = 'n'.repeat(22);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

class World {
  readonly snapshots = new MemorySnapshots();
  etcd = new EtcdFake();
  /** One directory for each name. */
  private readonly disks = new Map<string, MemoryDisk>();

  disk(member: string): MemoryDisk {
    const disk = this.disks.get(member) ?? new MemoryDisk();
    this.disks.set(member, disk);
    return disk;
  }

  open(member: string, applied: LogIndex = 0n, metastoreId = ID): Promise<ReplicatedLog> {
    return openedLog(this.home(member, metastoreId), applied, metastoreId);
  }

  private home(member: string, metastoreId: string): LogHome {
    const deps = {
      disk: this.disk(member).forProcess(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      snapshots: this.snapshots,
      connect: () => Promise.resolve(this.etcd.connect()),
    };
    return etcdHome(deps, etcdSettings({ keptEntries: 0 }), { metastoreId, memberId: member });
  }
}

async function openedLog(home: LogHome, index: LogIndex, metastoreId: string) {
  const place = { directory: '/member', metastoreId, applied: { index, term: 1n } };
  return (await home.open(place)).log;
}

test('a member finds its log again, and a second one enters it', async () => {
  const world = new World();
  const first = await world.open('first');
  expect(await first.propose(encode('x'), NEVER)).toBe(2n);
  await first.stop();
  const again = await world.open('first', 2n);
  const second = await world.open('second');
  expect(await second.propose(encode('y'), NEVER)).toBe(3n);
  await Promise.all([again.stop(), second.stop()]);
});

test('a member that was in the log founds no other one when it is gone', async () => {
  const world = new World();
  await (await world.open('first')).stop();
  world.etcd = new EtcdFake();
  const failure = { code: 'CORRUPT_STATE', message: /^etcd holds no log of this metastore/ };
  await expect(world.open('first')).rejects.toMatchObject({
    ...failure,
    message: expect.stringMatching(failure.message),
  });
  expect([...world.etcd.rows.keys()]).toEqual([]);
});

test('a member does not enter a log that was founded anew under the same id', async () => {
  const world = new World();
  await (await world.open('first')).stop();
  world.etcd = new EtcdFake();
  world.etcd.revision = 70n;
  const anew = await world.open('second');
  await anew.propose(encode('x'), NEVER);
  await expect(world.open('first', 1n)).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringMatching(/^etcd holds another log, founded as cafe-71; .* was in cafe-2/),
  });
  await anew.stop();
});

test('a member that has applied more than the log holds is told at once', async () => {
  const world = new World();
  await (await world.open('first')).stop();
  await expect(world.open('first', 9n)).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: expect.stringContaining('the log ends at entry 1, this member has applied 9'),
  });
});

test('a fresh member does not found a second metastore under one prefix', async () => {
  const world = new World();
  const first = await world.open('first');
  const before = [...world.etcd.rows.keys()];
  await expect(world.open('second', 0n, OTHER_ID)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: `etcd holds metastore ${ID} under /logtier, not ${OTHER_ID}`,
  });
  expect([...world.etcd.rows.keys()]).toEqual(before);
  await first.stop();
});

test('members of one metastore that begin at the same time enter one log', async () => {
  const world = new World();
  const { etcd } = world;
  const connect = etcd.connect.bind(etcd);
  const others: ReplicatedLog[] = [];
  etcd.connect = () => {
    etcd.connect = connect;
    const client = connect();
    const txn = client.txn.bind(client);
    client.txn = async (asked, signal) => {
      const seen = await txn(asked, signal);
      // Founded just after the second has seen that there is none.
      if (others.length === 0) others.push(await world.open('first'));
      return seen;
    };
    return client;
  };
  const second = await world.open('second');
  expect(await second.propose(encode('x'), NEVER)).toBe(2n);
  expect(await others[0]?.propose(encode('y'), NEVER)).toBe(3n);
  await Promise.all([second.stop(), others[0]?.stop()]);
});

test('a directory with a log of another home is refused, and etcd is not written', async () => {
  const world = new World();
  await expect(world.open('moved', 12n)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: 'this member holds entries up to 12 of a log that was not in etcd',
  });
  world.disk('raft').place('/member/log/directory-id', Buffer.from('x'));
  await expect(world.open('raft')).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: '/member/log holds a log that is not in etcd',
  });
  expect([...world.etcd.rows.keys()]).toEqual([]);
});

test('a damaged note of the log is no reason to found another', async () => {
  const world = new World();
  world.disk('first').place('/member/log/etcd-log', Buffer.from('??'));
  await expect(world.open('first')).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
});

test('a restored catalog founds a log behind it, and a fresh member waits for its snapshot', async () => {
  const world = new World();
  const restored = await world.open('restored', 1n);
  expect(restored.status()).toMatchObject({ committed: 1n, firstIndex: 2n, role: 'leader' });
  const fresh = await world.open('fresh');
  expect(fresh.status().role).toBe('follower');
  const seen: string[] = [];
  const following = (async () => {
    for await (const item of fresh.committed(0n)) {
      if (isSnapshot(item)) seen.push(`${item.index} ${await textOf(item.content(NEVER))}`);
      else seen.push(...item.map(({ index }) => String(index)));
      if (seen.at(-1) === '3') return;
    }
  })();
  expect(await restored.propose(encode('first of the new life'), NEVER)).toBe(2n);
  restored.serveSnapshotsOf(providerOf(() => ({ index: 2n, text: 'the backup' })));
  await restored.compact({ index: 2n, makeDurable: () => Promise.resolve() });
  expect(await restored.propose(encode('second'), NEVER)).toBe(3n);
  await following;
  expect(seen).toEqual(['2 the backup', '3']);
  await Promise.all([restored.stop(), fresh.stop()]);
});

test('a restored catalog does not enter a log that began without it', async () => {
  const world = new World();
  const empty = await world.open('empty');
  await expect(world.open('restored', 1n)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: 'etcd holds a log that began without this backup',
  });
  await empty.stop();
});

test('a restored member whose process ended as it founded the log enters it all the same', async () => {
  const world = new World();
  const first = await world.open('restored', 1n);
  await first.stop();
  world.disk('again').place('/member/metastore-id', Buffer.from(ID));
  const again = await world.open('again', 1n);
  expect(again.status().committed).toBe(1n);
  await again.stop();
});

test('the upkeep stays with members that hold the restored catalog until a snapshot is there', async () => {
  const world = new World();
  const restored = await world.open('restored', 1n);
  await restored.stop();
  const fresh = await world.open('fresh');
  expect(fresh.status()).toMatchObject({ role: 'follower', leader: undefined });
  const again = await world.open('restored', 1n);
  expect(again.status()).toMatchObject({ role: 'leader', leader: 'restored' });
  await Promise.all([fresh.stop(), again.stop()]);
});
