// What operators look at: the gRPC service, readiness and the metrics that are computed now and then.
import { decompress } from '../base/decompress.ts';
import type { ChunkCache } from '../cache/chunk-cache.ts';
import type { Fetcher } from '../fetcher/fetcher.ts';
import { MetricsRefresh } from '../operator/metrics-refresh.ts';
import { operatorMetrics } from '../operator/metrics.ts';
import { Readiness } from '../operator/readiness.ts';
import { diskSpaceOf } from '../platform/disk-space.ts';
import { watchLoopDelay } from '../platform/loop-delay.ts';
import type { RpcService } from '../rpc/serve.ts';
import { operatorService } from '../services/operator.ts';
import type { UploaderMetrics } from '../uploader/metrics.ts';
import type { Uploader } from '../uploader/uploader.ts';
import { remoteCatalog } from './remote-catalog.ts';
import { remoteRecords } from './remote-records.ts';
import type { SidecarBase } from './sidecar.ts';
import { VERSION } from './version.ts';

/** Longest waits of a page for what it can do without. */
const BROKER_WAIT_MS = 3_000;
const METASTORE_WAIT_MS = 5_000;
/** All checks of `doctor` together, which run side by side; the command line waits 30 s. */
const CHECK_MS = 15_000;
/** How long an answer of a store or the broker counts for /readyz. */
const ANSWER_MS = 10_000;
const READY_WAIT_MS = 3_000;
const METRICS_EVERY_MS = 15_000;

export interface OperatorParts {
  readonly fetcher: Fetcher;
  readonly cache: ChunkCache;
  readonly uploader: Uploader;
  readonly uploaderMetrics: UploaderMetrics;
}

export interface OperatorPages {
  readonly service: RpcService;
  readonly readiness: Readiness;
}

export function openOperatorPages(base: SidecarBase, parts: OperatorParts): OperatorPages {
  const { deps, settings, identity, metastore, broker, registry, stack } = base;
  const { uploader, fetcher, cache } = parts;
  const catalog = remoteCatalog(metastore);
  const stores = new Map([...base.stores.byName].map(([name, { objects }]) => [name, objects]));
  const { freshMs } = settings.metastore.client;
  const { headroomAlarmMs } = settings.uploader;
  const { logDirs } = identity;
  const service = operatorService(
    {
      ...deps,
      uploader,
      catalog,
      acts: metastore.acts,
      broker,
      stores,
      remote: remoteRecords(fetcher),
      decompress,
      diskSpace: diskSpaceOf,
      cache: () => cacheState(cache),
    },
    {
      ...identity,
      brokerWaitMs: BROKER_WAIT_MS,
      metastoreWaitMs: METASTORE_WAIT_MS,
      headroomAlarmMs,
      stateDir: settings.state.dir,
      checkMs: CHECK_MS,
      freshMs,
    },
  );
  const loopDelay = watchLoopDelay();
  const readiness = new Readiness(
    { ...deps, uploader, catalog, broker, stores, loopDelay },
    { logDirs, freshMs, answerMs: ANSWER_MS, waitMs: READY_WAIT_MS },
  );
  const metricsDelay = watchLoopDelay();
  const live = registry.live(operatorMetrics);
  live.build_info.set(1, { version: VERSION, role: 'sidecar' });
  const refresh = new MetricsRefresh(
    {
      ...deps,
      uploader,
      catalog,
      uploaderMetrics: parts.uploaderMetrics,
      operatorMetrics: live,
      loopDelay: metricsDelay,
      notReady: () => readiness.notReady(),
    },
    { intervalMs: METRICS_EVERY_MS },
  );
  refresh.start();
  stack.push('pages', async () => {
    await refresh.stop();
    readiness.stop();
    loopDelay.stop();
    metricsDelay.stop();
  });
  return { service, readiness };
}

function cacheState(cache: ChunkCache): { isOn: boolean; words: string } {
  return cache.hasDiskTier
    ? { isOn: true, words: 'chunks are kept in the slot file' }
    : {
        isOn: false,
        words: 'no disk tier: cache.sizeBytes is 0B, or the disk failed; see the log',
      };
}
