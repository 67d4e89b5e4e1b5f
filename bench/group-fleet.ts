// Sidecars that hold their feeds on one group while segments commit, then all lose their streams at once. The
// members of the group, the fleet and the writers are processes of their own on the same cores.
//
// 1,000 sidecars of 100 partitions, 100 segments a second (three commits each). BENCH_SIDECARS: another number.
import { createInterface } from 'node:readline';
import { startProcess } from '../test/support/testbeds/processes.ts';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchLine, benchLine } from './support/bench-line.ts';
import { compiled } from './support/compiled.ts';
import type { FleetAnswer, FleetConfig } from './support/fleet.ts';
import { loadGroup } from './support/group-load.ts';
import {
  CLUSTER,
  cpuSecondsOf,
  type MetastoreGroup,
  rssBytesOf,
  startGroup,
} from './support/metastore-group.ts';
import type { MeasuredLoad } from './support/run-load.ts';

const NAME = 'group-fleet';
const SIDECARS = Number(process.env['BENCH_SIDECARS'] ?? 1_000);
const PARTITIONS_OF_SIDECAR = 100;
const WRITERS = 100;
const COMMITS_PER_SECOND = 300;
const SECONDS = 10;

interface Fleet {
  readonly connectMs: number;
  ask(order: 'lag' | 'reconnect'): Promise<FleetAnswer>;
  stop(): Promise<void>;
}

async function startFleet(group: MetastoreGroup): Promise<Fleet> {
  const config: FleetConfig = {
    addresses: group.addresses,
    clusterId: CLUSTER,
    sidecars: SIDECARS,
    partitionsOfSidecar: PARTITIONS_OF_SIDECAR,
  };
  const child = await startProcess({
    name: 'fleet',
    command: process.execPath,
    args: [await compiled(new URL('support/fleet.ts', import.meta.url)), JSON.stringify(config)],
    logFile: join(tmpdir(), `bench-fleet-${process.pid}.log`),
    pipes: true,
  });
  if (child.stdout === undefined || child.stdin === undefined) throw new Error('no pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<FleetAnswer> => {
    const answer: FleetAnswer = JSON.parse((await lines.next()).value ?? '');
    return answer;
  };
  const { catchUpMs } = await next();
  return {
    connectMs: catchUpMs,
    ask: (order) => {
      stdin.write(`${order}\n`);
      return next();
    },
    stop: () => child.stop(),
  };
}

interface Counted {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, each) => all + each, 0);
}

function cpuOf({ serverCpuSeconds, seconds }: MeasuredLoad): number {
  return serverCpuSeconds / seconds;
}

async function count(group: MetastoreGroup): Promise<Counted> {
  const pids = group.members.map(({ pid }) => pid);
  const cpu = await Promise.all(pids.map((pid) => cpuSecondsOf(pid)));
  const rss = await Promise.all(pids.map((pid) => rssBytesOf(pid)));
  return { cpuSeconds: sum(cpu), rssBytes: sum(rss) };
}

function load(group: MetastoreGroup, during?: () => Promise<void>): Promise<MeasuredLoad> {
  const paced = { writers: WRITERS, commitsPerSecond: COMMITS_PER_SECOND, firstPartition: 0 };
  return loadGroup(group, { ...paced, warmupSeconds: 4, seconds: SECONDS }, during);
}

export async function* run(): AsyncGenerator<BenchLine> {
  const group = await startGroup();
  let fleet: Fleet | undefined;
  try {
    const alone = await load(group);
    const before = await count(group);
    const begun = (fleet = await startFleet(group));
    const after = await count(group);
    await begun.ask('lag');
    let again: FleetAnswer | undefined;
    const held = await load(group);
    const lag = await begun.ask('lag');
    const disturbed = await load(group, async () => {
      again = await begun.ask('reconnect');
    });
    const line = (name: string, value: number, unit: string, reference?: number): BenchLine =>
      benchLine(NAME, { case: `${SIDECARS} sidecars, ${name}`, value, unit }, reference);
    yield line('lag p50', lag.lagP50Ms, 'ms');
    yield line('lag p99', lag.lagP99Ms, 'ms');
    yield line('first connect of all', begun.connectMs, 'ms');
    yield line('catch-up of all at once', again?.catchUpMs ?? Number.NaN, 'ms');
    yield line('commit p99', held.p99Ms, 'ms', alone.p99Ms);
    yield line('commit p99 while all come again', disturbed.p99Ms, 'ms', alone.p99Ms);
    yield line('CPU of a subscriber', ((cpuOf(held) - cpuOf(alone)) * 1e6) / SIDECARS, 'us/s');
    yield line(
      'memory of a subscriber',
      (after.rssBytes - before.rssBytes) / SIDECARS / 1024,
      'KiB',
    );
  } finally {
    await fleet?.stop();
    await group.stop();
  }
}
