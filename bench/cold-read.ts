// What does a read of history cost that no cache holds? The whole service, store to socket, with an empty cache for
// each run, against the plainest stream of the same object out of the same store (HTTP client or file, no gRPC), and
// against a bare grpc-js stream of as many bytes. BENCH_MIB: size of the segment, 256 by default.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/platform/clock.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { systemRandom } from '../src/platform/random.ts';
import { FilesystemStore } from '../src/store/filesystem/filesystem-store.ts';
import type { ObjectStore } from '../src/store/object-store.ts';
import { S3Store } from '../src/store/s3/s3-store.ts';
import { s3StoreSettings } from '../src/store/s3/settings.ts';
import { startS3 } from '../test/support/testbeds/s3.ts';
import { benchLine, type BenchLine } from './support/bench-line.ts';
import type { BenchSegment } from './support/kafka-segment.ts';
import {
  fetchSegment,
  median,
  openClient,
  startSidecar,
  storeSegment,
  streamBarely,
  writeSegment,
  type StoredSegment,
} from './support/read-contest.ts';
import type { SidecarConfig } from './support/read-sidecar.ts';
import { mibPerSecond, usageOf } from './support/usage.ts';

const BENCH = 'cold-read';
/** Each with a sidecar and a cache of its own. */
const ROUNDS = 3;

interface Home {
  readonly name: string;
  readonly store: ObjectStore;
  /** The same store, for another process. */
  readonly config: SidecarConfig['store'];
  stop(): Promise<void>;
}

export async function* run(): AsyncGenerator<BenchLine> {
  const logBytes = Number(process.env['BENCH_MIB'] ?? 256) * 2 ** 20;
  const scratch = await fs.mkdtemp(join(tmpdir(), 'logtier-bench-'));
  try {
    const written = await writeSegment(scratch, logBytes);
    for (const open of [filesystem, s3]) {
      const home = await open(scratch);
      try {
        yield* compare(home, scratch, written);
      } finally {
        await home.stop();
      }
    }
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

async function* compare(
  home: Home,
  scratch: string,
  written: BenchSegment,
): AsyncGenerator<BenchLine> {
  const segment = await storeSegment(home.store, scratch, written);
  const seen: Seen[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    seen.push(await oneRound(home, segment, join(scratch, `cache-${home.name}-${round}`)));
  }
  const value = median(seen.map(({ ours }) => ours));
  const rate = { value, unit: 'MiB/s' };
  const plain = median(seen.map(({ plain: other }) => other));
  const barely = median(seen.map(({ barely: other }) => other));
  yield benchLine(BENCH, { ...rate, case: `${home.name} rate, against a plain get` }, plain);
  yield benchLine(BENCH, { ...rate, case: `${home.name} rate, against bare gRPC` }, barely);
  const first = median(seen.map(({ firstMs }) => firstMs));
  const plainFirst = median(seen.map(({ plainFirstMs }) => plainFirstMs));
  yield benchLine(
    BENCH,
    {
      case: `${home.name} first batch, against the first byte of a plain get`,
      value: first,
      unit: 'ms',
    },
    plainFirst,
  );
}

interface Seen {
  /** MiB/s. */
  readonly ours: number;
  readonly plain: number;
  readonly barely: number;
  readonly firstMs: number;
  readonly plainFirstMs: number;
}

async function oneRound(home: Home, segment: StoredSegment, cache: string): Promise<Seen> {
  const { logBytes } = segment;
  const sidecar = await startSidecar({
    store: home.config,
    key: segment.key,
    objectBytes: segment.objectBytes,
    cacheDirectory: cache,
    cacheBytes: 2 * logBytes,
  });
  const [client, bare] = [openClient(sidecar.ready.address), openClient(sidecar.ready.bareAddress)];
  try {
    await streamBarely(bare, 16 * 2 ** 20); // connects, and warms the client
    let [firstMs, plainFirstMs] = [0, 0];
    const ours = await usageOf(async () => {
      const received = await fetchSegment(client, 0n, 2 ** 31);
      firstMs = received.firstMs;
      if (received.bytes < logBytes) throw new Error(`got ${received.bytes} of ${logBytes} bytes`);
    });
    const plain = await usageOf(async () => {
      plainFirstMs = await getPlainly(home.store, segment);
    });
    const barely = await usageOf(async () => {
      await streamBarely(bare, logBytes);
    });
    return {
      ours: mibPerSecond(logBytes, ours),
      plain: mibPerSecond(logBytes, plain),
      barely: mibPerSecond(logBytes, barely),
      firstMs,
      plainFirstMs,
    };
  } finally {
    client.close();
    bare.close();
    await sidecar.stop();
    await fs.rm(cache, { recursive: true, force: true });
  }
}

/** One request, nothing checked, nothing kept; milliseconds to the first piece. */
async function getPlainly(store: ObjectStore, segment: StoredSegment): Promise<number> {
  const beganMs = performance.now();
  let [bytes, firstMs] = [0, 0];
  const range = { start: 0, end: segment.logBytes };
  for await (const piece of store.get(segment.key, range, new AbortController().signal)) {
    if (bytes === 0) firstMs = performance.now() - beganMs;
    bytes += piece.length;
  }
  if (bytes !== segment.logBytes) throw new Error(`got ${bytes} bytes`);
  return firstMs;
}

async function filesystem(scratch: string): Promise<Home> {
  const directory = join(scratch, 'store');
  await fs.mkdir(directory);
  const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom };
  return {
    name: 'filesystem',
    store: new FilesystemStore(deps, { directory }),
    config: { directory },
    stop: () => fs.rm(directory, { recursive: true }),
  };
}

async function s3(scratch: string): Promise<Home> {
  const bed = await startS3();
  const secretAccessKeyFile = join(scratch, 's3-secret');
  await fs.writeFile(secretAccessKeyFile, bed.secretAccessKey);
  const input = {
    kind: 's3',
    bucket: bed.bucket,
    endpoint: bed.endpoint,
    region: bed.region,
    forcePathStyle: true,
    credentials: { accessKeyId: bed.accessKeyId, secretAccessKeyFile },
  };
  const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom };
  const store = new S3Store(deps, s3StoreSettings.parse(input));
  return {
    name: 's3',
    store,
    config: { s3: input },
    stop: async () => {
      store.stop();
      await bed.stop();
    },
  };
}
