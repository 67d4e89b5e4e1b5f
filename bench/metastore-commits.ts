// Commands a second of a whole metastore, RocksDB and a log on disk, against the disk's own fdatasync rate.
//
// BENCH_DIR: where, instead of the directory for temporary files. BENCH_SECONDS: of each case, 5 by default.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandChannel } from '../src/metastore/client/command-channel.ts';
import { metastoreClientSettings } from '../src/metastore/client/settings.ts';
import { type CatalogTransport, grpcTransport } from '../src/metastore/client/catalog-transport.ts';
import { memberSettings } from '../src/metastore/member/settings.ts';
import { openAlone } from '../test/support/open-alone.ts';
import { catalogRpc } from '../src/metastore/service/catalog-rpc.ts';
import { catalogService } from '../src/metastore/service/catalog-service.ts';
import { systemClock } from '../src/platform/clock.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { silentLogger } from '../src/platform/log.ts';
import { systemRandom } from '../src/platform/random.ts';
import { defaultServeSettings, serve } from '../src/rpc/serve.ts';
import { claimRequest, intent, segmentName } from '../test/support/metastore-world.ts';
import { MetastoreLedger } from '../src/metastore/client/segment-ledger.ts';
import { topicId } from '../src/segment/ids.ts';
import { idNumber } from '../test/support/metastore-catalog.ts';
import { measureFdatasync } from './limits/fdatasync.ts';
import { type BenchLine, benchLine } from './support/bench-line.ts';

const NAME = 'metastore-commits';
const NEVER: AbortSignal = new AbortController().signal;
const WRITERS = [1, 16, 128];
const caseMs = Number(process.env['BENCH_SECONDS'] ?? 5) * 1000;

interface World {
  readonly transport: CatalogTransport;
  readonly fdatasyncPerSecond: number;
  readonly name: string;
}

let clients = 0;

function channel(transport: CatalogTransport): CommandChannel {
  clients += 1;
  const deps = { transport, clock: systemClock, random: systemRandom, logger: silentLogger };
  const identity = { clusterId: 'bench', brokerId: clients, instance: `bench ${clients}` };
  return new CommandChannel(deps, metastoreClientSettings.parse({}), identity);
}

/** One writer: copies segments of a partition of its own, two commands each, one after the other. */
async function write(ledger: MetastoreLedger, partition: number, untilMs: number): Promise<number> {
  const id = { topicId: topicId(idNumber(partition)), partition };
  const claim = await ledger.claim(claimRequest({ id, topic: `orders-${partition}` }), NEVER);
  let commands = 0;
  for (let number = 0; performance.now() < untilMs; number += 1) {
    const name = segmentName(number);
    const objectKey = `tier/bench/orders-${id.topicId}/${partition}/${name}.segment`;
    await ledger.startCopy(claim, { ...intent(number), ...id, objectKey }, NEVER);
    await ledger.finishCopy(claim, name, NEVER);
    commands += 2;
  }
  return commands;
}

/** `shared`: all writers in one client, whose commands go together; else a client each. */
async function measure(world: World, writers: number, shared: boolean): Promise<BenchLine> {
  const channels = Array.from({ length: shared ? 1 : writers }, () => channel(world.transport));
  const ledgers = channels.map((one) => new MetastoreLedger(one, 'watch'));
  const first = clients * 1_000;
  const begun = performance.now();
  const counts = await Promise.all(
    Array.from({ length: writers }, (_, at) =>
      write(ledgers[at % ledgers.length]!, first + at, begun + caseMs),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  for (const one of channels) await one.stop();
  const name = `${world.name}, ${writers} writers, ${shared ? 'batched' : 'a client each'}`;
  const value = counts.reduce((sum, count) => sum + count, 0) / seconds;
  return benchLine(NAME, { case: name, value, unit: 'commands/s' }, world.fdatasyncPerSecond);
}

async function* measureAll(world: World): AsyncGenerator<BenchLine> {
  for (const writers of WRITERS) {
    yield await measure(world, writers, true);
    if (writers > 1) yield await measure(world, writers, false);
  }
}

export async function* run(): AsyncGenerator<BenchLine> {
  const directory = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'metastore-commits-'));
  try {
    const { perSecond: fdatasyncPerSecond } = await measureFdatasync(directory, 3_000);
    const deps = {
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      log: silentLogger,
    };
    const metastore = await openAlone(deps, memberSettings.parse({}), join(directory, 'state'));
    const service = catalogService(metastore.member);
    const settings = { ...defaultServeSettings, address: `unix:${directory}/socket` };
    const server = await serve(deps, settings, [catalogRpc(service)]);
    const transport = grpcTransport(systemClock, [server.address]);
    const worlds: World[] = [
      { name: 'embedded', transport: service, fdatasyncPerSecond },
      { name: 'gRPC', transport, fdatasyncPerSecond },
    ];
    for (const world of worlds) yield* measureAll(world);
    transport.stop();
    await server.stop();
    await metastore.stop();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
