// Loads partitions into a store, a few at once, each until it succeeds or nobody wants it any more.
import { backoffMs } from '../../base/backoff.ts';
import { LogtierError } from '../../base/errors.ts';
import type { PartitionRow } from '../../gen/logtier/v1/catalog_command.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import { type PartitionId, partitionKey, type Revision } from '../../segment/ids.ts';
import type { SegmentRecord } from '../../segment/segment-record.ts';
import type { CatalogTransport } from './catalog-transport.ts';
import { recordOf, revisionOf } from './records.ts';
import type { MetastoreClientSettings } from './settings.ts';
import type { LoadedPartition, ViewStore } from './view-store.ts';

export interface LoaderDeps {
  readonly transport: CatalogTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Queued {
  readonly store: ViewStore;
  readonly id: PartitionId;
}

export class PartitionLoader {
  private readonly deps: LoaderDeps;
  private readonly settings: MetastoreClientSettings;
  private readonly clusterId: string;
  private readonly onLoaded: () => void;
  private readonly queue = new Map<string, Queued>();
  private readonly running = new Set<Promise<void>>();

  constructor(
    deps: LoaderDeps,
    settings: MetastoreClientSettings,
    clusterId: string,
    onLoaded: () => void,
  ) {
    this.deps = deps;
    this.settings = settings;
    this.clusterId = clusterId;
    this.onLoaded = onLoaded;
  }

  /** Queues a load into `store`, which has a position. */
  load(store: ViewStore, id: PartitionId, signal: AbortSignal): void {
    this.queue.set(partitionKey(id), { store, id });
    this.startNext(signal);
  }

  /** Loads that have not begun; those under way find their partition dropped. */
  forget(id: PartitionId): void {
    this.queue.delete(partitionKey(id));
  }

  async settled(): Promise<void> {
    this.queue.clear();
    await Promise.all(this.running);
  }

  private startNext(signal: AbortSignal): void {
    if (this.running.size >= this.settings.loadsInFlight || signal.aborted) return;
    const [next] = this.queue;
    if (next === undefined) return;
    const [key, { store, id }] = next;
    this.queue.delete(key);
    const load = this.untilLoaded(store, id, signal).finally(() => {
      this.running.delete(load);
      this.onLoaded();
      this.startNext(signal);
    });
    this.running.add(load);
  }

  private async untilLoaded(store: ViewStore, id: PartitionId, signal: AbortSignal): Promise<void> {
    store.beginLoad(id);
    for (let attempt = 0; !signal.aborted && store.isLoading(id); attempt += 1) {
      try {
        if (store.finishLoad(id, await this.list(id, signal))) return;
      } catch (error) {
        const { clock, random, logger } = this.deps;
        const waitMs = backoffMs(this.settings, attempt, random.share());
        logger.debug({ ...id, attempt, waitMs, reason: String(error) }, 'a partition did not load');
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  private async list(id: PartitionId, signal: AbortSignal): Promise<LoadedPartition> {
    const request = { clusterId: this.clusterId, partition: { ...id } };
    const segments: SegmentRecord[] = [];
    let row: PartitionRow | undefined;
    let revision: Revision | undefined;
    for await (const page of this.deps.transport.listSegments(request, signal)) {
      row = page.partition ?? row;
      revision = revisionOf(page.revision);
      segments.push(...page.segments.map(recordOf));
      if (page.last) return { revision, row, segments };
    }
    throw new LogtierError('METASTORE_UNAVAILABLE', 'the list of segments broke off');
  }
}
