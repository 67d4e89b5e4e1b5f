// Metastore processes over a real etcd of three, from settings files; snapshots in a store that segments share.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openMetastoreAccess } from '../../src/app/metastore-access.ts';
import { SNAPSHOT_PREFIX } from '../../src/app/object-snapshots.ts';
import { openStores } from '../../src/app/open-stores.ts';
import { settingsSchema } from '../../src/app/settings.ts';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { CLUSTER } from '../support/metastore-catalog.ts';
import {
  claimRequest,
  intent,
  NEVER,
  segmentName,
  TestMetastoreClient,
} from '../support/metastore-world.ts';
import { listFiles } from '../support/remote-state.ts';
import { type RoleProcess, type Section, startMetastore } from '../support/sidecar-process.ts';
import { type EtcdTestbed, startEtcd } from '../support/testbeds/etcd.ts';

const ID = 'the-metastore-of-etcd-';
const PATIENCE = { timeout: 120_000, interval: 50 };

let home: string;
let store: string;
let etcd: EtcdTestbed;
const started: RoleProcess[] = [];

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-etcd-members-'));
  store = join(home, 'store');
  await fs.mkdir(store);
  etcd = await startEtcd({ members: 3 });
});

afterAll(async () => {
  await Promise.all(started.map((member) => member.stop()));
  await etcd.stop();
  await fs.rm(home, { recursive: true, force: true });
});

interface Wrong {
  readonly etcd?: Section;
  readonly stores?: Section;
}

function etcdSection(memberId: string): Section {
  return {
    endpoints: etcd.endpoints,
    metastoreId: ID,
    memberId,
    store: 'main',
    snapshotBytes: '4KiB',
    keptEntries: 0,
    leaseMs: '2s',
  };
}

/** A member that snapshots often, and keeps no entry below; its directory is as the last one of that name left it. */
async function start(name: string, wrong: Wrong = {}): Promise<RoleProcess> {
  const member = await startMetastore({
    directory: join(home, name),
    metastore: {
      member: { flushMs: '500ms' },
      etcd: { ...etcdSection(name), ...wrong.etcd },
    },
    settings: { stores: wrong.stores ?? { main: { kind: 'filesystem', directory: store } } },
  });
  started.push(member);
  return member;
}

async function said(member: RoleProcess): Promise<string> {
  return await fs.readFile(member.logFile, 'utf8');
}

async function snapshotParts(): Promise<string[]> {
  return (await listFiles(store)).filter((file) => file.startsWith(SNAPSHOT_PREFIX));
}

async function segmentsIn(member: RoleProcess): Promise<bigint> {
  const transport = grpcTransport(systemClock, [member.grpc]);
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'look' });
  try {
    const asked = () => client.queries.status(NEVER).catch(() => undefined);
    return (await vi.waitUntil(asked, PATIENCE)).segments;
  } finally {
    await client.channel.stop();
    transport.stop();
  }
}

/** Copies of segments, one after the other, as long as `work` takes; how many were acknowledged. */
async function underLoad(
  members: readonly RoleProcess[],
  work: (more: (count: number) => Promise<void>) => Promise<void>,
): Promise<number> {
  const transport = grpcTransport(
    systemClock,
    members.map(({ grpc }) => grpc),
  );
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'load' });
  const stop = new AbortController();
  let done = 0;
  try {
    const claim = await client.ledger.claim(claimRequest(), AbortSignal.timeout(PATIENCE.timeout));
    const write = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await client.ledger.startCopy(claim, intent(done), NEVER);
        await client.ledger.finishCopy(claim, segmentName(done), NEVER);
        done += 1;
      }
    };
    const writing = write();
    await work(async (count) => {
      const enough = done + count;
      await vi.waitUntil(() => done >= enough, PATIENCE);
    });
    stop.abort();
    await writing;
    return done;
  } finally {
    stop.abort();
    await client.channel.stop();
    transport.stop();
  }
}

let copied = 0;
let members: RoleProcess[] = [];

test('kill -9 of a member and of an etcd member loses nothing, and a fresh member starts from the snapshot', async () => {
  members = await Promise.all(['one', 'two'].map((name) => start(name)));
  const [one] = members;
  copied = await underLoad(members, async (more) => {
    await more(20);
    await one!.kill('SIGKILL');
    await more(20);
    await one!.restart();
    await etcd.kill(0, 'SIGKILL');
    await more(20);
    await etcd.restart(0);
    await vi.waitUntil(async () => (await snapshotParts()).length > 0, PATIENCE);
    members.push(await start('three'));
    await more(20);
  });
  expect(await said(members[2]!)).toContain('a snapshot was installed');
  const counts = await Promise.all(members.map(segmentsIn));
  expect(counts).toEqual(members.map(() => BigInt(copied)));
  // Of all the snapshots there were, the last two lie in the store, and one that is being written.
  const names = (await snapshotParts()).map((file) => file.split('/').slice(0, -1).join('/'));
  expect(new Set(names).size).toBeLessThanOrEqual(3);
});

test('what does not fit is told in one clear line, and nothing is damaged', async () => {
  const third = members[2]!;
  await third.stop();
  const otherId = 'another-metastore-id-0';
  const directory = join(home, 'three', 'state', 'metastore');
  const refused = (name: string, wrong: Wrong, line: RegExp): Promise<void> =>
    expect(start(name, wrong)).rejects.toThrow(line);
  await Promise.all([
    refused(
      'three',
      { etcd: { metastoreId: otherId } },
      new RegExp(`^error: ${directory} belongs to metastore ${ID}`, 'm'),
    ),
    refused(
      'fresh',
      { etcd: { metastoreId: otherId } },
      new RegExp(`^error: etcd holds metastore ${ID} under /logtier, not ${otherId}`, 'm'),
    ),
    refused(
      'misnamed',
      { etcd: { store: 'mian' } },
      /^error: .*logtier.yaml:\d+:\d+ {2}metastore\.etcd\.store: names no store; there are: main/m,
    ),
  ]);
  await refused(
    'three',
    { etcd: { prefix: '/moved' } },
    /^error: etcd holds no log of this metastore/m,
  );
  const nowhere = { main: { kind: 'filesystem', directory: join(home, 'not-mounted') } };
  const without = await start('three', { stores: nowhere });
  await vi.waitUntil(
    async () => (await said(without)).includes('no snapshot can be stored now'),
    PATIENCE,
  );
  expect(await segmentsIn(without)).toBe(BigInt(copied));
});

test('a member that a sidecar embeds is one of them', async () => {
  const settings = settingsSchema.parse({
    state: { dir: join(home, 'embedded') },
    stores: { main: { kind: 'filesystem', directory: store } },
    metastore: { etcd: etcdSection('embedded') },
  });
  const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom, logger: silentLogger };
  const stores = openStores({ ...deps, registry: createMetrics() }, settings);
  const identity = { clusterId: CLUSTER, brokerId: 1, instance: 'embedded' };
  const access = await openMetastoreAccess({ ...deps, stores: stores.byName }, settings, identity);
  try {
    expect(access.embedded?.logStatus().failure).toBe(undefined);
    expect((await access.queries.status(NEVER)).segments).toBe(BigInt(copied));
  } finally {
    await access.stop();
    stores.stop();
  }
});
