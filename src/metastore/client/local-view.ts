// The sidecar's own copy of the partitions it asks about: fed by the change feed, silent when cut off.
// Has the shapes of SegmentView (uploader) and SegmentLookup (fetcher).
import { backoffMs } from '../../base/backoff.ts';
import { hasCode, LogtierError } from '../../base/errors.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { abortError } from '../../platform/clock.ts';
import {
  compareTokens,
  type PartitionId,
  partitionKey,
  printToken,
  type Revision,
  type TopicId,
  topicId,
} from '../../segment/ids.ts';
import type { PartitionSnapshot } from '../../segment/segment-record.ts';
import { AbsentTopics } from './absent-topics.ts';
import { onAbort } from '../../base/on-abort.ts';
import { MetastoreQueries } from './metastore-queries.ts';
import { type LoaderDeps, PartitionLoader } from './partition-loader.ts';
import { revisionOf } from './records.ts';
import type { MetastoreClientSettings } from './settings.ts';
import { forgetfulHome, type ViewHome, type ViewKeeper } from './view-home.ts';
import { ViewStore } from './view-store.ts';
import { orAborted, Watched } from './watched.ts';

/** How often the view asks how far the metastore is: five times in the time it may be silent. */
const PULSE_MS = 2_000;

/** A restarted sidecar asks for what it hosts at once; readers come back to what they read. */
const IDLE_MS = 3_600_000;

export interface LocalViewDeps extends LoaderDeps {
  readonly home: ViewHome;
}

/** How far behind the metastore a view is. */
export interface ViewLag {
  /** Infinity before the view had seen all that was committed for the first time (rule 21). */
  readonly silentMs: number;
  /** Entries of the log that the metastore had and the view had not when they were last compared. */
  readonly revisions: number;
}

interface Wanted {
  readonly id: PartitionId;
  /** Monotonic. */
  askedMs: number;
}

export class LocalView {
  private readonly deps: LocalViewDeps;
  private readonly settings: MetastoreClientSettings;
  private readonly clusterId: string;
  private readonly queries: MetastoreQueries;
  private readonly loader: PartitionLoader;
  private readonly watched: Watched;
  private readonly stopped = new AbortController();
  private readonly wanted = new Map<string, Wanted>();
  /** What the running feed tells of; empty until it says so. */
  private covered: ReadonlySet<string> = new Set();
  /** Ends the running feed, which begins again with a wider filter. */
  private refilter = new AbortController();
  private isFeedOpen = false;
  private readonly resolving = new SingleFlight<TopicId>();
  private readonly absent = new AbsentTopics();
  /** Answers. Its feed stands still while the next one is filled. */
  private store: ViewStore;
  /** Filled until it holds all that is wanted, then swapped in (rule 3). */
  private next: ViewStore | undefined;
  private nextKeeper: ViewKeeper;
  /** The view had seen all that was committed at this time of the monotonic clock. */
  private freshAtMs = Number.NEGATIVE_INFINITY;
  private lagRevisions = 0;
  private running: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> | undefined;

  constructor(deps: LocalViewDeps, settings: MetastoreClientSettings, clusterId: string) {
    this.deps = deps;
    this.settings = settings;
    this.clusterId = clusterId;
    this.nextKeeper = forgetfulHome.begin();
    this.store = new ViewStore(this.nextKeeper);
    this.next = this.store;
    this.queries = new MetastoreQueries(deps.transport, clusterId);
    this.watched = new Watched(deps.clock);
    this.loader = new PartitionLoader(deps, settings, clusterId, () => {
      this.settle();
    });
  }

  /** Once. */
  start(): void {
    this.running = this.resume().then(() =>
      Promise.all([this.follow(), this.pulse()]).then(() => this.deps.home.stop()),
    );
  }

  /** Idempotent. */
  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  /** Waits until the view is complete for the partition and at or past `atLeast`; NOT_READY after a bound. */
  async snapshot(
    id: PartitionId,
    atLeast: Revision,
    signal: AbortSignal,
  ): Promise<PartitionSnapshot> {
    this.want(id);
    const look = (): PartitionSnapshot | undefined => {
      const snapshot = this.store.snapshot(id);
      const isPast = snapshot !== undefined && compareTokens(snapshot.revision, atLeast) >= 0;
      return isPast ? snapshot : undefined;
    };
    return await this.waitFor(
      look,
      `partition ${partitionKey(id)} at ${printToken(atLeast)}`,
      signal,
    );
  }

  /** Undefined while the partition is not complete. Loads nothing, however stale. */
  peek(id: PartitionId): PartitionSnapshot | undefined {
    const wanted = this.wanted.get(partitionKey(id));
    if (wanted !== undefined) wanted.askedMs = this.deps.clock.monotonicMs();
    return this.store.snapshot(id);
  }

  /** The partition is nobody's concern here any more: its rows go with the mark (rule 3). */
  leave(id: PartitionId): void {
    this.wanted.delete(partitionKey(id));
    this.loader.forget(id);
    this.store.drop(id);
    this.next?.drop(id);
  }

  /** NOT_READY when cut off or not complete, never an empty answer instead; NOT_FOUND when there is none. */
  async find(topic: string, partition: number, signal: AbortSignal): Promise<PartitionSnapshot> {
    this.requireFresh();
    const id = { topicId: await this.resolveTopic(topic, signal), partition };
    this.want(id);
    const look = (): PartitionSnapshot | undefined => this.store.snapshot(id);
    const snapshot = await this.waitFor(look, `partition ${topic}-${partition}`, signal);
    this.requireFresh();
    if (snapshot.claim !== undefined && !this.store.isDeleted(id)) return snapshot;
    throw new LogtierError('NOT_FOUND', `partition ${topic}-${partition} was never claimed`);
  }

  /** As `find`, at or past everything that was committed before the call. */
  async findLinearizable(
    topic: string,
    partition: number,
    signal: AbortSignal,
  ): Promise<PartitionSnapshot> {
    const { revision } = await this.queries.status(signal);
    await this.reached(revision, signal);
    return await this.find(topic, partition, signal);
  }

  /** Age of the newest moment at which the view had seen all that was committed; Infinity before the first (rule 21). */
  silentMs(): number {
    return this.deps.clock.monotonicMs() - this.freshAtMs;
  }

  lag(): ViewLag {
    return { silentMs: this.silentMs(), revisions: this.lagRevisions };
  }

  private want({ topicId: topic, partition }: PartitionId): void {
    const id = { topicId: topic, partition };
    const key = partitionKey(id);
    const askedMs = this.deps.clock.monotonicMs();
    const known = this.wanted.get(key);
    this.wanted.set(key, { id, askedMs });
    if (known === undefined) this.loadCovered();
  }

  /** What the feed does not tell of yet is loaded once it does: no change may fall between the two. */
  private loadCovered(): void {
    const target = this.next ?? this.store;
    let isAllCovered = true;
    for (const [key, { id }] of this.wanted) {
      if (!this.covered.has(key)) isAllCovered = false;
      else if (!target.isComplete(id) && !target.isLoading(id)) {
        this.loader.load(target, id, this.stopped.signal);
      }
    }
    // A feed that has not said its first word is not disturbed: what it misses it learns then.
    if (!isAllCovered && this.isFeedOpen) this.refilter.abort(new LogtierError('ABORTED', 'more'));
  }

  private dropIdle(): void {
    const oldestMs = this.deps.clock.monotonicMs() - IDLE_MS;
    for (const { id, askedMs } of this.wanted.values()) if (askedMs < oldestMs) this.leave(id);
  }

  /** Goes on where an earlier life of this process stopped. */
  private async resume(): Promise<void> {
    const { home, clock } = this.deps;
    const kept = await home.restored();
    if (kept === undefined) {
      this.rebuild();
      return;
    }
    this.store = ViewStore.restored(kept.view, kept.keeper);
    this.next = undefined;
    const askedMs = clock.monotonicMs();
    for (const { id } of kept.view.partitions) {
      const key = partitionKey(id);
      if (!this.wanted.has(key)) this.wanted.set(key, { id, askedMs });
    }
    this.watched.changed();
  }

  private requireFresh(): void {
    const silentMs = this.silentMs();
    if (silentMs <= this.settings.freshMs) return;
    const message = Number.isFinite(silentMs)
      ? `the metastore was last heard of ${Math.round(silentMs)} ms ago`
      : 'the metastore was not heard of yet';
    throw new LogtierError('NOT_READY', message);
  }

  private reached(revision: Revision, signal: AbortSignal): Promise<true> {
    const look = (): true | undefined => {
      const { position } = this.store;
      return position !== undefined && compareTokens(position, revision) >= 0 ? true : undefined;
    };
    return this.waitFor(look, `revision ${printToken(revision)}`, signal);
  }

  private async waitFor<T>(
    look: () => T | undefined,
    what: string,
    signal: AbortSignal,
  ): Promise<T> {
    if (this.stopped.signal.aborted) throw abortError(this.stopped.signal);
    try {
      return await this.watched.until(look, this.settings.completeMs, signal);
    } catch (cause) {
      if (signal.aborted || !hasCode(cause, 'DEADLINE_EXCEEDED')) throw cause;
      throw new LogtierError('NOT_READY', `the view does not have ${what}`, { cause });
    }
  }

  private async resolveTopic(topic: string, signal: AbortSignal): Promise<TopicId> {
    const known = this.store.topicNamed(topic);
    if (known !== undefined) return known;
    if (this.absent.has(topic)) throw noTopic(topic);
    const asked = this.resolving.run(topic, () => this.askTopic(topic));
    return await orAborted(asked, signal);
  }

  /** The id that was claimed last, when a name was given twice. */
  private async askTopic(topic: string): Promise<TopicId> {
    const { signal } = this.stopped;
    const { partitions, revision } = await this.queries.partitions({ topic }, signal);
    const claims = partitions.flatMap(({ partition }) => {
      const token = partition?.claim?.fenceToken;
      const ref = partition?.partition;
      return token === undefined || ref === undefined ? [] : [{ token, topicId: ref.topicId }];
    });
    const [newest] = claims.toSorted((left, right) => compareTokens(right.token, left.token));
    if (newest === undefined) {
      this.absent.add(topic, revision, this.store.position);
      throw noTopic(topic);
    }
    const id = topicId(newest.topicId);
    this.store.nameTopic(topic, id);
    return id;
  }

  /** Follows the feed for ever; a history that is gone, or another one, is loaded anew beside the old. */
  private async follow(): Promise<void> {
    const { clock, random, logger } = this.deps;
    for (let attempt = 0; !this.stopped.signal.aborted; attempt += 1) {
      const target = this.next ?? this.store;
      const refilter = new AbortController();
      this.refilter = refilter;
      const forget = onAbort(this.stopped.signal, () => {
        refilter.abort(abortError(this.stopped.signal));
      });
      try {
        await this.followOnce(target, refilter, () => {
          attempt = 0;
        });
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        if (hasCode(error, 'COMPACTED')) {
          logger.warn({}, 'the change feed does not reach back: the view is loaded anew');
          this.rebuild();
        }
        if (!refilter.signal.aborted) {
          logger.debug({ attempt, reason: String(error) }, 'the change feed broke off');
        }
      } finally {
        forget();
        this.isFeedOpen = false;
        this.covered = new Set();
      }
      if (refilter.signal.aborted) continue;
      const waitMs = backoffMs(this.settings, attempt, random.share());
      await clock.sleep(waitMs, this.stopped.signal).catch(() => undefined);
    }
  }

  private async followOnce(
    target: ViewStore,
    refilter: AbortController,
    onMessage: () => void,
  ): Promise<void> {
    const after = target.position;
    const filtered = [...this.wanted];
    const filter = { partitions: filtered.map(([, { id }]) => ({ ...id })) };
    const request = { clusterId: this.clusterId, after: after && { ...after }, filter };
    for await (const message of this.deps.transport.watch(request, refilter.signal)) {
      const revision = revisionOf(message.revision);
      target.apply(revision, message.events);
      this.absent.told(message.events);
      onMessage();
      if (!this.isFeedOpen) {
        this.isFeedOpen = true;
        this.covered = new Set(filtered.map(([key]) => key));
        this.loadCovered();
      }
      this.settle();
      if (refilter.signal.aborted) return;
      // Swapped or rebuilt meanwhile: the same feed goes on into the store that answers.
      if (target !== this.store && target !== this.next) return;
    }
  }

  private rebuild(): void {
    this.nextKeeper = this.deps.home.begin();
    this.next = new ViewStore(this.nextKeeper);
  }

  private settle(): void {
    const { next } = this;
    const isFull =
      next?.position !== undefined &&
      [...this.wanted.values()].every(({ id }) => next.isComplete(id));
    if (next !== undefined && isFull) {
      this.store = next;
      this.next = undefined;
      this.deps.home.live(this.nextKeeper);
    }
    this.watched.changed();
  }

  /** Dated by the question, not by the answer: a late answer makes nothing look fresh (rule 21). */
  private async pulse(): Promise<void> {
    const { clock, logger } = this.deps;
    while (!this.stopped.signal.aborted) {
      const askedMs = clock.monotonicMs();
      try {
        const { revision } = await this.queries.status(this.stopped.signal);
        this.noteLag(revision);
        await this.reached(revision, this.stopped.signal);
        this.freshAtMs = askedMs;
        this.lagRevisions = 0;
      } catch (error) {
        if (!this.stopped.signal.aborted) logger.debug({ reason: String(error) }, 'no pulse');
      }
      this.dropIdle();
      await clock.sleep(PULSE_MS, this.stopped.signal).catch(() => undefined);
    }
  }

  private noteLag(told: Revision): void {
    const { position } = this.store;
    const isOfHistory = position !== undefined && position.incarnation === told.incarnation;
    const from = isOfHistory ? position.index : 0n;
    this.lagRevisions = told.index > from ? Number(told.index - from) : 0;
  }

  private async stopNow(): Promise<void> {
    this.stopped.abort(new LogtierError('ABORTED', 'the view stops'));
    await this.running;
    await this.loader.settled();
  }
}

function noTopic(topic: string): LogtierError {
  return new LogtierError('NOT_FOUND', `no partition of topic ${topic} was ever claimed`);
}
