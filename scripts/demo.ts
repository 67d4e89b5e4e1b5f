// The main job before your eyes: a real Kafka, more than 1 GiB of records, closed segments to a store, local ones
// deleted by the broker, and every record read back. Progress on stderr; the last line of stdout is the result.
// Usage: node --import tsx scripts/demo.ts
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dropLocalHistory, untilAllRemote } from '../test/support/local-log.ts';
import { startDev, type RoleProcess } from '../test/support/sidecar-process.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../test/support/testbeds/kafka-workload.ts';
import { startKafka, type KafkaBroker } from '../test/support/testbeds/kafka.ts';
import { TieredReader } from '../test/support/tiered-reader.ts';
import { countInInventory, countObjects } from './demo/count-remote.ts';
import { mib, Narrator, Rate } from './demo/narrator.ts';
import { readBack } from './demo/read-back.ts';
import { writeTopics, type WrittenPartition } from './demo/write-topics.ts';

const STALL_BOUND_MS = 120_000;

interface Result {
  readonly records: number;
  readonly readBack: number;
  readonly remoteSegments: number;
  readonly mismatches: number;
}

/** All that runs. */
interface Stage {
  readonly broker: KafkaBroker;
  readonly workload: KafkaWorkload;
  readonly dev: RoleProcess;
  readonly reader: TieredReader;
  readonly storeDirectory: string;
}

const narrator = new Narrator();
const scratch = fs.mkdtempSync(join(tmpdir(), 'logtier-demo-'));
process.on('exit', () => {
  fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(130));
}

try {
  const result = await onStage(demonstrate);
  const isRight = result.mismatches === 0 && result.records === result.readBack;
  process.stdout.write(`${JSON.stringify({ demo: isRight ? 'ok' : 'failed', ...result })}\n`);
  process.exitCode = isRight ? 0 : 1;
} catch (error) {
  narrator.say(`the demo failed: ${error instanceof Error ? error.stack : String(error)}`);
  process.stdout.write(`${JSON.stringify({ demo: 'failed' })}\n`);
  process.exitCode = 1;
}

/** Starts everything, and stops it in reverse whatever happens. */
async function onStage(play: (stage: Stage) => Promise<Result>): Promise<Result> {
  const stops: (() => Promise<void> | void)[] = [];
  const started = async <T extends { stop(): Promise<void> | void }>(
    starting: Promise<T> | T,
  ): Promise<T> => {
    const thing = await starting;
    stops.unshift(() => thing.stop());
    return thing;
  };
  try {
    narrator.say(
      'starting Kafka 4.3.1 (the first time on a machine it is fetched: a minute or two)',
    );
    const directory = join(scratch, 'kafka');
    const kafka = await started(startKafka({ version: '4.3.1', directory }));
    const [broker] = kafka.brokers;
    if (broker === undefined) throw new Error('no broker was started');
    const workload = await started(startKafkaWorkload(kafka.bootstrap));
    narrator.say(
      'starting `logtier dev`: sidecar and metastore in one process, a directory as store',
    );
    const storeDirectory = join(scratch, 'store');
    const home = { directory: join(scratch, 'logtier') };
    const dev = await started(startDev({ ...home, broker, storeDirectory }));
    const reader = await started(new TieredReader(dev.grpc));
    return await play({ broker, workload, dev, reader, storeDirectory });
  } finally {
    narrator.say('stopping everything and cleaning up');
    for (const stop of stops) await stop();
  }
}

async function demonstrate(stage: Stage): Promise<Result> {
  const { broker, workload, reader } = stage;
  narrator.say('writing: `orders` compressed by lz4, `payments` in transactions, some aborted');
  const written = await writeTopics(workload, narrator);
  await watchTiering(stage, written);
  narrator.say('shrinking local retention: the broker deletes its closed segments');
  await dropLocalHistory(workload, broker, written, STALL_BOUND_MS);
  const remoteSegments = await showInventory(stage);
  narrator.say(
    'reading every record back from offset 0: history from the store, the rest from Kafka',
  );
  const read = await readBack(workload, reader, written, narrator);
  const records = written.flatMap(({ all }) => all).reduce((sum, run) => sum + run.count, 0);
  return { records, readBack: read.records, remoteSegments, mismatches: read.mismatches };
}

async function watchTiering(
  { broker, reader }: Stage,
  written: readonly WrittenPartition[],
): Promise<void> {
  narrator.say('waiting until every closed segment is remote');
  const rate = new Rate();
  let before: number | undefined;
  const total = await untilAllRemote({ broker, reader }, written, STALL_BOUND_MS, (progress) => {
    before ??= progress.remoteBytes;
    const since = progress.remoteBytes - before;
    const of = `${progress.remoteSegments} of ${progress.closedSegments} segments`;
    const bytes = `${mib(progress.remoteBytes)} of ${mib(progress.closedBytes)}`;
    narrator.progress(() => `${of} remote, ${bytes}, ${rate.words(since)}`);
  });
  narrator.say(`all ${total.closedSegments} closed segments are remote: ${mib(total.closedBytes)}`);
}

/** By the command line, as an operator would; the store's own files must say the same. */
async function showInventory({ dev, storeDirectory }: Stage): Promise<number> {
  narrator.say('$ logtier inventory ls');
  narrator.show(await dev.cli('inventory', 'ls'));
  const told = countInInventory(await dev.cli('--output', 'json', 'inventory', 'ls'));
  const objects = await countObjects(storeDirectory);
  if (told !== objects) throw new Error(`the inventory counts ${told} segments, not ${objects}`);
  return objects;
}
