// Everything is killed again and again under load; then nothing may be lost, doubled or forgotten.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { coveredEnd, expectAccounted, forgetLocally, untilRemote } from './remote-state.ts';
import {
  type ChaosMetastore,
  type Door,
  type MetastoreKind,
  startChaosMetastore,
} from './chaos-metastore.ts';
import { s3Section, startSidecar, type RoleProcess } from './sidecar-process.ts';
import { expectedRead, TieredReader } from './tiered-reader.ts';
import { startKafka, type KafkaTestbed } from './testbeds/kafka.ts';
import {
  startKafkaWorkload,
  type KafkaWorkload,
  type Produced,
} from './testbeds/kafka-workload.ts';
import { pauseMs } from './testbeds/processes.ts';
import { startS3, type S3Testbed } from './testbeds/s3.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** How long kills go on. */
  readonly killsMs: number;
  readonly partitions: number;
  /** Default: one member alone. */
  readonly metastore?: MetastoreKind;
  /** Between two rounds of writing: a long run must not write more than a slow machine copies. */
  readonly restMs?: number;
}

/** How often each kind is killed. A broker takes long to come back: it is spared more often. */
const SHARES = { broker: 0.12, store: 0.23, metastore: 0.25, sidecar: 0.4 } as const;
type Victim = keyof typeof SHARES;

const TOPIC = 'orders';
const RECORDS = 400;
const VALUE_BYTES = 2_000;
/** On a machine so slow that the time is over earlier, the kills go on. */
const LEAST_KILLS = 5;

/** A draw from [0, 1), the same for the same seed (Mulberry32). */
function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface World {
  readonly home: string;
  readonly kafka: KafkaTestbed;
  readonly workload: KafkaWorkload;
  readonly s3: S3Testbed;
  readonly metastore: ChaosMetastore;
  readonly sidecar: RoleProcess;
}

export interface ChaosReport {
  /** By name of the victim; all are there. */
  readonly kills: Readonly<Record<string, number>>;
  readonly records: number;
  readonly segments: number;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const world = await openWorld(options, stops);
    const load = new Load(world.workload, options);
    load.start();
    const kills = await killAround(world, options);
    await load.stop();
    return { kills, ...(await verify(world, load.runs)) };
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function openWorld(
  { partitions, metastore: kind = 'alone' }: ChaosOptions,
  stops: (() => Promise<unknown>)[],
): Promise<World> {
  const home = await fs.mkdtemp(join(tmpdir(), 'logtier-chaos-'));
  stops.push(() => fs.rm(home, { recursive: true, force: true }));
  const kafka = await startKafka({ version: '4.3.1' });
  stops.push(() => kafka.stop());
  const workload = await startKafkaWorkload(kafka.bootstrap);
  stops.push(() => workload.stop());
  const s3 = await startS3();
  stops.push(() => s3.stop());
  const store = await s3Section(s3, home);
  const metastore = await startChaosMetastore(kind, store);
  stops.push(() => metastore.stop());
  await workload.createTopic({
    topic: TOPIC,
    partitions,
    configs: { 'segment.bytes': '1048576', 'retention.ms': '-1' },
  });
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error('no broker');
  const sidecar = await startSidecar({
    broker,
    store,
    topics: TOPIC,
    metastore: metastore.members.map(({ grpc }) => grpc),
  });
  stops.push(() => sidecar.stop());
  return { home, kafka, workload, s3, metastore, sidecar };
}

/** Writes to one partition after the other, as fast as each answers. */
class Load {
  readonly runs: Produced[][];
  private readonly workload: KafkaWorkload;
  private readonly restMs: number;
  private isStopping = false;
  private running: Promise<unknown> = Promise.resolve();
  private failure: unknown;

  constructor(workload: KafkaWorkload, { partitions, restMs = 100 }: ChaosOptions) {
    this.workload = workload;
    this.restMs = restMs;
    this.runs = Array.from({ length: partitions }, () => []);
  }

  start(): void {
    this.running = this.write().catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** Fails when a write failed: its outcome would be unknown, and so all that is checked. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    if (this.failure !== undefined) throw new Error('the load failed', { cause: this.failure });
  }

  private async write(): Promise<void> {
    for (let round = 0; !this.isStopping; round += 1) {
      for (const [partition, runs] of this.runs.entries()) {
        const job = { topic: TOPIC, partition, count: RECORDS, valueBytes: VALUE_BYTES };
        runs.push(await this.workload.produce({ ...job, startIndex: round * RECORDS }));
      }
      await pauseMs(this.restMs);
    }
  }
}

async function killAround(
  world: World,
  { seed, killsMs }: ChaosOptions,
): Promise<Record<string, number>> {
  const draw = draws(seed);
  const doors = doorsOf(world);
  const kills = Object.fromEntries([...doors.keys()].map((name) => [name, 0]));
  const untilMs = performance.now() + killsMs;
  const count = (): number => Object.values(kills).reduce((sum, each) => sum + each, 0);
  while (performance.now() < untilMs || count() < LEAST_KILLS) {
    await pauseMs(500 + draw() * 3_000);
    for (const role of [world.sidecar, ...world.metastore.members]) await requireAlive(role);
    const victims = chosen(draw, kills);
    for (const victim of victims) {
      kills[victim] = (kills[victim] ?? 0) + 1;
      await doors.get(victim)?.kill('SIGKILL');
    }
    await pauseMs(draw() * 2_000);
    for (const victim of victims) await doors.get(victim)?.restart();
  }
  return kills;
}

async function requireAlive({ role, alive, logFile }: RoleProcess): Promise<void> {
  if (alive) return;
  const lines = (await fs.readFile(logFile, 'utf8')).trimEnd().split('\n');
  throw new Error(`the ${role} ended by itself:\n${lines.slice(-10).join('\n')}`);
}

/** One, or now and then two at once; in the order of `kills`. Of one kind, one of those that were spared most. */
function chosen(draw: () => number, kills: Readonly<Record<string, number>>): string[] {
  const names = Object.keys(kills);
  const of = (kind: Victim): string[] =>
    kind === 'metastore'
      ? names.filter((name) => /^(?:metastore|etcd) /.test(name))
      : names.filter((name) => name === kind);
  const pick = (): string | undefined => {
    const at = draw();
    let below = 0;
    const kinds: Victim[] = ['broker', 'store', 'metastore', 'sidecar'];
    const kind = kinds.find((each) => at < (below += SHARES[each])) ?? 'sidecar';
    const fewest = Math.min(...of(kind).map((name) => kills[name] ?? 0));
    const victims = of(kind).filter((name) => kills[name] === fewest);
    return victims[Math.floor(draw() * victims.length)];
  };
  const first = pick();
  const both = draw() < 0.25 ? [first, pick()] : [first];
  return names.filter((name) => both.includes(name));
}

/** In the order in which one needs the other. */
function doorsOf({ kafka, s3, metastore, sidecar }: World): ReadonlyMap<string, Door> {
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error('no broker');
  return new Map<string, Door>([
    ['broker', broker],
    ['store', s3],
    ...metastore.doors,
    ['sidecar', sidecar],
  ]);
}

async function verify(
  world: World,
  runs: readonly (readonly Produced[])[],
): Promise<{ records: number; segments: number }> {
  let segments = 0;
  let records = 0;
  const reader = new TieredReader(world.sidecar.grpc);
  try {
    for (const [index, produced] of runs.entries()) {
      const partition = { topic: TOPIC, partition: index };
      const remote = await untilRemote(world.sidecar, TOPIC, index);
      const end = coveredEnd(remote);
      const kept = await world.workload.consume({
        ...partition,
        fromOffset: 0n,
        count: Number(end),
      });
      await forgetLocally(world.workload, partition, remote);
      const job = { ...partition, fromOffset: 0n, isolation: 'read_uncommitted' as const };
      expect(await reader.readRemote(job)).toEqual({ summary: kept, end });
      expect(kept).toEqual(isExact(produced) ? expectedRead(produced, end).remote : kept);
      segments += remote.length;
      records += kept.count;
    }
  } finally {
    reader.stop();
  }
  for (const { grpc } of world.metastore.members) {
    await expectAccounted(grpc, world.kafka.clusterId, world.s3.dataDirectory);
  }
  return { records, segments };
}

/**
 * A producer whose broker is killed may write a batch twice, for all its idempotence: then only the broker knows
 * what was written, and what Apache's consumer read of it is the measure.
 */
function isExact(runs: readonly Produced[]): boolean {
  let next = 0n;
  return runs.every(({ firstOffset, lastOffset, count }) => {
    const isNext = firstOffset === next && lastOffset - firstOffset + 1n === BigInt(count);
    next = lastOffset + 1n;
    return isNext;
  });
}

/** From CHAOS_SEED, else of this moment; printed, so that a failure can be run again. */
export function chaosSeed(): number {
  const seed = Number(process.env['CHAOS_SEED'] ?? Date.now() % 2 ** 31);
  console.log(`CHAOS_SEED=${seed}`);
  return seed;
}
