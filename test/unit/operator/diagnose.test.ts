import { beforeEach, expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import type { TopicConfig } from '../../../src/broker/topic-config.ts';
import { diagnose, type DiagnoseDeps } from '../../../src/operator/diagnose.ts';
import type { Disk } from '../../../src/platform/disk.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import type { ObjectStore } from '../../../src/store/object-store.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import {
  FakeCatalog,
  FakeUploader,
  localPartition,
  queuedSegment,
} from '../../support/operator-world.ts';
import { SkippingClock } from '../../support/skipping-clock.ts';

const never = new AbortController().signal;
const NOW_MS = 1_000_000;
const settings = {
  logDirs: ['/kafka'],
  stateDir: '/state',
  checkMs: 1_000,
  headroomAlarmMs: 60_000,
  freshMs: 10_000,
};
const config: TopicConfig = {
  cleanupPolicy: 'delete',
  retentionMs: 1,
  retentionBytes: -1,
  segmentBytes: 1,
  segmentMs: 1,
  remoteStorageEnabled: false,
};

let uploader: FakeUploader;
let catalog: FakeCatalog;
let store: MemoryStore;
let disk: Disk;

beforeEach(async () => {
  uploader = new FakeUploader();
  uploader.all = [localPartition({ segments: [queuedSegment(0n, 10n)] })];
  catalog = new FakeCatalog();
  catalog.state = { ...catalog.state, memberClockMs: NOW_MS };
  store = new MemoryStore({ wallMs: () => NOW_MS });
  disk = await hostDisk('8192\n');
});

async function hostDisk(watches: string): Promise<Disk> {
  const made = new MemoryDisk();
  for (const path of ['/kafka', '/kafka/orders-0', '/state', '/proc/sys/fs/inotify'])
    await made.makeDirectory(path);
  const file = await made.open('/proc/sys/fs/inotify/max_user_watches', 'create');
  await file.write(Buffer.from(watches), 0);
  await file.close();
  return made;
}

function depsWith(more: Partial<DiagnoseDeps> = {}): DiagnoseDeps {
  return {
    uploader,
    catalog,
    clock: new SkippingClock(NOW_MS),
    disk,
    diskSpace: () => Promise.resolve({ freeBytes: 2 ** 40, sizeBytes: 2 ** 41 }),
    random: systemRandom,
    stores: new Map<string, ObjectStore>([['main', store]]),
    cache: () => ({ isOn: true, words: '2 GiB' }),
    broker: {
      brokerId: 1,
      metadata: (topics) =>
        Promise.resolve({
          clusterId: 'c',
          brokers: [{ id: 1, host: 'h', port: 1 }],
          topics: topics.map((name) => ({ name, topicId: 't', internal: false, partitions: [] })),
        }),
      topicConfigs: (topics) => Promise.resolve(new Map(topics.map((name) => [name, config]))),
    },
    ...more,
  };
}

async function outcomes(more: Partial<DiagnoseDeps> = {}): Promise<Record<string, string[]>> {
  const { checks } = await diagnose(depsWith(more), settings, never);
  const bad = checks.filter(({ outcome }) => outcome !== 'ok');
  expect(bad.every(({ hint }) => hint !== '')).toBe(true);
  return Object.fromEntries(bad.map(({ check, outcome, text }) => [check, [outcome, text]]));
}

test('with everything in order each check says what it saw', async () => {
  const { checks } = await diagnose(depsWith(), settings, never);
  expect(checks.map(({ check, outcome, text }) => `${outcome} ${check}: ${text}`)).toEqual([
    'ok broker: broker 1 of cluster c answers',
    'ok broker-metadata: the broker lists all 1 topics',
    'ok broker-topic-configs: the settings of 1 topics are told, none in conflict',
    'ok log-dirs: /kafka can be read: 1 directories',
    'ok file-watches: 2 file watches needed, 8192 allowed to a user',
    'ok state-dir: /state can be written; 1.0 TiB of 2.0 TiB free',
    'ok cache: the disk cache is on: 2 GiB',
    'ok metastore: it has a leader; 3 segments, 1 objects to erase',
    'ok clock-metastore: it is 0ms ahead of this host',
    'ok clock-store-main: it is 0ms ahead of this host',
    'ok store-main: put, get and delete of a small object work',
    'ok store-main-probe: memory: nothing to find out',
    'ok topics: 1 of 1 local topics match an entry of topics',
    'ok headroom: 1000 B are not remote yet, none close to local retention',
    'ok findings: no findings',
  ]);
  expect(store.objects.size).toBe(0);
  expect(await disk.list('/state')).toEqual([]);
});

test('a silent broker, a silent metastore and a store that refuses fail, and hide no other check', async () => {
  catalog.silent = new LogtierError('METASTORE_UNAVAILABLE', 'no member answers');
  const gone = new LogtierError('BROKER_UNAVAILABLE', 'connection refused');
  const denied = new LogtierError('STORE_DENIED', 'access denied', { hint: 'mend the policy' });
  store.put = () => Promise.reject(denied);
  const told = await outcomes({
    broker: {
      brokerId: 1,
      metadata: () => Promise.reject(gone),
      topicConfigs: () => Promise.reject(gone),
    },
  });
  expect(told).toEqual({
    broker: ['fail', 'the broker does not answer: connection refused'],
    'broker-metadata': ['fail', 'the broker lists no topics: connection refused'],
    'broker-topic-configs': ['fail', 'the broker does not tell topic settings: connection refused'],
    metastore: ['fail', 'it does not answer, or has no leader: no member answers'],
    'clock-metastore': ['fail', 'its clock could not be read: no member answers'],
    'store-main': ['fail', 'a small object could not be put, read and deleted: access denied'],
  });
});

test('another broker of the cluster, missing ACLs and settings that fight each other are named', async () => {
  uploader.all = ['a', 'b', 'c'].map((topic) => localPartition({ topic }));
  const configs = new Map([
    ['a', { ...config, remoteStorageEnabled: true }],
    ['b', { ...config, cleanupPolicy: 'compact' }],
  ]);
  const broker: DiagnoseDeps['broker'] = {
    brokerId: 7,
    metadata: () => Promise.resolve({ clusterId: 'c', brokers: [], topics: [] }),
    topicConfigs: () => Promise.resolve(configs),
  };
  const { checks } = await diagnose(depsWith({ broker }), settings, never);
  const bad = checks.filter(({ outcome }) => outcome !== 'ok');
  expect(bad.map(({ outcome, text }) => `${outcome}: ${text}`)).toEqual([
    'fail: cluster c has no broker 7',
    'fail: the broker does not tell the settings of c',
    'warn: the broker does not list a, b, c, which lie on its disk',
    'warn: remote.storage.enable is on for a: the broker tiers them itself',
    'warn: b are compacted and are left alone',
  ]);
});

test('clocks more than five minutes apart fail: retention would stand still', async () => {
  store = new MemoryStore({ wallMs: () => NOW_MS - 301_000 });
  catalog.state = { ...catalog.state, memberClockMs: NOW_MS + 299_000 };
  expect(await outcomes()).toEqual({
    'clock-store-main': ['fail', 'it is 5m 1s behind this host'],
  });
});

test('a held clock, an orphan lock and an old view are told apart from a metastore that is down', async () => {
  catalog.state = { ...catalog.state, clockHeld: true, orphanLock: true };
  catalog.viewSilentMs = 11_000;
  const { checks } = await diagnose(depsWith(), settings, never);
  const bad = checks.filter(({ outcome }) => outcome !== 'ok');
  expect(bad.map(({ outcome, text }) => `${outcome}: ${text}`)).toEqual([
    'fail: its clock is held after a jump: nothing comes due',
    'fail: the local view is 11s old: reads answer NOT_READY',
    'warn: orphan erasing is locked since a restore',
  ]);
});

test('a host with too few watches, a full disk, no cache and no readable log directory', async () => {
  const few = await hostDisk('2');
  few.list = () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }));
  expect(
    await outcomes({
      disk: few,
      diskSpace: () => Promise.resolve({ freeBytes: 2 ** 20, sizeBytes: 2 ** 40 }),
      cache: () => ({ isOn: false, words: 'fdatasync failed' }),
    }),
  ).toEqual({
    'log-dirs': ['fail', '/kafka cannot be read: EACCES'],
    'file-watches': ['fail', 'the limit of file watches is not known: EACCES'],
    'state-dir': ['warn', '/state can be written; 1.0 MiB of 1.0 TiB free'],
    cache: ['warn', 'the disk cache is off: fdatasync failed'],
  });
  disk = await hostDisk('2');
  expect(await outcomes()).toEqual({
    'file-watches': ['warn', '2 file watches needed, 2 allowed to a user'],
  });
});

test('untiered records that local retention will soon delete fail, and findings warn', async () => {
  uploader.all = [
    localPartition({
      segments: [queuedSegment(0n, 10n, NOW_MS + 30_000)],
      findings: [{ code: 'ORPHAN', text: 'one', sinceMs: 1 }],
    }),
  ];
  uploader.own = [{ code: 'WATCH_LIMIT', text: 'no more watches', sinceMs: 1 }];
  expect(await outcomes()).toEqual({
    headroom: ['fail', 'local retention may delete untiered records of orders-0, the first in 30s'],
    findings: ['warn', '2 findings: ORPHAN, WATCH_LIMIT; no more watches'],
  });
});

test('a store that gives other bytes than were put is not to be used', async () => {
  store.get = async function* () {
    await Promise.resolve();
    yield Buffer.alloc(1024);
  };
  expect(await outcomes()).toEqual({
    'store-main': ['fail', 'other bytes came back than were put'],
  });
});

test('no store and no topic that matches are said plainly', async () => {
  uploader.all = [localPartition({ rule: undefined })];
  expect(await outcomes({ stores: new Map() })).toEqual({
    stores: ['fail', 'no store is configured'],
    topics: ['warn', '0 of 1 local topics match an entry of topics'],
  });
});
