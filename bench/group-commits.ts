// Commits a second of a metastore of three members against etcd 3.7.3 of three members, one after the other on
// the same disk. A commit of the metastore is one of the three commands of a copy (intent, upload, commit), 256
// bytes on average, through the client of the sidecars; one of etcd is a put of 256 bytes.
//
// Both are warmed up first, by all writers and by a few: compiled code is what a server runs that is up for more
// than a minute, and what is done once a round is done seldom when a round has hundreds of commits.
// BENCH_SECONDS: of each case, 5 by default. BENCH_WARMUP: seconds, 30 by default. BENCH_DIR: where.
import { startEtcd } from '../test/support/testbeds/etcd.ts';
import { type BenchLine, benchLine } from './support/bench-line.ts';
import { etcdLoad } from './support/etcd-load.ts';
import { loadGroup } from './support/group-load.ts';
import { startGroup } from './support/metastore-group.ts';
import { type MeasuredLoad, runLoad } from './support/run-load.ts';

const NAME = 'group-commits';
const WRITERS = [1, 16, 128, 1_000];
const seconds = Number(process.env['BENCH_SECONDS'] ?? 5);
const warmupSeconds = Number(process.env['BENCH_WARMUP'] ?? 30);
/** Before each case: its own sessions and connections. */
const CASE_WARMUP_SECONDS = 2;
const MAX_CONNECTIONS = 100;

async function etcdFigures(): Promise<MeasuredLoad[]> {
  const command = await etcdLoad();
  const etcd = await startEtcd({ members: 3 });
  const load = (writers: number, measured: number, warmup: number): Promise<MeasuredLoad> =>
    runLoad(
      {
        command,
        args: [
          `-endpoints=${etcd.endpoints.join(',')}`,
          `-writers=${writers}`,
          `-connections=${Math.min(writers, MAX_CONNECTIONS)}`,
          `-seconds=${measured}`,
          `-warmup=${warmup}`,
        ],
      },
      etcd.pids(),
    );
  try {
    await load(1_000, 1, CASE_WARMUP_SECONDS);
    const figures: MeasuredLoad[] = [];
    for (const writers of WRITERS) figures.push(await load(writers, seconds, CASE_WARMUP_SECONDS));
    return figures;
  } finally {
    await etcd.stop();
  }
}

async function groupFigures(): Promise<MeasuredLoad[]> {
  const group = await startGroup();
  try {
    for (const writers of [1_000, 16]) {
      await loadGroup(group, { writers, warmupSeconds: warmupSeconds / 2, seconds: 1 });
    }
    const figures: MeasuredLoad[] = [];
    for (const writers of WRITERS) {
      figures.push(
        await loadGroup(group, { writers, warmupSeconds: CASE_WARMUP_SECONDS, seconds }),
      );
    }
    return figures;
  } finally {
    await group.stop();
  }
}

interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly of: (load: MeasuredLoad) => number;
}

const MEASURES: readonly Measure[] = [
  { name: 'rate', unit: 'commits/s', of: (load) => load.commits / load.seconds },
  { name: 'p50', unit: 'ms', of: ({ p50Ms }) => p50Ms },
  { name: 'p99', unit: 'ms', of: ({ p99Ms }) => p99Ms },
  {
    name: 'CPU of all members',
    unit: 'us/commit',
    of: ({ serverCpuSeconds, commits }) => (serverCpuSeconds * 1e6) / commits,
  },
  {
    name: 'CPU of the clients',
    unit: 'us/commit',
    of: ({ cpuSeconds, commits }) => (cpuSeconds * 1e6) / commits,
  },
];

export async function* run(): AsyncGenerator<BenchLine> {
  const etcd = await etcdFigures();
  const own = await groupFigures();
  for (const [at, writers] of WRITERS.entries()) {
    const [left, right] = [own[at], etcd[at]];
    if (left === undefined || right === undefined) continue;
    for (const { name, unit, of } of MEASURES) {
      const measured = { case: `${writers} writers, ${name}`, value: of(left), unit };
      yield benchLine(NAME, measured, of(right));
    }
  }
}
