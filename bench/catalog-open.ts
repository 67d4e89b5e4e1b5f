// How soon a catalog of many segments answers after a start, how fast it applies copies and is read. It is
// filled row by row beside apply, in one batch a partition: that takes a minute a million.
//
// 1 million segments; 10 million with BENCH_FULL=1, another number with BENCH_SEGMENTS. BENCH_DIR: where, instead of the directory for temporary files.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CatalogState,
  Command,
  EpochRow,
  type Op,
  SegmentRecord,
  SegmentState,
} from '../src/gen/logtier/v1/catalog_command.ts';
import { applyEntries } from '../src/metastore/catalog/apply.ts';
import { EngineBase } from '../src/metastore/catalog/engine-base.ts';
import {
  byTimeKey,
  epochKey,
  epochStartKey,
  epochStartValue,
} from '../src/metastore/catalog/index-keys.ts';
import { byOffsetKey, segmentKey, stateKey } from '../src/metastore/catalog/keys.ts';
import { encodeRow } from '../src/metastore/catalog/row.ts';
import { readState } from '../src/metastore/catalog/state.ts';
import type { KvEngine, KvWrite } from '../src/metastore/engine/kv-engine.ts';
import { openRocksdbEngine } from '../src/metastore/engine/rocksdb-engine.ts';
import { segmentId as segmentIdOf, topicId } from '../src/segment/ids.ts';
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
import type { ReaderConfig } from './support/catalog-reader.ts';
import { compiled } from './support/compiled.ts';
import { runToEnd } from '../test/support/testbeds/processes.ts';

const NAME = 'catalog-open';
const SEGMENTS_OF_PARTITION = 1_000;
const SEGMENTS_OF_COMMAND = 50;
const COMMANDS_OF_BATCH = 4;
const APPLIED_PARTITIONS = 10;
const OFFSETS_OF_SEGMENT = 1_000_000n;
const NOTHING = new Uint8Array(0);

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
  private readonly rows: EngineBase;
  private state: Awaited<ReturnType<typeof readState>>;

  constructor(engine: KvEngine, state: Awaited<ReturnType<typeof readState>>) {
    this.engine = engine;
    this.rows = new EngineBase(engine);
    this.state = state;
  }

  async apply(commands: readonly Uint8Array[]): Promise<void> {
    const entries = commands.map((command, at) => ({
      index: this.index + BigInt(at) + 1n,
      term: 1n,
      command,
    }));
    this.index += BigInt(commands.length);
    const applied = await applyEntries(this.rows, this.state, entries);
    await this.engine.batch(applied.writes);
    this.rows.applied(applied.writes);
    this.state = applied.state;
  }

  /** Segments whose rows were written beside apply. */
  async count(segments: number): Promise<void> {
    this.state = { ...this.state, segments: BigInt(segments) };
    const value = encodeRow(CatalogState, this.state);
    await this.engine.batch([{ kind: 'put', key: stateKey(), value }]);
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

/** A whole partition as apply leaves it once its history is trimmed: what 1,000 copies come to. */
function rowsOf(partition: number, token: bigint): KvWrite[] {
  const address = { cluster: 1, topicId: topicId(TOPIC_ID), partition };
  const fenceToken = { incarnation: 1, index: token };
  const writes: KvWrite[] = [];
  const put = (key: Uint8Array, value: Uint8Array): void => {
    writes.push({ kind: 'put', key, value });
  };
  for (let at = 0; at < SEGMENTS_OF_PARTITION; at += 1) {
    const { record, id, next } = factsOf(partition, at);
    const { startOffset } = record;
    const finished = { ...record, state: SegmentState.COPY_SEGMENT_FINISHED, fenceToken };
    put(segmentKey(address, id), encodeRow(SegmentRecord, finished));
    put(byOffsetKey(address, startOffset, id), NOTHING);
    put(epochStartKey(address, { epoch: 0, startOffset }), epochStartValue(id, next));
    put(byTimeKey(address, record.maxTimestampMs, id), NOTHING);
  }
  const count = BigInt(SEGMENTS_OF_PARTITION);
  const end = count * OFFSETS_OF_SEGMENT;
  put(
    epochKey(address, 0),
    encodeRow(EpochRow, {
      copied: [{ startOffset: 0n, nextOffset: end }],
      highestNext: end,
      highestStart: end - OFFSETS_OF_SEGMENT,
      segments: count,
      logBytes: count * 1000n,
    }),
  );
  return writes;
}

function factsOf(partition: number, at: number) {
  const startOffset = BigInt(at) * OFFSETS_OF_SEGMENT;
  const next = startOffset + OFFSETS_OF_SEGMENT;
  const id = segmentIdOf(idNumber(partition * SEGMENTS_OF_PARTITION + at));
  const epochs = [{ epoch: 0, startOffset }];
  const facts = { partition, segmentId: id, startOffset, nextOffset: next, epochs };
  return { record: segment(facts), id, next };
}

/** Claims by apply, rows of segments in one batch a partition. */
async function fill(engine: KvEngine, segments: number): Promise<bigint> {
  const filler = new Filler(engine, await readState(engine, METASTORE));
  const commands = new Commands();
  const registers = { brokerId: 1, instance: 'bench' };
  await filler.apply([commands.encode([{ $case: 'registerClient', value: registers }], true)]);
  for (let partition = 0; partition * SEGMENTS_OF_PARTITION < segments; partition += 1) {
    const claim = claimOp({ partition: { topicId: TOPIC_ID, partition } });
    await filler.apply([commands.encode([claim])]);
    await engine.batch(rowsOf(partition, filler.index));
  }
  await filler.count(segments);
  await engine.flush();
  return filler.index;
}

/** Both steps of a copy, as commands through apply. */
async function applyRate(directory: string): Promise<number> {
  const engine = await openRocksdbEngine(directory);
  const filler = new Filler(engine, await readState(engine, METASTORE));
  const commands = new Commands();
  const registers = { brokerId: 1, instance: 'bench' };
  await filler.apply([commands.encode([{ $case: 'registerClient', value: registers }], true)]);
  const begun = performance.now();
  for (let partition = 0; partition < APPLIED_PARTITIONS; partition += 1) {
    const claim = claimOp({ partition: { topicId: TOPIC_ID, partition } });
    await filler.apply([commands.encode([claim])]);
    const token = filler.index;
    for (
      let from = 0;
      from < SEGMENTS_OF_PARTITION;
      from += SEGMENTS_OF_COMMAND * COMMANDS_OF_BATCH
    ) {
      const batch = Array.from({ length: COMMANDS_OF_BATCH }, (_, at) => {
        const start = from + at * SEGMENTS_OF_COMMAND;
        return commands.encode(copies(partition, start, start + SEGMENTS_OF_COMMAND, token));
      });
      await filler.apply(batch);
    }
  }
  const seconds = (performance.now() - begun) / 1000;
  await engine.close();
  return (APPLIED_PARTITIONS * SEGMENTS_OF_PARTITION) / seconds;
}

async function* measure(directory: string, segments: number): AsyncGenerator<BenchLine> {
  const filling = await openRocksdbEngine(directory);
  const begun = performance.now();
  const applied = await fill(filling, segments);
  const fillSeconds = (performance.now() - begun) / 1000;
  const filled = { case: `fill ${segments}`, value: segments / fillSeconds, unit: 'segments/s' };
  yield benchLine(NAME, filled, undefined);
  await filling.close();
  const config: ReaderConfig = {
    bench: NAME,
    directory,
    segments,
    segmentsOfPartition: SEGMENTS_OF_PARTITION,
    offsetsOfSegment: Number(OFFSETS_OF_SEGMENT),
    applied: String(applied),
  };
  const script = await compiled(new URL('support/catalog-reader.ts', import.meta.url));
  const printed = await runToEnd({
    name: 'catalog reader',
    command: process.execPath,
    args: [script, JSON.stringify(config)],
    logFile: `${directory}.log`,
  });
  for (const line of printed.trim().split('\n')) yield JSON.parse(line);
}

export async function* run(): AsyncGenerator<BenchLine> {
  const directory = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'catalog-open-'));
  const size = process.env['BENCH_FULL'] === '1' ? 10_000_000 : 1_000_000;
  const segments = Number(process.env['BENCH_SEGMENTS'] ?? size);
  try {
    const rate = await applyRate(join(directory, 'applied'));
    yield benchLine(NAME, { case: 'apply copies', value: rate, unit: 'segments/s' }, undefined);
    yield* measure(join(directory, 'db'), segments);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
