// From settings to a store that retries, counts and keeps to the upload limit.
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { Random } from '../platform/random.ts';
import { meteredStore } from './decorators/metered.ts';
import type { UploadLimit } from './decorators/rate-limited.ts';
import { rateLimitedStore } from './decorators/rate-limited.ts';
import type { RetrySettings } from './decorators/retrying.ts';
import { retryingStore } from './decorators/retrying.ts';
import { FilesystemStore } from './filesystem/filesystem-store.ts';
import { asNamed, openHdfsStore } from './hdfs/hdfs-store.ts';
import type { StoreMetrics } from './metrics.ts';
import type { ObjectStore } from './object-store.ts';
import { S3Store } from './s3/s3-store.ts';
import type { StoreSettings } from './settings.ts';

export interface OpenStoreDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  readonly metrics: StoreMetrics;
  /** One for all stores of the process. */
  readonly uploadLimit: UploadLimit;
}

export interface NamedStoreSettings {
  /** Its key under `stores:`; the `store` label of metrics. */
  readonly name: string;
  readonly store: StoreSettings;
  readonly retry: RetrySettings;
}

export interface OpenedStore {
  readonly store: ObjectStore;
  /** Closes idle connections; calls in flight fail. */
  readonly stop: () => void;
}

function openHome(deps: OpenStoreDeps, settings: StoreSettings): OpenedStore {
  switch (settings.kind) {
    case 'filesystem':
      return { store: new FilesystemStore(deps, settings), stop: () => undefined };
    case 's3': {
      const store = new S3Store(deps, settings);
      return {
        store,
        stop: () => {
          store.stop();
        },
      };
    }
    case 'hdfs': {
      const hdfsDeps = { clock: deps.clock, random: deps.random, reachDataNode: asNamed };
      return { store: openHdfsStore(hdfsDeps, settings), stop: () => undefined };
    }
  }
}

/** Opens no connection and asks nothing: a store that is down is found by the first call, or by `probe`. */
export function openStore(deps: OpenStoreDeps, settings: NamedStoreSettings): OpenedStore {
  const home = openHome(deps, settings.store);
  const limited = rateLimitedStore(deps.uploadLimit, home.store);
  const metered = meteredStore(deps, settings.name, limited);
  return { store: retryingStore(deps, settings.retry, metered), stop: home.stop };
}
