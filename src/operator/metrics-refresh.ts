// Gauges that nobody moves as things happen: lag, head-room and sizes, worked out by looking again and again.
import { LogtierError } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { LoopDelay } from '../platform/loop-delay.ts';
import { topicId } from '../segment/ids.ts';
import type { UploaderMetrics } from '../uploader/metrics.ts';
import { findingCodes } from '../uploader/partition-state.ts';
import type { LocalPartitionStatus, UploaderStatus } from '../uploader/uploader-status.ts';
import { lagOf } from './lag.ts';
import type { OperatorMetrics } from './metrics.ts';
import type { RemoteCatalog } from './remote-catalog.ts';
import { remoteFacts } from './remote-facts.ts';

export interface MetricsRefreshDeps {
  readonly uploader: Pick<UploaderStatus, 'partitions' | 'findings'>;
  readonly catalog: Pick<RemoteCatalog, 'peek' | 'lag'>;
  readonly uploaderMetrics: UploaderMetrics;
  readonly operatorMetrics: OperatorMetrics;
  /** One of its own: what is taken from it is gone for others. */
  readonly loopDelay: LoopDelay;
  /** What /readyz says. */
  readonly notReady: () => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of one topic, over the partitions that this broker leads. */
interface TopicSums {
  lagBytes: number;
  lagSegments: number;
  lagMs: number;
  headroomMs: number;
  quarantined: number;
  remoteBytes: number;
  records: number;
}

/** Partitions looked at before others get a turn of the event loop. */
const PARTITIONS_AT_ONCE = 250;

export class MetricsRefresh {
  private readonly deps: MetricsRefreshDeps;
  private readonly settings: { readonly intervalMs: number };
  private readonly stopping = new AbortController();
  /** Monotonic: since when each segment has been owed. A reason changes; the debt is as old as it is. */
  private owedSinceMs = new Map<string, number>();
  private topics: ReadonlySet<string> = new Set();
  private codes: ReadonlySet<string> = new Set(Object.keys(findingCodes));
  private running: Promise<void> | undefined;

  constructor(deps: MetricsRefreshDeps, settings: { readonly intervalMs: number }) {
    this.deps = deps;
    this.settings = settings;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort(new LogtierError('ABORTED', 'the metrics stop'));
    await this.running;
  }

  /** One look. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { uploader, clock, operatorMetrics, loopDelay } = this.deps;
    const startedMs = clock.monotonicMs();
    const partitions = await uploader.partitions(undefined, signal);
    const topics = new Map<string, TopicSums>();
    const owed = new Map<string, number>();
    for (const [index, partition] of partitions.entries()) {
      if (isTiered(partition)) this.add(topics, partition, owed);
      if (index % PARTITIONS_AT_ONCE === PARTITIONS_AT_ONCE - 1) await clock.sleep(0, signal);
    }
    this.owedSinceMs = owed;
    this.setTopics(topics);
    this.setFindings(partitions);
    operatorMetrics.event_loop_delay_seconds.set(loopDelay.take().longestMs / 1_000);
    const { silentMs, revisions } = this.deps.catalog.lag();
    operatorMetrics.metastore_view_lag_seconds.set(silentMs / 1_000);
    operatorMetrics.metastore_view_lag_revisions.set(revisions);
    operatorMetrics.not_ready.set((await this.deps.notReady()).length);
    const tookMs = clock.monotonicMs() - startedMs;
    operatorMetrics.remote_log_size_computation_seconds.set(tookMs / 1_000);
  }

  private async run(): Promise<void> {
    const { clock, logger } = this.deps;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        await this.refresh(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ error: String(error) }, 'metrics were not refreshed');
      }
      await clock.sleep(this.settings.intervalMs, signal).catch(() => undefined);
    }
  }

  private add(
    topics: Map<string, TopicSums>,
    partition: LocalPartitionStatus,
    owed: Map<string, number>,
  ): void {
    const { clock, catalog } = this.deps;
    const sums = topics.get(partition.topic) ?? noSums();
    topics.set(partition.topic, sums);
    const lag = lagOf(partition);
    sums.lagBytes += lag.bytes;
    sums.lagSegments += lag.segments.length;
    for (const { startOffset, waiting } of lag.segments) {
      const key = `${partition.topic}:${partition.partition}:${startOffset}`;
      const nowMs = clock.monotonicMs();
      const toldMs = nowMs - Math.max(0, clock.wallMs() - (waiting?.sinceMs ?? clock.wallMs()));
      const sinceMs = Math.min(this.owedSinceMs.get(key) ?? toldMs, toldMs);
      owed.set(key, sinceMs);
      sums.lagMs = Math.max(sums.lagMs, nowMs - sinceMs);
    }
    const leftMs = (lag.deletableAtMs ?? Infinity) - clock.wallMs();
    sums.headroomMs = Math.min(sums.headroomMs, Math.max(0, leftMs));
    sums.quarantined += partition.segments.filter(({ state }) => state === 'quarantined').length;
    const id = partition.topicId;
    const snapshot =
      id === undefined
        ? undefined
        : catalog.peek({ topicId: topicId(id), partition: partition.partition });
    if (snapshot === undefined) return;
    sums.remoteBytes += remoteFacts(snapshot).shape.bytes;
    sums.records += snapshot.segments.length;
  }

  private setTopics(topics: ReadonlyMap<string, TopicSums>): void {
    const { uploaderMetrics } = this.deps;
    for (const topic of this.topics) if (!topics.has(topic)) this.removeTopic(topic);
    for (const [topic, sums] of topics) {
      // A counter that is not there until something happens looks like one that is broken.
      uploaderMetrics.remote_copy_bytes_total.add(0, { topic });
      uploaderMetrics.remote_copy_requests_total.add(0, { topic });
      uploaderMetrics.remote_copy_lag_bytes.set(sums.lagBytes, { topic });
      uploaderMetrics.remote_copy_lag_segments.set(sums.lagSegments, { topic });
      uploaderMetrics.remote_copy_lag_seconds.set(sums.lagMs / 1_000, { topic });
      uploaderMetrics.quarantined_segments.set(sums.quarantined, { topic });
      uploaderMetrics.remote_log_size_bytes.set(sums.remoteBytes, { topic });
      uploaderMetrics.remote_log_metadata_count.set(sums.records, { topic });
      // +Inf: nothing is at risk. An alert compares with "less than".
      uploaderMetrics.local_retention_headroom_seconds.set(sums.headroomMs / 1_000, { topic });
    }
    this.topics = new Set(topics.keys());
  }

  private removeTopic(topic: string): void {
    const metrics = this.deps.uploaderMetrics;
    metrics.remote_copy_lag_bytes.remove({ topic });
    metrics.remote_copy_lag_segments.remove({ topic });
    metrics.remote_copy_lag_seconds.remove({ topic });
    metrics.quarantined_segments.remove({ topic });
    metrics.remote_log_size_bytes.remove({ topic });
    metrics.remote_log_metadata_count.remove({ topic });
    metrics.local_retention_headroom_seconds.remove({ topic });
  }

  private setFindings(partitions: readonly LocalPartitionStatus[]): void {
    const { uploader, operatorMetrics } = this.deps;
    const counts = new Map<string, number>();
    const all = [...uploader.findings(), ...partitions.flatMap(({ findings }) => findings)];
    for (const { code } of all) counts.set(code, (counts.get(code) ?? 0) + 1);
    for (const code of this.codes) operatorMetrics.findings.set(0, { code });
    for (const [code, count] of counts) operatorMetrics.findings.set(count, { code });
    this.codes = new Set([...this.codes, ...counts.keys()]);
  }
}

function isTiered(partition: LocalPartitionStatus): boolean {
  return partition.isLeader && partition.rule !== undefined;
}

function noSums(): TopicSums {
  return {
    lagBytes: 0,
    lagSegments: 0,
    lagMs: 0,
    headroomMs: Infinity,
    quarantined: 0,
    remoteBytes: 0,
    records: 0,
  };
}
