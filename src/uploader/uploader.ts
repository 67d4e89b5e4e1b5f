// The uploader of one broker, watch mode: what is local, who leads, what is missing, copy it. Start here for the loops;
// copy-segment.ts has the walk of one segment.
import { LogtierError } from '../base/errors.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import type { PartitionSnapshot } from '../segment/segment-record.ts';
import { CopyQueue } from './copy-queue.ts';
import {
  runCopyWorkers,
  type PartitionCopy,
  type UploadStore,
  type WorkerIdentity,
} from './copy-workers.ts';
import { Eraser } from './eraser.ts';
import { leaderProbe } from './leader-probe.ts';
import { Leadership } from './leadership.ts';
import { localDeadlines } from './local-deadlines.ts';
import { localPartitionStatus } from './local-status.ts';
import type { LocalDirectory } from './local-directory.ts';
import type { UploaderMetrics } from './metrics.ts';
import { PartitionState, type PartitionFinding } from './partition-state.ts';
import { planPartition, type PartitionDeps, type PartitionPlan } from './partition-uploader.ts';
import { RetentionPass } from './retention-pass.ts';
import { SegmentWatcher } from './segment-watcher.ts';
import type { EraseQueue, MetastoreClock } from './segment-ledger.ts';
import type { TopicSettings, UploaderSettings } from './settings.ts';
import { topicRules, type TopicRules } from './topic-rules.ts';
import type {
  CopyTask,
  EraserStatus,
  LocalPartitionStatus,
  UploaderStatus,
} from './uploader-status.ts';

export interface UploaderDeps extends Omit<PartitionDeps, 'leadership' | 'stores'> {
  readonly metrics: UploaderMetrics;
  readonly stores: ReadonlyMap<string, UploadStore>;
  readonly eraseQueue: EraseQueue;
  readonly metastoreClock: MetastoreClock;
}

export interface UploaderOptions {
  readonly identity: WorkerIdentity;
  readonly logDirs: readonly string[];
  readonly topics: readonly TopicSettings[];
}

/** Partitions stepped at once: each waits mostly for the metastore, whose client sends what waits together. */
const STEPS_AT_ONCE = 16;

/** Until a partition that found the queue full asks again. */
const FULL_QUEUE_MS = 1_000;

export class Uploader implements UploaderStatus {
  private readonly deps: UploaderDeps;
  private readonly settings: UploaderSettings;
  private readonly options: UploaderOptions;
  private readonly rules: TopicRules;
  private readonly states = new Map<string, PartitionState>();
  private readonly dirty = new Set<PartitionState>();
  private readonly stepping = new Set<PartitionState>();
  private readonly steps = new Set<Promise<void>>();
  private readonly queue: CopyQueue<PartitionCopy>;
  private readonly watcher: SegmentWatcher;
  private readonly leadership: Leadership;
  private readonly eraser: Eraser;
  private readonly retention: RetentionPass;
  private readonly stopping = new AbortController();
  private readonly running: Promise<unknown>[] = [];
  private hasLooked = false;

  constructor(deps: UploaderDeps, settings: UploaderSettings, options: UploaderOptions) {
    this.deps = {
      ...deps,
      onFenced: (error) => {
        this.giveWay(error, deps.onFenced);
      },
    };
    this.settings = settings;
    this.options = options;
    this.rules = topicRules(options.topics);
    this.queue = new CopyQueue(settings.queueLimit);
    this.leadership = new Leadership(deps);
    this.watcher = new SegmentWatcher(
      deps,
      { logDirs: options.logDirs, scanIntervalMs: settings.scanIntervalMs },
      {
        changed: (directory) => this.onChanged(directory),
        gone: (directory) => this.onGone(directory),
      },
    );
    const queue = deps.eraseQueue;
    this.eraser = new Eraser({ ...deps, queue }, { intervalMs: settings.eraseIntervalMs });
    this.retention = new RetentionPass(deps, settings.retentionGraceMs);
  }

  /** Resolves when the first look at the disks is done; everything else goes on behind it. */
  async start(): Promise<void> {
    await this.watcher.start();
    this.hasLooked = true;
    const { signal } = this.stopping;
    const workers = {
      ...this.deps,
      queue: this.queue,
      leader: leaderProbe(this.deps.broker),
      onEnd: (state: PartitionState) => {
        this.mark(state);
      },
    };
    this.eraser.start();
    this.running.push(
      runCopyWorkers(workers, this.settings, this.options.identity, signal),
      this.every(this.settings.leadershipIntervalMs, () => this.step()),
      this.every(this.settings.retentionIntervalMs, () => this.retentionRound()),
    );
  }

  async stop(): Promise<void> {
    this.stopping.abort(new LogtierError('ABORTED', 'the uploader stops'));
    await Promise.all([...this.running, this.watcher.stop(), this.eraser.stop()]);
    await Promise.all(this.steps);
  }

  async partitions(
    topic: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly LocalPartitionStatus[]> {
    const wanted = [...this.states.values()].filter(
      (state) => topic === undefined || state.directory.topic === topic,
    );
    signal.throwIfAborted();
    const deps = {
      ...this.deps,
      leadership: this.leadership,
      queue: this.queue,
      peek: (state: PartitionState) => this.peek(state),
    };
    return mapAtOnce(wanted, STEPS_AT_ONCE, (state) => localPartitionStatus(deps, state));
  }

  tasks(): { copies: readonly CopyTask[]; queued: number } {
    const copies = [...this.states.values()].flatMap(({ directory, inFlight }) =>
      inFlight === undefined
        ? []
        : [{ topic: directory.topic, partition: directory.partition, ...inFlight }],
    );
    return { copies, queued: this.queue.size };
  }

  erasures(): EraserStatus {
    return this.eraser.status();
  }

  findings(): readonly PartitionFinding[] {
    const unreachable = this.leadership.unreachable();
    const ofBroker: readonly PartitionFinding[] =
      unreachable === undefined ? [] : [{ code: 'BROKER_UNREACHABLE', ...unreachable }];
    return [...this.watcher.findings(), ...ofBroker];
  }

  async releaseClaim(topic: string, partition: number, signal: AbortSignal): Promise<void> {
    const state = [...this.states.values()].find(
      ({ directory }) => directory.topic === topic && directory.partition === partition,
    );
    if (state?.claim === undefined)
      throw new LogtierError('NOT_FOUND', `this sidecar holds no claim on ${topic}-${partition}`);
    await this.deps.ledger.release(state.claim, signal);
    state.dropClaim();
  }

  notReady(): readonly string[] {
    const unreachable = this.leadership.unreachable();
    const complaints = this.watcher.findings().filter(({ code }) => code === 'LOG_DIR_FAILED');
    return [
      ...(this.hasLooked ? [] : ['the log directories are not looked at yet']),
      ...(unreachable === undefined ? [] : [unreachable.text]),
      ...complaints.map(({ text }) => text),
    ];
  }

  /** A younger process of this broker took over: nothing is asked or claimed from here on (rule 27). */
  private giveWay(error: LogtierError, tell: (error: LogtierError) => void): void {
    if (!this.stopping.signal.aborted) this.stopping.abort(error);
    tell(error);
  }

  private peek({ topicId, directory }: PartitionState): PartitionSnapshot | undefined {
    return topicId === undefined
      ? undefined
      : this.deps.view.peek({ topicId, partition: directory.partition });
  }

  private onChanged(directory: LocalDirectory): void {
    const known = this.states.get(directory.path);
    if (known !== undefined) {
      known.directory = directory;
      this.mark(known);
      return;
    }
    const state = new PartitionState(directory);
    state.rule = this.rules(directory.topic);
    this.states.set(directory.path, state);
    this.mark(state);
  }

  private onGone(directory: LocalDirectory): void {
    const state = this.states.get(directory.path);
    if (state === undefined) return;
    this.states.delete(directory.path);
    this.dirty.delete(state);
    this.dropQueued(state);
    // Moved to another log directory, which may have been seen first: its copies were queued under the same id.
    for (const other of this.states.values()) {
      const { topic, partition } = other.directory;
      if (topic === directory.topic && partition === directory.partition) this.mark(other);
    }
  }

  private dropQueued({ topicId, directory }: PartitionState): void {
    if (topicId !== undefined) this.queue.replace({ topicId, partition: directory.partition }, []);
  }

  private mark(state: PartitionState): void {
    if (this.states.get(state.directory.path) !== state) return;
    this.dirty.add(state);
    if (this.hasLooked && !this.stopping.signal.aborted) this.beginSteps();
  }

  /** Asks the broker, then steps whatever changed or is due. */
  private async step(): Promise<void> {
    const topics = [...new Set([...this.states.values()].map(({ directory }) => directory.topic))];
    await this.leadership.refresh(topics, this.stopping.signal);
    for (const state of this.states.values()) if (this.isDue(state)) this.dirty.add(state);
    this.beginSteps();
  }

  /** Not awaited: a metastore that does not answer must not keep us from asking who leads. */
  private beginSteps(): void {
    const steps = this.stepDirty().finally(() => {
      this.steps.delete(steps);
    });
    this.steps.add(steps);
  }

  private isDue(state: PartitionState): boolean {
    if (state.blocked !== undefined) return true;
    const { topic, partition } = state.directory;
    const belief = this.leadership.belief(topic, partition);
    if (belief?.isLeader !== true || belief.leaderEpoch !== state.claim?.leaderEpoch) return true;
    const nowMs = this.deps.clock.monotonicMs();
    return [...state.waits.values()].some(({ notBeforeMs }) => notBeforeMs <= nowMs);
  }

  private async stepDirty(): Promise<void> {
    const nowMs = this.deps.clock.monotonicMs();
    const due = [...this.dirty].filter(
      (state) => !this.stepping.has(state) && state.notBeforeMs <= nowMs,
    );
    for (const state of due) {
      this.dirty.delete(state);
      this.stepping.add(state);
    }
    await mapAtOnce(due, STEPS_AT_ONCE, async (state) => {
      try {
        await this.stepOne(state);
      } catch (error) {
        const { signal } = this.stopping;
        if (!signal.aborted)
          this.deps.logger.error({ partition: state.name, error: String(error) }, 'a step failed');
      } finally {
        this.stepping.delete(state);
      }
    });
    // What changed while it was stepped is stepped again.
    if (due.some((state) => this.dirty.has(state))) await this.stepDirty();
  }

  private async stepOne(state: PartitionState): Promise<void> {
    const stores = new Map([...this.deps.stores].map(([name, { objects }]) => [name, objects]));
    const deps = { ...this.deps, leadership: this.leadership, stores };
    const plan = await planPartition(deps, this.settings, state, this.stopping.signal);
    if (plan === undefined) this.dropQueued(state);
    else await this.enqueue(state, plan);
  }

  private async enqueue(state: PartitionState, plan: PartitionPlan): Promise<void> {
    const { deletableAtMs } = await localDeadlines(
      this.deps,
      state,
      plan.local,
      plan.belief.config,
    );
    const nowMs = this.deps.clock.monotonicMs();
    const due = plan.planned.filter(
      ({ segment }) => (state.waits.get(segment.startOffset)?.notBeforeMs ?? 0) <= nowMs,
    );
    const jobs = due.map(({ segment, resumes }): PartitionCopy => ({
      id: plan.claim.id,
      state,
      claim: plan.claim,
      startOffset: segment.startOffset,
      nextOffset: segment.nextOffset,
      brokerLocalStart: plan.brokerLocalStart,
      storeName: resumes?.store ?? state.rule?.store ?? '',
      resumes,
      logBytes: state.closedFacts.get(segment.startOffset)?.logBytes ?? 0,
      deadlineMs: deletableAtMs.get(segment.startOffset) ?? Infinity,
      queuedMs: this.deps.clock.wallMs(),
    }));
    if (this.queue.replace(plan.claim.id, jobs) === 'full') this.stepLater(state);
    this.reportHeadroom(state, plan, deletableAtMs);
  }

  /** What did not fit into the queue is offered again. */
  private stepLater(state: PartitionState): void {
    state.notBeforeMs = this.deps.clock.monotonicMs() + FULL_QUEUE_MS;
    this.dirty.add(state);
  }

  private reportHeadroom(
    state: PartitionState,
    plan: PartitionPlan,
    deletableAtMs: ReadonlyMap<bigint, number>,
  ): void {
    state.retract('HEADROOM_LOW');
    const wallMs = this.deps.clock.wallMs();
    const nearest = Math.min(
      Infinity,
      ...plan.planned.map(({ segment }) => deletableAtMs.get(segment.startOffset) ?? Infinity),
    );
    if (nearest - wallMs > this.settings.headroomAlarmMs) return;
    const seconds = Math.max(0, Math.round((nearest - wallMs) / 1000));
    state.report(
      { code: 'HEADROOM_LOW', text: `local retention reaches untiered records in ${seconds} s` },
      wallMs,
    );
  }

  private async retentionRound(): Promise<void> {
    const { signal } = this.stopping;
    for (const state of this.states.values()) {
      const retention = state.rule?.retention;
      if (retention?.time === undefined && retention?.bytes === undefined) continue;
      try {
        await this.retention.run(state, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.deps.logger.warn(
          { partition: state.name, error: String(error) },
          'a retention pass failed',
        );
      }
    }
  }

  /** At once, then `intervalMs` after each end, until the uploader stops. */
  private async every(intervalMs: number, round: () => Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await round().catch((error: unknown) => {
        if (!signal.aborted) this.deps.logger.error({ error: String(error) }, 'a round failed');
      });
      await this.deps.clock.sleep(intervalMs, signal).catch(() => undefined);
    }
  }
}
