// Erases objects that no record names any more. Any live sidecar does it: the decision is in the log (rule 25).
//
//   ever finished     delete the key ─────────────────────────────────────────────────────────► erased
//   never finished    abandon its uploads, delete ── late window (rule 24) ── both again ─────► erased
//   prefix            delete what a listing finds ── wait ── two empty listings a wait apart ─► gone
import { LogtierError, reactionTo } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { UploaderMetrics } from './metrics.ts';
import type { EraserStatus } from './uploader-status.ts';
import type { ErasePrefixTask, EraseQueue, EraseTask } from './segment-ledger.ts';

/** A store and how long a writer of it may come late: S3 1 h, HDFS 24 h. */
export interface EraserStore {
  readonly objects: Pick<ObjectStore, 'delete' | 'abandon' | 'list'>;
  readonly lateWindowMs: number;
}

export interface EraserDeps {
  readonly queue: EraseQueue;
  /** By configured name; entries of other stores are left to sidecars that have them. */
  readonly stores: ReadonlyMap<string, EraserStore>;
  readonly clock: Clock;
  readonly metrics: UploaderMetrics;
  readonly logger: Logger;
}

export interface EraserSettings {
  readonly intervalMs: number;
}

export interface EraseReport {
  readonly erased: number;
  /** First passes over objects that were never finished. */
  readonly passed: number;
  /** Refused or unanswered; they stay queued. */
  readonly failed: number;
}

/** In one pass over one store: bounds memory and how long a lease is held. */
const BATCH_OBJECTS = 1_000;
/** Keys deleted for one listing of a prefix before the listing counts as not empty. */
const PREFIX_KEYS = 1_000;
/** Failures that are remembered for the operator's pages. */
const MOST_FAILURES = 1_000;
/** Refused entries are not asked for again sooner. */
const REFUSED_WAIT_MS = 10 * 60_000;
/** A pass renews it; who dies in mid-pass holds the others up no longer. */
const LEASE_MS = 5 * 60_000;

export class Eraser {
  private readonly deps: EraserDeps;
  private readonly settings: EraserSettings;
  private readonly stopping = new AbortController();
  /** When a refused entry may be tried again, by its key: one bad object must not hide the others. */
  private readonly refused = new Map<string, number>();
  private readonly failures = new Map<string, string>();
  private inHand: ReadonlySet<string> = new Set();
  private running: Promise<void> | undefined;

  constructor(deps: EraserDeps, settings: EraserSettings) {
    this.deps = deps;
    this.settings = settings;
  }

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new LogtierError('ABORTED', 'the eraser stops'));
    await this.running;
  }

  status(): EraserStatus {
    return { inHand: this.inHand, failures: this.failures };
  }

  /** One bounded pass over every store whose share is free. Store failures are counted, not thrown. */
  async pass(signal: AbortSignal): Promise<EraseReport> {
    let total: EraseReport = { erased: 0, passed: 0, failed: 0 };
    for (const [name, store] of this.deps.stores) {
      if (!(await this.deps.queue.lease(`erase/${name}`, LEASE_MS, signal))) continue;
      total = sum(total, await this.passStore(name, store, signal));
    }
    return total;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { clock, logger } = this.deps;
    while (!signal.aborted) {
      try {
        const report = await this.pass(signal);
        if (report.erased + report.passed > 0) logger.info({ ...report }, 'erased remote objects');
      } catch (error) {
        if (!signal.aborted) logger.warn({ error: String(error) }, 'an erase pass ended early');
      }
      await clock.sleep(this.settings.intervalMs, signal).catch(() => undefined);
    }
  }

  private async passStore(
    name: string,
    store: EraserStore,
    signal: AbortSignal,
  ): Promise<EraseReport> {
    this.forgetRefused();
    const limit = BATCH_OBJECTS + this.refused.size;
    const due = await this.deps.queue.due([name], limit, signal);
    const tasks = due.objects.filter((task) => !this.refused.has(task.objectKey));
    const { metrics } = this.deps;
    metrics.remote_delete_lag_segments.set(due.objects.length, { store: name });
    const dueBytes = due.objects.reduce((bytes, task) => bytes + task.objectBytes, 0);
    metrics.remote_delete_lag_bytes.set(dueBytes, { store: name });
    this.inHand = new Set(tasks.map(({ objectKey }) => objectKey));
    let report: EraseReport;
    try {
      report = await this.eraseObjects(name, store, tasks, signal);
    } finally {
      this.inHand = new Set();
    }
    for (const task of due.prefixes) {
      report = sum(report, await this.erasePrefix(name, store, task, signal));
    }
    return report;
  }

  private async eraseObjects(
    name: string,
    store: EraserStore,
    tasks: readonly EraseTask[],
    signal: AbortSignal,
  ): Promise<EraseReport> {
    const gone = await this.deleteAll(name, store, tasks, signal);
    let report: EraseReport = { erased: 0, passed: 0, failed: tasks.length - gone.length };
    for (const task of gone) {
      this.failures.delete(task.objectKey);
      // Positive that nobody writes: it was finished once, or a first pass lies a late window back.
      const isLast = task.everFinished || task.passes > 0;
      if (isLast) await this.deps.queue.erased(task, signal);
      else await this.deps.queue.passed(task, store.lateWindowMs, signal);
      report = sum(report, { erased: isLast ? 1 : 0, passed: isLast ? 0 : 1, failed: 0 });
    }
    return report;
  }

  /** The tasks whose object is certainly gone. */
  private async deleteAll(
    name: string,
    store: EraserStore,
    tasks: readonly EraseTask[],
    signal: AbortSignal,
  ): Promise<EraseTask[]> {
    const ready: EraseTask[] = [];
    for (const task of tasks) {
      if (await this.abandonUploads(name, store, task, signal)) ready.push(task);
    }
    if (ready.length === 0) return [];
    const keys = ready.map((task) => task.objectKey);
    this.deps.metrics.remote_delete_requests_total.add(keys.length, { store: name });
    try {
      const refusals = await store.objects.delete(keys, signal);
      for (const { key, reason } of refusals) this.refuse(name, key, reason);
      const refusedKeys = new Set(refusals.map(({ key }) => key));
      return ready.filter((task) => !refusedKeys.has(task.objectKey));
    } catch (error) {
      this.requireOurs(error, signal);
      for (const key of keys) this.fail(name, key, wordsOf(error));
      return [];
    }
  }

  private async abandonUploads(
    name: string,
    store: EraserStore,
    task: EraseTask,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (task.everFinished) return true;
    try {
      await store.objects.abandon(task.objectKey, task.uploadIds, signal);
      return true;
    } catch (error) {
      this.requireOurs(error, signal);
      this.fail(name, task.objectKey, wordsOf(error));
      return false;
    }
  }

  private async erasePrefix(
    name: string,
    store: EraserStore,
    task: ErasePrefixTask,
    signal: AbortSignal,
  ): Promise<EraseReport> {
    try {
      const keys: string[] = [];
      for await (const { key } of store.objects.list(task.keyPrefix, '', signal)) {
        keys.push(key);
        if (keys.length >= PREFIX_KEYS) break;
      }
      const refusals = keys.length === 0 ? [] : await store.objects.delete(keys, signal);
      for (const { key, reason } of refusals) this.refuse(name, key, reason);
      this.failures.delete(task.keyPrefix);
      const waitMs = keys.length === 0 ? store.lateWindowMs : 0;
      await this.deps.queue.listed(task, keys.length === 0, waitMs, signal);
      return { erased: keys.length - refusals.length, passed: 0, failed: refusals.length };
    } catch (error) {
      this.requireOurs(error, signal);
      this.fail(name, task.keyPrefix, wordsOf(error));
      return { erased: 0, passed: 0, failed: 1 };
    }
  }

  private refuse(store: string, key: string, reason: string): void {
    this.refused.set(key, this.deps.clock.monotonicMs() + REFUSED_WAIT_MS);
    this.fail(store, key, reason);
  }

  private fail(store: string, key: string, reason: string): void {
    this.deps.metrics.remote_delete_errors_total.add(1, { store });
    const [oldest] = this.failures.keys();
    if (oldest !== undefined && this.failures.size >= MOST_FAILURES) this.failures.delete(oldest);
    this.failures.delete(key);
    this.failures.set(key, reason);
    this.deps.logger.warn({ store, key, reason }, 'an object was not deleted; it stays queued');
  }

  private forgetRefused(): void {
    const nowMs = this.deps.clock.monotonicMs();
    for (const [key, untilMs] of this.refused) if (untilMs <= nowMs) this.refused.delete(key);
  }

  /** Store failures stay with their entry; a fired signal and bugs end the pass. */
  private requireOurs(error: unknown, signal: AbortSignal): void {
    if (signal.aborted || !(error instanceof LogtierError)) throw error;
    if (reactionTo(error) === 'stop') throw error;
  }
}

function sum(left: EraseReport, right: EraseReport): EraseReport {
  return {
    erased: left.erased + right.erased,
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
  };
}

function wordsOf(error: unknown): string {
  return error instanceof LogtierError ? `${error.code}: ${error.message}` : String(error);
}
