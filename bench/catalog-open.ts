// How soon a catalog of many segments answers after a start, and how fast it was filled and is read.
//
// 1 million segments; 10 million with BENCH_FULL=1, another number with BENCH_SEGMENTS. BENCH_DIR: where, instead of the directory for temporary files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, type Op } from '../src/gen/logtier/v1/catalog_command.ts';
import { applyEntries } from '../src/metastore/catalog/apply.ts';
import { readState } from '../src/metastore/catalog/state.ts';
import type { KvEngine } from '../src/metastore/engine/kv-engine.ts';
import { openRocksdbEngine } from '../src/metastore/engine/rocksdb-engine.ts';
import { openMember } from '../src/metastore/member/catalog-member.ts';
import { memberSettings } from '../src/metastore/member/settings.ts';
import { catalogService } from '../src/metastore/service/catalog-service.ts';
import { systemClock } from '../src/platform/clock.ts';
import { silentLogger } from '../src/platform/log.ts';
import { fixedHome } from '../test/support/engine-homes.ts';
import { MemoryLogStore } from '../test/support/memory-log.ts';
import {
  type AnyOp,
  claimOp,
  CLUSTER,
  idNumber,
  METASTORE,
  segment,
  START_MS,
  TOPIC_ID,
} from '../test/support/metastore-catalog.ts';
import { type BenchLine, benchLine } from './support/bench-line.ts';

const NAME = 'catalog-open';
const NEVER: AbortSignal = new AbortController().signal;
const SEGMENTS_OF_PARTITION = 1_000;
/** The promise: an answer within half a second of the start. */
const READY_AIM_MS = 500;
const SEGMENTS_OF_COMMAND = 50;
const COMMANDS_OF_BATCH = 8;

/** Commands of one client in order, encoded as the log would hold them. */
class Commands {
  private seq = 0n;

  encode(ops: readonly AnyOp[], isRegistration = false): Uint8Array {
    if (!isRegistration) this.seq += 1n;
    return Command.encode({
      incarnation: 1,
      clientId: isRegistration ? 0n : 1n,
      seq: isRegistration ? 0n : this.seq,
      nowMs: START_MS,
      clusterId: CLUSTER,
      ops: ops.map((op): Op => ({ op })),
      answeredBelow: this.seq,
    }).finish();
  }
}

class Filler {
  readonly engine: KvEngine;
  index = 0n;
  private state: Awaited<ReturnType<typeof readState>>;

  constructor(engine: KvEngine, state: Awaited<ReturnType<typeof readState>>) {
    this.engine = engine;
    this.state = state;
  }

  async apply(commands: readonly Uint8Array[]): Promise<void> {
    const entries = commands.map((command, at) => ({
      index: this.index + BigInt(at) + 1n,
      term: 1n,
      command,
    }));
    this.index += BigInt(commands.length);
    const applied = await applyEntries(this.engine, this.state, entries);
    await this.engine.batch(applied.writes);
    this.state = applied.state;
  }
}

/** Both steps of the life of segments [from, to) of one partition. */
function copies(partition: number, from: number, to: number, token: bigint): AnyOp[] {
  const ops: AnyOp[] = [];
  for (let at = from; at < to; at += 1) {
    const number = partition * SEGMENTS_OF_PARTITION + at;
    const startOffset = BigInt(at) * 1_000_000n;
    const fenceToken = { incarnation: 1, index: token };
    const segmentId = idNumber(number);
    const facts = segment({
      partition,
      segmentId,
      fenceToken,
      startOffset,
      nextOffset: startOffset + 1_000_000n,
      epochs: [{ epoch: 0, startOffset }],
    });
    const ref = { topicId: TOPIC_ID, partition };
    const start = {
      segment: facts,
      intentNumber: BigInt(at + 1),
      lineage: [],
      brokerLocalStart: 0n,
    };
    ops.push(
      { $case: 'startCopy', value: start },
      { $case: 'finishCopy', value: { partition: ref, fenceToken, segmentId } },
    );
  }
  return ops;
}

async function fill(engine: KvEngine, segments: number): Promise<bigint> {
  const filler = new Filler(engine, await readState(engine, METASTORE));
  const commands = new Commands();
  const registers = { brokerId: 1, instance: 'bench' };
  await filler.apply([commands.encode([{ $case: 'registerClient', value: registers }], true)]);
  for (let partition = 0; partition * SEGMENTS_OF_PARTITION < segments; partition += 1) {
    const claim = claimOp({ partition: { topicId: TOPIC_ID, partition } });
    await filler.apply([commands.encode([claim])]);
    const token = filler.index;
    let batch: Uint8Array[] = [];
    for (let from = 0; from < SEGMENTS_OF_PARTITION; from += SEGMENTS_OF_COMMAND) {
      batch.push(commands.encode(copies(partition, from, from + SEGMENTS_OF_COMMAND, token)));
      if (batch.length < COMMANDS_OF_BATCH) continue;
      await filler.apply(batch);
      batch = [];
    }
    if (batch.length > 0) await filler.apply(batch);
  }
  await engine.flush();
  return filler.index;
}

async function* measure(directory: string, segments: number): AsyncGenerator<BenchLine> {
  const filling = await openRocksdbEngine(directory);
  let begun = performance.now();
  const applied = await fill(filling, segments);
  const fillSeconds = (performance.now() - begun) / 1000;
  const filled = { case: `fill ${segments}`, value: segments / fillSeconds, unit: 'segments/s' };
  yield benchLine(NAME, filled, undefined);
  await filling.close();

  const log = new MemoryLogStore();
  log.entries.length = 0;
  log.snapshotIndex = applied;
  begun = performance.now();
  const engine = await openRocksdbEngine(directory);
  const home = fixedHome(engine);
  const deps = { home, log: log.open(), clock: systemClock, logger: silentLogger };
  const member = await openMember(deps, memberSettings.parse({}), METASTORE);
  const service = catalogService(member);
  const query = { $case: 'status', value: {} } as const;
  const { answer } = await service.query({ clusterId: CLUSTER, query }, NEVER);
  const readyMs = performance.now() - begun;
  if (answer?.$case !== 'status' || answer.value.segments !== BigInt(segments)) {
    throw new Error('the catalog came back with other segments');
  }
  const ready = { case: `ready with ${segments}`, value: readyMs, unit: 'ms' };
  yield benchLine(NAME, ready, READY_AIM_MS);

  begun = performance.now();
  const rounds = 20;
  for (let round = 0; round < rounds; round += 1) {
    const partition = {
      topicId: TOPIC_ID,
      partition: (round * 37) % (segments / SEGMENTS_OF_PARTITION),
    };
    let seen = 0;
    for await (const page of service.listSegments({ clusterId: CLUSTER, partition }, NEVER)) {
      seen += page.segments.length;
    }
    if (seen !== SEGMENTS_OF_PARTITION)
      throw new Error('a partition came back with other segments');
  }
  const listMs = (performance.now() - begun) / rounds;
  const load = { case: `load a partition of ${SEGMENTS_OF_PARTITION}`, value: listMs, unit: 'ms' };
  yield benchLine(NAME, load, undefined);
  await member.stop();
  await engine.close();
}

export async function* run(): AsyncGenerator<BenchLine> {
  const directory = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'catalog-open-'));
  const size = process.env['BENCH_FULL'] === '1' ? 10_000_000 : 1_000_000;
  const segments = Number(process.env['BENCH_SEGMENTS'] ?? size);
  try {
    yield* measure(join(directory, 'db'), segments);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
