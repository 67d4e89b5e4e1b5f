// Writes test/golden/kafka anew: files of a real broker, and what Apache's own tools and consumer say of them.
// Usage: node --import tsx scripts/golden-kafka.ts
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { startKafka, type KafkaBroker } from '../test/support/testbeds/kafka.ts';
import {
  javaArgs,
  kafkaRuntime,
  type KafkaVersion,
} from '../test/support/testbeds/kafka-runtime.ts';
import {
  startKafkaWorkload,
  type Codec,
  type KafkaWorkload,
  type PartitionName,
  type TransactionJob,
} from '../test/support/testbeds/kafka-workload.ts';
import { pauseMs, runToEnd } from '../test/support/testbeds/processes.ts';
import type { GoldenFacts, ReadFacts } from '../test/support/golden-kafka.ts';

const VERSION: KafkaVersion = '4.3.1';
const GOLDEN = new URL('../test/golden/kafka', import.meta.url).pathname;
const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
/** Longer than the checkpoints' period of the testbed. */
const CHECKPOINTS_MS = 2_500;

const ROOT_FILES = [
  'meta.properties',
  'replication-offset-checkpoint',
  'recovery-point-offset-checkpoint',
  'log-start-offset-checkpoint',
];

const scratch = await fs.mkdtemp(join(tmpdir(), 'logtier-golden-'));
/** Of the next record: no two are alike. */
let nextIndex = 0;
try {
  await main();
} finally {
  await fs.rm(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const bed = await startKafka({ version: VERSION, directory: scratch });
  const [broker] = bed.brokers;
  if (broker === undefined) throw new Error('no broker');
  const workload = await startKafkaWorkload(bed.bootstrap);
  try {
    const ids = await createTopics(workload);
    await fill(workload);
    await broker.restart(); // a new leader epoch
    await fill(workload);
    await pauseMs(CHECKPOINTS_MS);
    const reads = await readAll(workload);
    await broker.stop(); // trims the indexes of the active segments too
    await fs.rm(GOLDEN, { recursive: true, force: true });
    const partitions = await copyFiles(broker, Object.keys(ids));
    const facts: GoldenFacts = { version: VERSION, clusterId: bed.clusterId, topicIds: ids, reads };
    await fs.writeFile(join(GOLDEN, 'facts.json'), `${JSON.stringify(facts, null, 2)}\n`);
    for (const partition of partitions) await dump(partition);
  } finally {
    await workload.stop();
    await bed.stop();
  }
}

async function createTopics(workload: KafkaWorkload): Promise<Record<string, string>> {
  const configs = { 'internal.segment.bytes': '20000', 'index.interval.bytes': '2048' };
  return {
    codecs: await workload.createTopic({ topic: 'codecs', partitions: CODECS.length, configs }),
    transactions: await workload.createTopic({ topic: 'transactions', configs }),
  };
}

/** Three transactions at once, so that some are open where others are decided, then one more after each. */
async function fill(workload: KafkaWorkload): Promise<void> {
  const small = { topic: 'codecs', valueBytes: 400, flushEvery: 5 };
  for (const [partition, codec] of CODECS.entries()) {
    await workload.produce({ ...small, partition, codec, count: 60, startIndex: nextIndex });
  }
  await transact(workload, 'first', 'commit', 12);
  await transact(workload, 'first', 'abort', 12);
  await Promise.all([
    transact(workload, 'first', 'abort', 60),
    transact(workload, 'second', 'commit', 20),
    transact(workload, 'third', 'abort', 10),
  ]);
  await transact(workload, 'second', 'abort', 5);
  nextIndex += 1000;
  const plain = { topic: 'transactions', partition: 0, valueBytes: 200, flushEvery: 5 };
  await workload.produce({ ...plain, count: 20, startIndex: nextIndex });
}

function transact(
  workload: KafkaWorkload,
  transactionalId: string,
  outcome: TransactionJob['outcome'],
  count: number,
): Promise<unknown> {
  nextIndex += 1000;
  const job = { topic: 'transactions', partition: 0, valueBytes: 300, flushEvery: 4 };
  return workload.produceTransaction({
    ...job,
    transactionalId,
    outcome,
    count,
    startIndex: nextIndex,
  });
}

async function readAll(workload: KafkaWorkload): Promise<ReadFacts[]> {
  const reads: ReadFacts[] = [];
  for (const partition of CODECS.keys()) {
    reads.push(await read(workload, { topic: 'codecs', partition }, 120));
  }
  const transactions = { topic: 'transactions', partition: 0 };
  reads.push(await read(workload, transactions, 2 * (12 + 12 + 60 + 20 + 10 + 5 + 20)));
  reads.push(await read(workload, transactions, 2 * (12 + 20 + 20), 'read_committed'));
  return reads;
}

async function read(
  workload: KafkaWorkload,
  partition: PartitionName,
  count: number,
  isolation: ReadFacts['isolation'] = 'read_uncommitted',
): Promise<ReadFacts> {
  const seen = await workload.consume({ ...partition, fromOffset: 0n, count, isolation });
  return {
    directory: `${partition.topic}-${partition.partition}`,
    isolation,
    count: seen.count,
    sha256: seen.sha256,
    logEnd: Number(await workload.offset(partition, 'latest')),
  };
}

async function copyFiles(broker: KafkaBroker, topics: readonly string[]): Promise<string[]> {
  const [logDir] = broker.logDirs;
  if (logDir === undefined) throw new Error('no log directory');
  await fs.mkdir(join(GOLDEN, 'data'), { recursive: true });
  for (const name of ROOT_FILES) await fs.copyFile(join(logDir, name), join(GOLDEN, 'data', name));
  const names = await fs.readdir(logDir);
  const wanted = names.filter((name) => topics.some((topic) => name.startsWith(`${topic}-`)));
  for (const name of wanted) {
    await fs.cp(join(logDir, name), join(GOLDEN, 'data', name), { recursive: true });
  }
  return wanted;
}

/** DumpLogSegments is the oracle: the broker's own reading of every file. */
async function dump(partition: string): Promise<void> {
  const runtime = await kafkaRuntime(VERSION);
  const directory = join(GOLDEN, 'data', partition);
  const names = (await fs.readdir(directory)).filter((name) => /^\d{20}\./.test(name)).toSorted();
  const files = names.map((name) => join(directory, name)).join(',');
  const text = await runToEnd({
    name: 'DumpLogSegments',
    command: 'java',
    args: [
      ...javaArgs(runtime, { heapMiB: 256, logsDir: scratch }),
      'org.apache.kafka.tools.DumpLogSegments',
      '--deep-iteration',
      '--files',
      files,
    ],
    logFile: join(scratch, 'dump.log'),
  });
  await fs.mkdir(join(GOLDEN, 'dumps'), { recursive: true });
  const local = text.replaceAll(`${directory}/`, '');
  await fs.writeFile(join(GOLDEN, 'dumps', `${basename(partition)}.txt`), local);
}
