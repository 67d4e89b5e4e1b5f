import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';
import type { Random } from '../platform/random.ts';
import { UploadLimit } from '../store/decorators/rate-limited.ts';
import { storeMetrics } from '../store/metrics.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { openStore } from '../store/open-store.ts';
import type { StoreSettings } from '../store/settings.ts';
import type { Settings } from './settings.ts';

/** How late a writer may still come, by kind of store (safety rule 24). */
const LATE_WINDOW_MS: Record<StoreSettings['kind'], number> = {
  filesystem: 3_600_000,
  s3: 3_600_000,
  hdfs: 86_400_000,
};

export interface NamedStore {
  readonly objects: ObjectStore;
  readonly lateWindowMs: number;
}

export interface OpenStores {
  readonly byName: ReadonlyMap<string, NamedStore>;
  stop(): void;
}

export interface StoresDeps {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly random: Random;
  readonly registry: MetricsRegistry;
}

export function openStores(
  deps: StoresDeps,
  settings: Pick<Settings, 'stores' | 'transfer'>,
): OpenStores {
  const { transfer } = settings;
  const uploadLimit = new UploadLimit(deps.clock, transfer.uploadBytesPerSecond);
  const metrics = deps.registry.live(storeMetrics);
  const opened = Object.entries(settings.stores).map(([name, store]) => ({
    name,
    lateWindowMs: LATE_WINDOW_MS[store.kind],
    ...openStore({ ...deps, metrics, uploadLimit }, { name, store, retry: transfer }),
  }));
  return {
    byName: new Map(
      opened.map(({ name, store, lateWindowMs }) => [name, { objects: store, lateWindowMs }]),
    ),
    stop: () => {
      for (const { stop } of opened) stop();
    },
  };
}
