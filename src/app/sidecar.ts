// The sidecar of one broker: started in the order in which one thing needs another, stopped in reverse.
import { readBrokerIdentity, type BrokerIdentity } from '../broker/broker-identity.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import { LogtierError } from '../base/errors.ts';
import { cacheMetrics } from '../cache/metrics.ts';
import { ChunkCache } from '../cache/chunk-cache.ts';
import { cachePlace } from '../cache/settings.ts';
import { Fetcher } from '../fetcher/fetcher.ts';
import { fetcherMetrics } from '../fetcher/metrics.ts';
import { serveHealth } from '../operator/health-server.ts';
import type { Clock } from '../platform/clock.ts';
import { diskError, type Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import { createMetrics, type MetricsRegistry } from '../platform/metrics.ts';
import type { Random } from '../platform/random.ts';
import { defaultServeSettings, serve } from '../rpc/serve.ts';
import { recordFetchService } from '../services/record-fetch.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { uploaderMetrics, type UploaderMetrics } from '../uploader/metrics.ts';
import { Uploader } from '../uploader/uploader.ts';
import { brokerOffsets, openBrokerView } from './broker-access.ts';
import { openMetastoreAccess, type MetastoreAccess } from './metastore-access.ts';
import { openStores, type OpenStores } from './open-stores.ts';
import { openOperatorPages, type OperatorParts } from './operator-pages.ts';
import { startProbeSweeper } from './probe-sweeper.ts';
import type { Settings } from './settings.ts';
import { lockInstance } from './single-instance.ts';
import { StopStack } from './stop-stack.ts';

export interface ProcessDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Running {
  /** gRPC and HTTP as bound. */
  readonly grpc: string;
  readonly http: string;
  /** Resolves with the reason when the process can go no further and must end. */
  readonly failed: Promise<LogtierError>;
  /** Idempotent. */
  stop(): Promise<void>;
}

export async function startSidecar(
  deps: ProcessDeps,
  settings: Settings,
  signal: AbortSignal,
): Promise<Running> {
  const stack = new StopStack(deps.logger);
  try {
    return await start(deps, settings, stack, signal);
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

/** What the later stages of the start stand on. */
export interface SidecarBase {
  readonly deps: ProcessDeps;
  readonly settings: Settings;
  readonly stack: StopStack;
  readonly identity: BrokerIdentity;
  readonly registry: MetricsRegistry;
  readonly fatal: FirstFailure;
  readonly metastore: MetastoreAccess;
  readonly stores: OpenStores;
  readonly broker: BrokerView;
}

async function start(
  deps: ProcessDeps,
  settings: Settings,
  stack: StopStack,
  signal: AbortSignal,
): Promise<Running> {
  const base = await openBase(deps, settings, stack, signal);
  const cache = await openCache(base, signal);
  const fetcher = openFetcher(base, cache);
  const metrics = base.registry.live(uploaderMetrics);
  const uploader = await startUploader(base, metrics);
  return serveSidecar(base, { fetcher, cache, uploader, uploaderMetrics: metrics });
}

async function openBase(
  deps: ProcessDeps,
  settings: Settings,
  stack: StopStack,
  signal: AbortSignal,
): Promise<SidecarBase> {
  if (settings.broker === undefined) throw noBroker();
  const identity = await readBrokerIdentity(deps.disk, settings.broker);
  const { clusterId, brokerId } = identity;
  const hint = 'one sidecar a broker: stop the other one first';
  const lock = await lockInstance(
    `the sidecar of broker ${brokerId}`,
    `${clusterId}/${brokerId}`,
    hint,
  );
  stack.push('lock', () => lock.release());
  await makeStateDirectory(deps.disk, settings.state.dir);
  const registry = createMetrics();
  const fatal = new FirstFailure();
  const stores = openStores({ ...deps, registry }, settings);
  stack.push('stores', () => Promise.resolve(stores.stop()));
  await requireStores(stores.byName, deps.clock, signal);
  stack.push('probe sweeper', startProbeSweeper(deps, stores.byName));
  const client = { clusterId, brokerId, instance: instanceName(deps.random) };
  const metastore = await openMetastoreAccess({ ...deps, stores: stores.byName }, settings, client);
  stack.push('metastore', () => metastore.stop());
  void metastore.embedded?.member.failed.then((error) => fatal.report(error));
  const broker = await openBrokerView(deps, identity, settings.broker.client);
  stack.push('broker', () => broker.stop());
  return { deps, settings, stack, identity, registry, fatal, metastore, stores, broker };
}

function noBroker(): LogtierError {
  return new LogtierError('INVALID_CONFIG', 'broker: is missing', {
    hint: 'name the broker of this host: broker.serverProperties, or broker.logDirs and broker.bootstrap',
  });
}

function openFetcher(base: SidecarBase, cache: ChunkCache): Fetcher {
  const { deps, settings, stack, registry } = base;
  const parts = {
    ...deps,
    lookup: base.metastore.view,
    broker: brokerOffsets(base.broker),
    stores: (name: string) => storeOf(base.stores, name),
    cache,
    metrics: registry.live(fetcherMetrics),
  };
  const fetcher = new Fetcher(parts, settings.fetcher);
  stack.push('fetcher', () => Promise.resolve(fetcher.stop()));
  return fetcher;
}

function storeOf(stores: OpenStores, name: string): ObjectStore {
  const store = stores.byName.get(name);
  if (store !== undefined) return store.objects;
  throw new LogtierError('STORE_REFUSED', `store '${name}' is not configured here`, {
    hint: 'segments live in it: keep it under stores',
  });
}

async function startUploader(base: SidecarBase, metrics: UploaderMetrics): Promise<Uploader> {
  const { deps, settings, stack, identity, metastore } = base;
  const uploader = new Uploader(
    {
      ...deps,
      broker: base.broker,
      ledger: metastore.ledger,
      view: metastore.uploaderView,
      eraseQueue: metastore.eraseQueue,
      metastoreClock: metastore.clock,
      stores: base.stores.byName,
      metrics,
      onFenced: (error) => base.fatal.report(error),
    },
    settings.uploader,
    { identity, logDirs: identity.logDirs, topics: settings.topics },
  );
  await uploader.start();
  stack.push('uploader', () => uploader.stop());
  return uploader;
}

async function serveSidecar(base: SidecarBase, parts: OperatorParts): Promise<Running> {
  const { deps, settings, stack, identity, registry } = base;
  const { clusterId, brokerId, logDirs } = identity;
  const pages = openOperatorPages(base, parts);
  const rpc = await serve(
    { clock: deps.clock, log: deps.logger },
    { ...defaultServeSettings, address: settings.listen.grpc },
    [recordFetchService(parts.fetcher, { clusterId }), pages.service],
  );
  stack.push('grpc', () => rpc.stop());
  const health = await serveHealth(
    {
      logger: deps.logger,
      notLive: () => pages.readiness.notLive(),
      notReady: () => pages.readiness.notReady(),
      metrics: () => registry.print(),
    },
    settings.listen.http,
  );
  stack.push('http', () => health.stop());
  const listening = { grpc: rpc.address, http: health.address };
  deps.logger.info({ clusterId, brokerId, ...listening, logDirs }, 'the sidecar runs');
  return { ...listening, failed: base.fatal.happened, stop: () => stack.stop() };
}

/** The first thing that ends the process; later ones only follow from it. */
class FirstFailure {
  readonly happened: Promise<LogtierError>;
  private resolve: (error: LogtierError) => void = () => undefined;

  constructor() {
    this.happened = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }

  report(error: LogtierError): void {
    this.resolve(error);
  }
}

function instanceName(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('base64url');
}

export async function makeStateDirectory(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.makeDirectory(directory);
  } catch (error) {
    const cause = diskError(error, `state.dir: ${directory} cannot be made`);
    throw new LogtierError('INVALID_CONFIG', cause.message, {
      hint: 'give a directory that this user may write',
      cause: error,
    });
  }
}

/** Longest wait at the start for each store; afterwards an outage only unreadies the process. */
const STORE_START_MS = 15_000;

/** A wrong store at the start is a wrong setting: better told now than found at night. */
async function requireStores(
  stores: ReadonlyMap<
    string,
    { readonly objects: { wallClockMs(signal: AbortSignal): Promise<number> } }
  >,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  for (const [name, { objects }] of stores) {
    const deadline = clock.deadline(STORE_START_MS, signal);
    try {
      await objects.wallClockMs(deadline.signal);
    } catch (error) {
      const known =
        error instanceof LogtierError && error.code !== 'DEADLINE_EXCEEDED'
          ? error.code
          : 'STORE_UNAVAILABLE';
      const why = error instanceof Error ? error.message : String(error);
      throw new LogtierError(known, `stores.${name}: ${why}`, {
        hint: `check every key of stores.${name}, and whether the store runs`,
        cause: error,
      });
    } finally {
      deadline.clear();
    }
  }
}

async function openCache(base: SidecarBase, signal: AbortSignal): Promise<ChunkCache> {
  const { deps, settings, registry, stack } = base;
  const isEmbedded = settings.metastore.endpoints === undefined;
  const place = cachePlace(settings.cache, settings.state.dir, isEmbedded);
  const metrics = registry.live(cacheMetrics);
  const cache = await ChunkCache.open({ ...deps, metrics }, settings.cache, place, signal);
  stack.push('cache', () => cache.stop());
  return cache;
}
