// Opens a filled catalog in a process of its own, as a member does at its start, and reads it. argv[2]: a
// `ReaderConfig` as JSON. Prints a JSON line a result.
import { openRocksdbEngine } from '../../src/metastore/engine/rocksdb-engine.ts';
import { openMember } from '../../src/metastore/member/catalog-member.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import {
  type CatalogService,
  catalogService,
} from '../../src/metastore/service/catalog-service.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { fixedHome } from '../../test/support/engine-homes.ts';
import { MemoryLogStore } from '../../test/support/memory-log.ts';
import { CLUSTER, METASTORE, TOPIC_ID } from '../../test/support/metastore-catalog.ts';
import { type BenchLine, benchLine } from './bench-line.ts';

export interface ReaderConfig {
  readonly bench: string;
  readonly directory: string;
  readonly segments: number;
  readonly segmentsOfPartition: number;
  readonly offsetsOfSegment: number;
  /** Newest entry in the catalog. */
  readonly applied: string;
}

const NEVER: AbortSignal = new AbortController().signal;
/** The promises: an answer so soon after the start, a look-up's p99, and memory. */
const READY_AIM_MS = 500;
const LOOK_UP_AIM_MS = 1;
const MEMORY_AIM_MIB = 512;
const LOOK_UPS = 20_000;
const LISTS = 300;

const config: ReaderConfig = JSON.parse(process.argv[2] ?? '');
const { bench: NAME, directory, segments, segmentsOfPartition: SEGMENTS_OF_PARTITION } = config;
const OFFSETS_OF_SEGMENT = BigInt(config.offsetsOfSegment);
const applied = BigInt(config.applied);

/** Milliseconds of look-ups in random places, sorted. */
async function lookUps(service: CatalogService, partitions: number): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < LOOK_UPS; round += 1) {
    const partition = { topicId: TOPIC_ID, partition: (round * 37) % Math.min(partitions, 200) };
    const offset = BigInt((round * 7919) % SEGMENTS_OF_PARTITION) * OFFSETS_OF_SEGMENT + 5n;
    const value = { partition, epoch: 0, offset };
    const begun = performance.now();
    const request = { clusterId: CLUSTER, query: { $case: 'findSegment', value } } as const;
    const { answer } = await service.query(request, NEVER);
    took.push(performance.now() - begun);
    const found = answer?.$case === 'findSegment' ? answer.value.segment?.startOffset : undefined;
    if (found !== offset - 5n) throw new Error('a look-up found another segment');
  }
  return took.toSorted((left, right) => left - right);
}

/** Milliseconds of lists of whole partitions all over the catalog, sorted. */
async function lists(service: CatalogService, partitions: number): Promise<number[]> {
  const took: number[] = [];
  for (let round = 0; round < LISTS; round += 1) {
    const partition = { topicId: TOPIC_ID, partition: (round * 37) % partitions };
    const begun = performance.now();
    let seen = 0;
    for await (const page of service.listSegments({ clusterId: CLUSTER, partition }, NEVER)) {
      seen += page.segments.length;
    }
    took.push(performance.now() - begun);
    if (seen !== SEGMENTS_OF_PARTITION) {
      throw new Error('a partition came back with other segments');
    }
  }
  return took.toSorted((left, right) => left - right);
}

async function* measure(): AsyncGenerator<BenchLine> {
  const log = new MemoryLogStore();
  log.entries.length = 0;
  log.snapshotIndex = applied;
  const begun = performance.now();
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
  yield memory('ready');
  const ready = { case: `ready with ${segments}`, value: readyMs, unit: 'ms' };
  yield benchLine(NAME, ready, READY_AIM_MS);

  const partitions = segments / SEGMENTS_OF_PARTITION;
  const cold = await lookUps(service, partitions);
  const warm = await lookUps(service, partitions);
  yield memory('after look-ups');
  const shares: [string, readonly number[], number][] = [
    ['p99 of look-ups, first time', cold, 0.99],
    ['p50 of look-ups', warm, 0.5],
    ['p99 of look-ups', warm, 0.99],
  ];
  for (const [name, took, share] of shares) {
    const value = took[Math.floor(took.length * share)] ?? 0;
    yield benchLine(NAME, { case: name, value, unit: 'ms' }, LOOK_UP_AIM_MS);
  }

  const listed = await lists(service, partitions);
  for (const [name, share] of [['p50', 0.5] as const, ['p99', 0.99] as const]) {
    const value = listed[Math.floor(listed.length * share)] ?? 0;
    const measured = { case: `${name} of lists of ${SEGMENTS_OF_PARTITION}`, value, unit: 'ms' };
    yield benchLine(NAME, measured, undefined);
  }
  await member.stop();
  await engine.close();
}

function memory(when: string): BenchLine {
  const value = process.memoryUsage.rss() / 2 ** 20;
  const measured = { case: `memory with ${segments}, ${when}`, value, unit: 'MiB' };
  return benchLine(NAME, measured, MEMORY_AIM_MIB);
}

for await (const line of measure()) process.stdout.write(`${JSON.stringify(line)}\n`);
