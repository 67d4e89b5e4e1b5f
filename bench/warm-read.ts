// What does a read of cached history cost? The whole service, slots to socket, against a bare grpc-js stream of as
// many bytes from memory, and against pread of the same log. BENCH_MIB: size of the segment, 256 by default.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import { systemClock } from '../src/platform/clock.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { systemRandom } from '../src/platform/random.ts';
import { FilesystemStore } from '../src/store/filesystem/filesystem-store.ts';
import { benchLine, type BenchLine } from './support/bench-line.ts';
import {
  fetchSegment,
  median,
  openClient,
  preadAll,
  startSidecar,
  storeSegment,
  streamBarely,
  writeSegment,
  type Sidecar,
  type StoredSegment,
} from './support/read-contest.ts';
import { mibPerSecond, usageOf } from './support/usage.ts';

const BENCH = 'warm-read';
/** Every way once a round, so that foreign load meets all of them. */
const ROUNDS = 9;

export async function* run(): AsyncGenerator<BenchLine> {
  const logBytes = Number(process.env['BENCH_MIB'] ?? 256) * 2 ** 20;
  const scratch = await fs.mkdtemp(join(tmpdir(), 'logtier-bench-'));
  try {
    const directory = join(scratch, 'store');
    await fs.mkdir(directory);
    const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom };
    const store = new FilesystemStore(deps, { directory });
    const segment = await storeSegment(store, scratch, await writeSegment(scratch, logBytes));
    const sidecar = await startSidecar({
      store: { directory },
      key: segment.key,
      objectBytes: segment.objectBytes,
      cacheDirectory: join(scratch, 'cache'),
      cacheBytes: 2 * logBytes,
    });
    yield* compare(sidecar, segment);
    await sidecar.stop();
  } finally {
    await fs.rm(scratch, { recursive: true, force: true });
  }
}

interface Way {
  readonly rates: number[];
  readonly serverCpu: number[];
  readonly work: () => Promise<unknown>;
}

function contender(work: () => Promise<unknown>): Way {
  return { rates: [], serverCpu: [], work };
}

async function* compare(sidecar: Sidecar, segment: StoredSegment): AsyncGenerator<BenchLine> {
  const [client, bare] = [openClient(sidecar.ready.address), openClient(sidecar.ready.bareAddress)];
  const { logBytes } = segment;
  const ours = contender(() => fetchWhole(client, logBytes));
  const barely = contender(() => streamBarely(bare, logBytes));
  const pread = contender(() => preadAll(segment.logPath));
  for (const { work } of [ours, barely, pread, ours, barely]) await work(); // fills the cache, warms the code
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of [ours, barely, pread]) await measure(sidecar, each, logBytes);
  }
  const rate = { case: 'rate', value: median(ours.rates), unit: 'MiB/s' };
  yield benchLine(BENCH, { ...rate, case: 'rate, against bare gRPC' }, median(barely.rates));
  yield benchLine(BENCH, { ...rate, case: 'rate, against pread' }, median(pread.rates));
  const cpu = { case: 'server CPU', value: median(ours.serverCpu), unit: 's/GiB' };
  yield benchLine(
    BENCH,
    { ...cpu, case: 'server CPU, against bare gRPC' },
    median(barely.serverCpu),
  );
  const small = await firstBatchMs(client, segment);
  yield benchLine(BENCH, { case: 'first batch', value: small, unit: 'ms' }, undefined);
  client.close();
  bare.close();
}

async function fetchWhole(client: Client, logBytes: number): Promise<void> {
  const { bytes } = await fetchSegment(client, 0n, 2 ** 31);
  if (bytes < logBytes) throw new Error(`got ${bytes} of ${logBytes} bytes`);
}

async function measure(sidecar: Sidecar, way: Way, bytes: number): Promise<void> {
  const before = await sidecar.cpuSeconds();
  const usage = await usageOf(async () => {
    await way.work();
  });
  const cpuSeconds = (await sidecar.cpuSeconds()) - before;
  way.rates.push(mibPerSecond(bytes, usage));
  way.serverCpu.push(cpuSeconds / (bytes / 2 ** 30));
}

/** Small fetches at places of their own, as consumers do that come late. */
async function firstBatchMs(client: Client, { nextOffset }: StoredSegment): Promise<number> {
  const times: number[] = [];
  for (let turn = 0n; turn < 101n; turn += 1n) {
    const offset = (nextOffset * ((turn * 37n) % 101n)) / 101n;
    times.push((await fetchSegment(client, offset, 1)).firstMs);
  }
  return median(times);
}
