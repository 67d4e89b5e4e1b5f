// What does copying a closed segment cost? The real copy path against the plainest copy of the same bytes to the
// same place, in the same run. BENCH_MIB: size of one segment, 256 by default. BENCH_STORE: only this store.
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printLeaderEpochCheckpoint } from '../src/kafka/leader-epoch-checkpoint.ts';
import { printPartitionMetadata } from '../src/kafka/partition-metadata.ts';
import { segmentFileName } from '../src/kafka/segment-files.ts';
import { systemClock } from '../src/platform/clock.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { createMetrics } from '../src/platform/metrics.ts';
import { systemRandom } from '../src/platform/random.ts';
import { topicId } from '../src/segment/ids.ts';
import { FilesystemStore } from '../src/store/filesystem/filesystem-store.ts';
import type { ObjectStore } from '../src/store/object-store.ts';
import { S3Store } from '../src/store/s3/s3-store.ts';
import { s3StoreSettings } from '../src/store/s3/settings.ts';
import { copySegment, newTarget } from '../src/uploader/copy-segment.ts';
import { uploaderMetrics } from '../src/uploader/metrics.ts';
import { uploaderSettings } from '../src/uploader/settings.ts';
import { hdfsStoreOn } from '../test/support/hdfs-store-on.ts';
import { MemoryCatalog, MemoryLedger } from '../test/support/memory-ledger.ts';
import { startHdfs } from '../test/support/testbeds/hdfs.ts';
import { startS3 } from '../test/support/testbeds/s3.ts';
import { benchLine, type BenchLine } from './support/bench-line.ts';
import { writeBenchSegment, type BenchSegment } from './support/kafka-segment.ts';
import { copyFilePlainly, createHdfsBarely, putS3Barely } from './support/plain-copy.ts';
import {
  cpuSecondsPerGib,
  mibPerSecond,
  NO_USAGE,
  sumOf,
  usageOf,
  type Usage,
} from './support/usage.ts';

/** One to warm up, then two turns of those at once. */
const COPIES_IN_FLIGHT = uploaderSettings.parse({}).copiesInFlight;
const SEGMENTS = 1 + 2 * COPIES_IN_FLIGHT;
const EPOCH = 1;
const ID = { topicId: topicId('zNXW4P_MSfSWcZnwHAkGbA'), partition: 0 };
const SETTINGS = {
  clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
  brokerId: 1,
  store: 'main',
  lateWindowMs: 3_600_000,
};

/** One store with both ways into it. */
interface Contest {
  readonly name: string;
  readonly store: ObjectStore;
  plainly(from: string, name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function* run(): AsyncGenerator<BenchLine> {
  const segmentBytes = Number(process.env['BENCH_MIB'] ?? 256) * 2 ** 20;
  const scratch = await fs.mkdtemp(join(tmpdir(), 'logtier-bench-'));
  try {
    const directory = join(scratch, 'orders-0');
    const segments = await writePartition(directory, segmentBytes);
    for (const start of wantedStores()) {
      const contest = await start(scratch);
      try {
        yield* compare(contest, directory, segments);
      } finally {
        await contest.stop();
      }
    }
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

function wantedStores(): readonly ((scratch: string) => Promise<Contest>)[] {
  const all = { filesystem, s3, hdfs };
  const only = process.env['BENCH_STORE'];
  const wanted = Object.entries(all).filter(([name]) => only === undefined || name === only);
  if (wanted.length === 0) throw new Error(`BENCH_STORE is one of ${Object.keys(all).join(', ')}`);
  return wanted.map(([, start]) => start);
}

async function writePartition(directory: string, logBytes: number): Promise<BenchSegment[]> {
  await fs.mkdir(directory, { recursive: true });
  const lineage = printLeaderEpochCheckpoint([{ epoch: EPOCH, startOffset: 0n }]);
  await fs.writeFile(join(directory, 'leader-epoch-checkpoint'), lineage);
  const metadata = printPartitionMetadata(ID.topicId);
  await fs.writeFile(join(directory, 'partition.metadata'), metadata);
  const segments: BenchSegment[] = [];
  for (let count = 0; count < SEGMENTS; count += 1) {
    const startOffset = segments.at(-1)?.nextOffset ?? 0n;
    segments.push(
      await writeBenchSegment(directory, { startOffset, logBytes, leaderEpoch: EPOCH }),
    );
  }
  const active = segmentFileName(segments.at(-1)?.nextOffset ?? 0n, 'log');
  await fs.writeFile(join(directory, active), '');
  return segments;
}

/** The first segment warms both ways up and is not counted. */
async function* compare(
  contest: Contest,
  directory: string,
  segments: readonly BenchSegment[],
): AsyncGenerator<BenchLine> {
  const copy = await copier(contest.store, directory, segments);
  const plainly = ({ logPath }: BenchSegment): Promise<void> =>
    contest.plainly(logPath, randomUUID());
  const [warmUp, ...measured] = segments;
  if (warmUp === undefined) throw new Error('no segment');
  await plainly(warmUp);
  await copy(warmUp);
  const bytes = measured.reduce((sum, { logBytes }) => sum + logBytes, 0);
  for (const atOnce of [1, COPIES_IN_FLIGHT]) {
    const { ours, plain } = await inTurns({ copy, plainly }, measured, atOnce);
    const name = `${contest.name}, ${atOnce} at once`;
    const rate = { case: `${name}: rate`, value: mibPerSecond(bytes, ours), unit: 'MiB/s' };
    yield benchLine('upload', rate, mibPerSecond(bytes, plain));
    const cpu = { case: `${name}: CPU`, value: cpuSecondsPerGib(bytes, ours), unit: 's/GiB' };
    yield benchLine('upload', cpu, cpuSecondsPerGib(bytes, plain));
  }
}

type Way = (segment: BenchSegment) => Promise<void>;

/**
 * Both ways take turns, each first in every other turn: what the page cache and the disk still have to do for one
 * must not be charged to the other.
 */
async function inTurns(
  { copy, plainly }: { readonly copy: Way; readonly plainly: Way },
  segments: readonly BenchSegment[],
  atOnce: number,
): Promise<{ readonly ours: Usage; readonly plain: Usage }> {
  let [plain, ours] = [NO_USAGE, NO_USAGE];
  for (let start = 0; start < segments.length; start += atOnce) {
    const turn = segments.slice(start, start + atOnce);
    const usage = (way: Way): Promise<Usage> => usageOf(() => Promise.all(turn.map(way)));
    const plainFirst = (start / atOnce) % 2 === 0;
    if (plainFirst) plain = sumOf(plain, await usage(plainly));
    ours = sumOf(ours, await usage(copy));
    if (!plainFirst) plain = sumOf(plain, await usage(plainly));
  }
  return { ours, plain };
}

/** The real flow; only the catalog is in memory and the broker answers at once. */
async function copier(
  store: ObjectStore,
  directory: string,
  segments: readonly BenchSegment[],
): Promise<(segment: BenchSegment) => Promise<void>> {
  const catalog = new MemoryCatalog(() => systemClock.wallMs());
  const ledger = new MemoryLedger(catalog, SETTINGS.brokerId);
  const lineage = [{ epoch: EPOCH, startOffset: 0n }];
  const starts = { brokerLocalStart: 0n, initialRemoteStart: 0n };
  const request = { id: ID, topic: 'orders', leaderEpoch: EPOCH, lineage, ...starts };
  const claim = await ledger.claim(request);
  const logEnd = segments.at(-1)?.nextOffset ?? 0n;
  const deps = {
    disk: nodeDisk,
    store,
    ledger,
    clock: systemClock,
    metrics: createMetrics().live(uploaderMetrics),
    progress: { step: () => undefined, sent: () => undefined },
    leader: { lastStableOffset: () => Promise.resolve(logEnd) },
  };
  const never = new AbortController().signal;
  return async ({ startOffset, nextOffset }) => {
    const place = { directory, topicId: ID.topicId, startOffset, nextOffset };
    const random = { clock: systemClock, random: systemRandom };
    const target = newTarget(random, SETTINGS, claim, startOffset);
    const job = { claim, place, brokerLocalStart: 0n, mayRebuild: false, ...target };
    const outcome = await copySegment(deps, SETTINGS, job, never);
    if (outcome.kind !== 'copied') throw new Error(`the copy ended as ${outcome.kind}`);
  };
}

async function filesystem(scratch: string): Promise<Contest> {
  const directory = join(scratch, 'store');
  const plain = join(scratch, 'plain');
  await fs.mkdir(directory);
  await fs.mkdir(plain);
  const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom };
  return {
    name: 'filesystem',
    store: new FilesystemStore(deps, { directory }),
    plainly: (from, name) => copyFilePlainly(from, join(plain, name)),
    stop: async () => {
      await fs.rm(directory, { recursive: true });
      await fs.rm(plain, { recursive: true });
    },
  };
}

async function s3(scratch: string): Promise<Contest> {
  const bed = await startS3();
  const secretAccessKeyFile = join(scratch, 's3-secret');
  await fs.writeFile(secretAccessKeyFile, bed.secretAccessKey);
  const settings = s3StoreSettings.parse({
    kind: 's3',
    bucket: bed.bucket,
    endpoint: bed.endpoint,
    region: bed.region,
    forcePathStyle: true,
    credentials: { accessKeyId: bed.accessKeyId, secretAccessKeyFile },
  });
  const store = new S3Store({ clock: systemClock, disk: nodeDisk, random: systemRandom }, settings);
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = bed;
  const bare = { endpoint, bucket, region, credentials: { accessKeyId, secretAccessKey } };
  return {
    name: 's3',
    store,
    plainly: (from, name) => putS3Barely(bare, from, `plain/${name}`),
    stop: async () => {
      store.stop();
      await bed.stop();
    },
  };
}

/** One DataNode: one replica. */
async function hdfs(): Promise<Contest> {
  const bed = await startHdfs();
  const settings = { user: bed.user, replication: 1, minReplicas: 1 };
  return {
    name: 'hdfs',
    store: hdfsStoreOn(bed.nameNodeUrl, settings),
    plainly: (from, name) =>
      createHdfsBarely({ nameNodeUrl: bed.nameNodeUrl, user: bed.user }, from, `/plain/${name}`),
    stop: () => bed.stop(),
  };
}
