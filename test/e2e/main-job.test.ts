// The main job on real servers: closed segments leave the broker, and every record can still be read.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dropLocalHistory, untilAllRemote } from '../support/local-log.ts';
import {
  hdfsSection,
  s3Section,
  startDev,
  startMetastore,
  startSidecar,
  type RoleProcess,
} from '../support/sidecar-process.ts';
import { startHdfs } from '../support/testbeds/hdfs.ts';
import {
  startKafkaWorkload,
  type Isolation,
  type KafkaWorkload,
  type PartitionName,
  type Produced,
} from '../support/testbeds/kafka-workload.ts';
import { startKafka, type KafkaBroker, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import type { KafkaVersion } from '../support/testbeds/kafka-runtime.ts';
import { startS3 } from '../support/testbeds/s3.ts';
import { expectedRead, TieredReader } from '../support/tiered-reader.ts';

const PARTITIONS = 2;
const SEGMENT_BYTES = 2 ** 20;
const VALUE_BYTES = 1_000;
const CODECS = ['lz4', 'zstd'] as const;
const PLAIN_RECORDS = 6_000;
const TRANSACTIONS = ['commit', 'abort', 'commit', 'commit', 'abort', 'commit'] as const;
/** The last transaction spans a roll: its marker is in the active segment, which only the broker has. */
const TRANSACTION_RECORDS = 700;
const STALL_BOUND_MS = 240_000;

/** What was written to one partition. */
interface Written extends PartitionName {
  readonly all: readonly Produced[];
  readonly committed: readonly Produced[];
}

/** A broker with a client. */
interface Cluster {
  readonly kafka: KafkaTestbed;
  readonly broker: KafkaBroker;
  readonly workload: KafkaWorkload;
}

let scratch: string;
/** Of Kafka 4.3.1; each store has topics of its own. */
let cluster: Cluster;

beforeAll(async () => {
  scratch = await fs.mkdtemp(join(tmpdir(), 'logtier-main-job-'));
  cluster = await startCluster('4.3.1');
});

afterAll(async () => {
  await stopCluster(cluster);
  await fs.rm(scratch, { recursive: true, force: true });
});

test('every record is read back from a directory and the broker', async () => {
  const storeDirectory = join(scratch, 'store-4');
  const dev = await startDev({ broker: cluster.broker, storeDirectory });
  await tierAndReadBack(cluster, dev, 'directory');
});

test('every record is read back from S3 and the broker, with a metastore process of its own', async () => {
  const [s3, metastore] = await Promise.all([startS3(), startMetastore()]);
  try {
    const store = await s3Section(s3, scratch);
    const place = { broker: cluster.broker, topics: 's3-*', metastore: [metastore.grpc] };
    await tierAndReadBack(cluster, await startSidecar({ ...place, store }), 's3');
  } finally {
    await metastore.stop();
    await s3.stop();
  }
});

test('every record is read back from HDFS and the broker', async () => {
  const hdfs = await startHdfs();
  try {
    const store = hdfsSection(hdfs, '/logtier/tier');
    const place = { broker: cluster.broker, topics: 'hdfs-*' };
    await tierAndReadBack(cluster, await startSidecar({ ...place, store }), 'hdfs');
  } finally {
    await hdfs.stop();
  }
});

test('every record of a broker of Kafka 3.9 is read back', async () => {
  const older = await startCluster('3.9.2');
  try {
    const storeDirectory = join(scratch, 'store-3');
    const dev = await startDev({ broker: older.broker, storeDirectory });
    await tierAndReadBack(older, dev, 'older');
  } finally {
    await stopCluster(older);
  }
});

async function startCluster(version: KafkaVersion): Promise<Cluster> {
  const kafka = await startKafka({ version });
  return {
    kafka,
    broker: kafka.brokers[0]!,
    workload: await startKafkaWorkload(kafka.bootstrap),
  };
}

async function stopCluster({ kafka, workload }: Cluster): Promise<void> {
  await workload.stop();
  await kafka.stop();
}

/** Half is written before the restart of the sidecar, half after it. Stops the sidecar. */
async function tierAndReadBack(
  { broker, workload }: Cluster,
  sidecar: RoleProcess,
  prefix: string,
): Promise<void> {
  const reader = new TieredReader(sidecar.grpc);
  try {
    await createTopics(workload, prefix);
    const early = await writeAll(workload, prefix, 0);
    await sidecar.restart();
    const late = await writeAll(workload, prefix, 1);
    const written = early.map((first, index) => joined(first, late[index]!));
    const { closedSegments } = await untilAllRemote({ broker, reader }, written, STALL_BOUND_MS);
    expect(closedSegments).toBeGreaterThanOrEqual(3 * written.length);
    await dropLocalHistory(workload, broker, written, STALL_BOUND_MS);
    for (const partition of written) await readBack(workload, reader, partition);
  } finally {
    reader.stop();
    await sidecar.stop();
  }
}

async function createTopics(workload: KafkaWorkload, prefix: string): Promise<void> {
  const configs = { 'segment.bytes': `${SEGMENT_BYTES}` };
  for (const topic of [`${prefix}-orders`, `${prefix}-payments`]) {
    await workload.createTopic({ topic, partitions: PARTITIONS, configs });
  }
}

function writeAll(workload: KafkaWorkload, prefix: string, half: number): Promise<Written[]> {
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  return Promise.all([
    ...partitions.map((partition) =>
      writePlain(workload, { topic: `${prefix}-orders`, partition }, half),
    ),
    ...partitions.map((partition) =>
      writeTransactions(workload, { topic: `${prefix}-payments`, partition }, half),
    ),
  ]);
}

async function writePlain(
  workload: KafkaWorkload,
  name: PartitionName,
  half: number,
): Promise<Written> {
  const run = await workload.produce({
    ...name,
    valueBytes: VALUE_BYTES,
    codec: CODECS[name.partition] ?? 'gzip',
    count: PLAIN_RECORDS / 2,
    startIndex: (half * PLAIN_RECORDS) / 2,
  });
  return { ...name, all: [run], committed: [run] };
}

async function writeTransactions(
  workload: KafkaWorkload,
  name: PartitionName,
  half: number,
): Promise<Written> {
  const [all, committed]: [Produced[], Produced[]] = [[], []];
  for (const [index, outcome] of TRANSACTIONS.slice(half * 3, half * 3 + 3).entries()) {
    const run = await workload.produceTransaction({
      ...name,
      outcome,
      transactionalId: `${name.topic}-${name.partition}`,
      valueBytes: VALUE_BYTES,
      count: TRANSACTION_RECORDS,
      startIndex: (half * 3 + index) * TRANSACTION_RECORDS,
    });
    all.push(run);
    if (outcome === 'commit') committed.push(run);
  }
  return { ...name, all, committed };
}

function joined(first: Written, second: Written): Written {
  const all = [...first.all, ...second.all];
  return { ...first, all, committed: [...first.committed, ...second.committed] };
}

/** From offset 0, at both isolations, record by record what was written: most of it from the store. */
async function readBack(
  workload: KafkaWorkload,
  reader: TieredReader,
  { topic, partition, all, committed }: Written,
): Promise<void> {
  const reads: readonly (readonly [Isolation, readonly Produced[]])[] = [
    ['read_uncommitted', all],
    ['read_committed', committed],
  ];
  for (const [isolation, runs] of reads) {
    const job = { topic, partition, isolation, fromOffset: 0n };
    const read = await reader.readTiers(workload, job, runs);
    const localStart = await workload.offset({ topic, partition }, 'earliest');
    expect(read.switchedAt).toBeGreaterThanOrEqual(localStart);
    expect(read).toEqual(expectedRead(runs, read.switchedAt));
  }
}
