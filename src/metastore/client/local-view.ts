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
import { MetastoreQueries } from './metastore-queries.ts';
import { type LoaderDeps, PartitionLoader } from './partition-loader.ts';
import { revisionOf } from './records.ts';
import type { MetastoreClientSettings } from './settings.ts';
import { ViewStore } from './view-store.ts';
import { orAborted, Watched } from './watched.ts';

/** How often the view asks how far the metastore is: five times in the time it may be silent. */
const PULSE_MS = 2_000;

export class LocalView {
  private readonly deps: LoaderDeps;
  private readonly settings: MetastoreClientSettings;
  private readonly clusterId: string;
  private readonly queries: MetastoreQueries;
  private readonly loader: PartitionLoader;
  private readonly watched: Watched;
  private readonly stopped = new AbortController();
  private readonly wanted = new Map<string, PartitionId>();
  private readonly resolving = new SingleFlight<TopicId>();
  private readonly absent = new AbsentTopics();
  /** Answers. Its feed stands still while the next one is filled. */
  private store = new ViewStore();
  /** Filled until it holds all that is wanted, then swapped in (rule 3). */
  private next: ViewStore | undefined = new ViewStore();
  /** The view had seen all that was committed at this time of the monotonic clock. */
  private freshAtMs = Number.NEGATIVE_INFINITY;
  private running: Promise<unknown> = Promise.resolve();
  private stopping: Promise<void> | undefined;

  constructor(deps: LoaderDeps, settings: MetastoreClientSettings, clusterId: string) {
    this.deps = deps;
    this.settings = settings;
    this.clusterId = clusterId;
    this.queries = new MetastoreQueries(deps.transport, clusterId);
    this.watched = new Watched(deps.clock);
    this.loader = new PartitionLoader(deps, settings, clusterId, () => {
      this.settle();
    });
  }

  /** Once. */
  start(): void {
    this.running = Promise.all([this.follow(), this.pulse()]);
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

  private want(id: PartitionId): void {
    const key = partitionKey(id);
    if (this.wanted.has(key)) return;
    this.wanted.set(key, { topicId: id.topicId, partition: id.partition });
    const target = this.next ?? this.store;
    // Without a position there is nothing to load at; the feed's first mark loads all that is wanted.
    if (target.position !== undefined) this.loader.load(target, id, this.stopped.signal);
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
      try {
        await this.followOnce(target, () => {
          attempt = 0;
        });
      } catch (error) {
        if (this.stopped.signal.aborted) return;
        if (hasCode(error, 'COMPACTED')) this.rebuild();
        logger.debug({ attempt, reason: String(error) }, 'the change feed broke off');
      }
      const waitMs = backoffMs(this.settings, attempt, random.share());
      await clock.sleep(waitMs, this.stopped.signal).catch(() => undefined);
    }
  }

  private async followOnce(target: ViewStore, onMessage: () => void): Promise<void> {
    const after = target.position;
    const request = { clusterId: this.clusterId, after: after && { ...after } };
    for await (const message of this.deps.transport.watch(request, this.stopped.signal)) {
      const revision = revisionOf(message.revision);
      const isFirst = target.position === undefined;
      target.apply(revision, message.events);
      this.absent.told(message.events);
      if (isFirst) {
        for (const id of this.wanted.values()) this.loader.load(target, id, this.stopped.signal);
      }
      onMessage();
      this.settle();
      // Swapped or rebuilt meanwhile: the same feed goes on into the store that answers.
      if (target !== this.store && target !== this.next) return;
    }
  }

  private rebuild(): void {
    this.deps.logger.warn({}, 'the change feed does not reach back: the view is loaded anew');
    this.next = new ViewStore();
  }

  private settle(): void {
    const { next } = this;
    const isFull =
      next?.position !== undefined && [...this.wanted.values()].every((id) => next.isComplete(id));
    if (next !== undefined && isFull) {
      this.store = next;
      this.next = undefined;
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
        await this.reached(revision, this.stopped.signal);
        this.freshAtMs = askedMs;
      } catch (error) {
        if (!this.stopped.signal.aborted) logger.debug({ reason: String(error) }, 'no pulse');
      }
      await clock.sleep(PULSE_MS, this.stopped.signal).catch(() => undefined);
    }
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
