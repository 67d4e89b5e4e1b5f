// Load on a metastore group in a process of its own: writers that copy segments, three commits each, through
// the client that sidecars use. argv[2]: a `LoadConfig` as JSON. Says when it measures, then prints a `LoadResult`.
import { CommandChannel } from '../../src/metastore/client/command-channel.ts';
import {
  type CatalogTransport,
  grpcTransport,
} from '../../src/metastore/client/catalog-transport.ts';
import { MetastoreLedger } from '../../src/metastore/client/segment-ledger.ts';
import { metastoreClientSettings } from '../../src/metastore/client/settings.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { topicId } from '../../src/segment/ids.ts';
import { idNumber } from '../../test/support/metastore-catalog.ts';
import { claimRequest, intent, segmentName } from '../../test/support/metastore-world.ts';

export interface LoadConfig {
  readonly addresses: readonly string[];
  readonly clusterId: string;
  readonly writers: number;
  /** Sessions, each with a connection of its own, which the writers share. */
  readonly clients: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Partitions of a later load on the same group are others. */
  readonly firstPartition: number;
  /** All writers together; as many as they can when undefined. */
  readonly commitsPerSecond?: number;
}

export interface LoadResult {
  readonly commits: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest time without a commit. */
  readonly longestGapMs: number;
  readonly cpuSeconds: number;
}

/** Texts that bring the three commands of a copy to 256 bytes on average: S3's names are as long. */
const DIRECTORY = 'a-cluster-of-brokers/tiered-storage';
const UPLOAD_ID = 'u'.repeat(250);

const NEVER: AbortSignal = new AbortController().signal;
const config: LoadConfig = JSON.parse(process.argv[2] ?? '');
const { addresses, writers, clients, clusterId, firstPartition } = config;
const fromMs = performance.now() + config.warmupSeconds * 1000;
const untilMs = fromMs + config.seconds * 1000;
const took: number[] = [];
const ends: number[] = [];

/** The time between two commits of one writer. */
const everyMs = (1000 * writers) / (config.commitsPerSecond ?? Infinity);

async function timed(commit: Promise<unknown>): Promise<void> {
  const begun = performance.now();
  await commit;
  const end = performance.now();
  if (end >= fromMs && end < untilMs) {
    took.push(end - begun);
    ends.push(end);
  }
  if (everyMs > 0) await until(begun + everyMs * (0.5 + Math.random()));
}

async function write(ledger: MetastoreLedger, partition: number): Promise<void> {
  const id = { topicId: topicId(idNumber(partition)), partition };
  const claim = await ledger.claim(claimRequest({ id, topic: `orders-${partition}` }), NEVER);
  const first = Math.floor(Date.now() / 1000) % 1_000_000;
  for (let number = first * 1_000; performance.now() < untilMs; number += 1) {
    const name = segmentName(number);
    const objectKey = `${DIRECTORY}/orders-${id.topicId}/${partition}/${name}.segment`;
    await timed(ledger.startCopy(claim, { ...intent(number), ...id, objectKey }, NEVER));
    await timed(ledger.recordUpload(claim, name, UPLOAD_ID, NEVER));
    await timed(ledger.finishCopy(claim, name, NEVER));
  }
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const until = (atMs: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(atMs - performance.now(), 0)));

const opened = Array.from({ length: clients }, (_, at) => {
  const transport: CatalogTransport & { stop(): void } = grpcTransport(systemClock, addresses);
  const identity = { clusterId, brokerId: at, instance: `load ${firstPartition} ${at}` };
  const deps = { transport, clock: systemClock, random: systemRandom, logger: silentLogger };
  const channel = new CommandChannel(deps, metastoreClientSettings.parse({}), identity);
  return { transport, channel, ledger: new MetastoreLedger(channel, 'watch') };
});
const writing = Promise.all(
  Array.from({ length: writers }, (_, at) =>
    write(opened[at % clients]!.ledger, firstPartition + at),
  ),
);
await until(fromMs);
const cpuBefore = cpuSeconds();
say('measuring');
await until(untilMs);
const cpu = cpuSeconds() - cpuBefore;
say('measured');
await writing;
for (const { channel, transport } of opened) {
  await channel.stop();
  transport.stop();
}
took.sort((left, right) => left - right);
ends.sort((left, right) => left - right);
const marks = [fromMs, ...ends, untilMs];
const result: LoadResult = {
  commits: took.length,
  seconds: config.seconds,
  p50Ms: took[Math.floor(took.length / 2)] ?? Number.NaN,
  p99Ms: took[Math.floor(took.length * 0.99)] ?? Number.NaN,
  longestGapMs: Math.max(...marks.slice(1).map((end, at) => end - (marks[at] ?? end))),
  cpuSeconds: cpu,
};
say(result);
