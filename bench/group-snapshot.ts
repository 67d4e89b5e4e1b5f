// What snapshots of the leader do to commits: one after the other is read over gRPC, as a member that lagged too far
// behind or an operator reads it, while writers commit.
//
// The catalog first gets what writers commit in BENCH_WARMUP seconds, 20 by default.
import { ClusterServiceService } from '../src/gen/logtier/v1/cluster.ts';
import { systemClock } from '../src/platform/clock.ts';
import { defaultChannelSettings, openChannel } from '../src/rpc/channel.ts';
import { type BenchLine, benchLine } from './support/bench-line.ts';
import { loadGroup } from './support/group-load.ts';
import { type MetastoreGroup, startGroup } from './support/metastore-group.ts';

const NAME = 'group-snapshot';
const WRITERS = 128;
const SECONDS = 8;
const warmupSeconds = Number(process.env['BENCH_WARMUP'] ?? 20);

interface Taken {
  readonly bytes: number;
  readonly seconds: number;
  readonly count: number;
}

/** Until the time is over; the last one is read to its end. */
async function takeSnapshots(group: MetastoreGroup, forMs: number): Promise<Taken> {
  const address = group.addresses[await group.leader()] ?? '';
  const channel = openChannel(systemClock, {
    ...defaultChannelSettings,
    address,
    unavailableAs: 'METASTORE_UNAVAILABLE',
  });
  const begun = performance.now();
  const { signal } = new AbortController();
  let bytes = 0;
  let count = 0;
  while (performance.now() < begun + forMs) {
    for await (const { content } of channel.stream(
      ClusterServiceService.saveSnapshot,
      {},
      signal,
    )) {
      bytes += content.length;
    }
    count += 1;
  }
  channel.stop();
  return { bytes, count, seconds: (performance.now() - begun) / 1000 };
}

export async function* run(): AsyncGenerator<BenchLine> {
  const group = await startGroup();
  try {
    await loadGroup(group, { writers: 1_000, warmupSeconds, seconds: 1 });
    const load = { writers: WRITERS, warmupSeconds: 2, seconds: SECONDS };
    const without = await loadGroup(group, load);
    let taken: Taken | undefined;
    const during = await loadGroup(group, load, async () => {
      taken = await takeSnapshots(group, SECONDS * 1000);
    });
    const { bytes = Number.NaN, seconds = 1, count = 1 } = taken ?? {};
    const rate = bytes / 2 ** 20 / seconds;
    const lines: [string, number, string, number | undefined][] = [
      ['size of a snapshot', bytes / count / 2 ** 20, 'MiB', undefined],
      ['snapshot rate', rate, 'MiB/s', undefined],
      ['commit p50 during snapshots', during.p50Ms, 'ms', without.p50Ms],
      ['commit p99 during snapshots', during.p99Ms, 'ms', without.p99Ms],
      [
        'commits/s during snapshots',
        during.commits / during.seconds,
        'commits/s',
        without.commits / without.seconds,
      ],
    ];
    for (const [name, value, unit, reference] of lines) {
      yield benchLine(NAME, { case: name, value, unit }, reference);
    }
  } finally {
    await group.stop();
  }
}
