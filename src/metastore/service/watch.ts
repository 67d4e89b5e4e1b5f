// The change feed: history after a revision, then live, one message a revision (safety rules 21, 30).
import { hasCode, LogtierError } from '../../base/errors.ts';
import type { WatchRequest, WatchResponse } from '../../gen/logtier/v1/catalog.ts';
import type {
  CatalogEvent,
  PartitionRef,
  PartitionRow,
} from '../../gen/logtier/v1/catalog_command.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import { compareTokens, printToken, type Revision, sameToken } from '../../segment/ids.ts';
import type { RevisionEvents } from '../catalog/apply.ts';
import { tokenOf } from '../catalog/names.ts';
import type { CatalogMember } from '../member/catalog-member.ts';

/** A reader calls itself stale after 10 s without a mark: five chances. */
const MARK_EVERY_MS = 2_000;

/** Between marks that say no more than that changes passed which are not the watcher's. */
const PASSED_EVERY_MS = 50;
/** So many of them may come at once after a quiet time, */
const PASSED_BURST = 20;
/** and so many of all watchers together: a message costs 0.1 ms, and the writers wait behind them. */
const PASSED_BURST_OF_ALL = 1_000;

/** Between two looks of one watcher, for each watcher there is: all of them together stay below half a core. */
const PAUSE_EACH_MS = 0.1;
/** Between marks of what passed, for each watcher there is. */
const PASSED_EACH_MS = 0.5;
/** Not worth a timer. */
const SHORTEST_PAUSE_MS = 5;

/** Watchers of one member: the more there are, the rarer each of them looks. */
export class WatchCrowd {
  private count = 0;

  enter(): void {
    this.count += 1;
  }

  leave(): void {
    this.count -= 1;
  }

  get pauseMs(): number {
    return this.count * PAUSE_EACH_MS;
  }

  get passedEveryMs(): number {
    return Math.max(PASSED_EVERY_MS, this.count * PASSED_EACH_MS);
  }

  get passedBurst(): number {
    return Math.min(PASSED_BURST, Math.ceil(PASSED_BURST_OF_ALL / this.count));
  }
}

export async function* watchCatalog(
  member: CatalogMember,
  crowd: WatchCrowd,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse, void, undefined> {
  crowd.enter();
  try {
    yield* watchInCrowd(member, crowd, request, signal);
  } finally {
    crowd.leave();
  }
}

/** Asks for the next change only when the last one was taken, so that a slow reader holds nothing here. */
async function* watchInCrowd(
  member: CatalogMember,
  crowd: WatchCrowd,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchResponse, void, undefined> {
  const { clock } = member;
  let at = await startOf(member, request.after, signal);
  // Who changes its filter learns from it which one is in force.
  if (request.after === undefined || request.filter !== undefined) yield progressAt(at);
  const isWanted = wantedBy(request);
  let nextMarkMs = clock.monotonicMs() + MARK_EVERY_MS;
  let barrier: Revision | undefined;
  const passed = new PassedMarks(crowd);
  for (;;) {
    throwIfAborted(signal);
    const page = await member.changes(at);
    let told: Revision | undefined;
    for (const message of messagesOf(page.revisions, isWanted)) {
      yield message;
      told = message.revision;
    }
    at = page.upTo;
    passed.read(page.revisions.at(-1)?.revision, told);
    if (passed.takeDue(clock.monotonicMs())) yield progressAt(at);
    if (barrier !== undefined && compareTokens(at, barrier) >= 0) {
      yield progressAt(at);
      barrier = undefined;
      nextMarkMs = clock.monotonicMs() + MARK_EVERY_MS;
    }
    const waitMs = Math.min(nextMarkMs, passed.dueMs) - clock.monotonicMs();
    // The mark goes out only when all up to the barrier has been sent.
    if (clock.monotonicMs() >= nextMarkMs) barrier ??= await member.barrier(signal);
    else {
      await changeAfter(member, at, { waitMs, signal });
      // What comes meanwhile is read together.
      if (crowd.pauseMs >= SHORTEST_PAUSE_MS) await clock.sleep(crowd.pauseMs, signal);
    }
  }
}

async function startOf(
  member: CatalogMember,
  after: Revision | undefined,
  signal: AbortSignal,
): Promise<Revision> {
  const now = await member.barrier(signal);
  if (after === undefined) return now;
  const isKnown = after.incarnation === now.incarnation && compareTokens(after, now) <= 0;
  if (isKnown) return after;
  throw new LogtierError('COMPACTED', `revision ${printToken(after)} is not of this history`);
}

/** Who waits for a revision of its own command must not wait until something of its own changes again. */
class PassedMarks {
  private readonly crowd: WatchCrowd;
  private isBehind = false;
  /** When as many would have been sent at an even pace. */
  private pacedMs = 0;

  constructor(crowd: WatchCrowd) {
    this.crowd = crowd;
  }

  get dueMs(): number {
    const { passedBurst, passedEveryMs } = this.crowd;
    return this.isBehind ? this.pacedMs - passedBurst * passedEveryMs : Infinity;
  }

  /** `newest` was read; `told` is the last that the watcher got of it. */
  read(newest: Revision | undefined, told: Revision | undefined): void {
    if (newest !== undefined) this.isBehind = told === undefined || !sameToken(newest, told);
  }

  takeDue(nowMs: number): boolean {
    if (nowMs < this.dueMs) return false;
    this.isBehind = false;
    this.pacedMs = Math.max(this.pacedMs, nowMs) + this.crowd.passedEveryMs;
    return true;
  }
}

type IsWanted = (event: CatalogEvent, revision: Revision) => boolean;

function wantedBy({ clusterId, filter }: WatchRequest): IsWanted {
  if (filter === undefined) return (event) => event.clusterId === clusterId;
  const wanted = new FilteredFeed(filter.partitions);
  return (event, revision) => event.clusterId === clusterId && wanted.has(event.event, revision);
}

/** Topics that a watcher was told of lately. */
const MAX_TOLD_TOPICS = 256;

/** What one watcher gets: all of its partitions, topics that are new, and topics that are deleted. */
class FilteredFeed {
  /** By topic id. Asked for each change and watcher: a name for each would be dear. */
  private readonly partitions = new Map<string, Set<number>>();
  private readonly toldTopics = new Set<string>();

  constructor(partitions: readonly PartitionRef[]) {
    for (const { topicId, partition } of partitions) {
      const ofTopic = this.partitions.get(topicId) ?? new Set();
      this.partitions.set(topicId, ofTopic.add(partition));
    }
  }

  has(event: CatalogEvent['event'], revision: Revision): boolean {
    switch (event?.$case) {
      case undefined:
        return false;
      case 'segment':
        return this.holds(event.value);
      case 'partition': {
        const { partition } = event.value;
        if (partition === undefined) return false;
        return this.holds(partition) || this.isNewTopic(event.value, revision);
      }
      case 'topicDeleted':
        return true;
    }
  }

  private holds({ topicId, partition }: PartitionRef): boolean {
    return this.partitions.get(topicId)?.has(partition) === true;
  }

  /**
   * A topic's name is learned from its first claim. It is among those of partitions that were never copied: the
   * others, one for each partition whenever a broker starts, go to who holds the partition only.
   */
  private isNewTopic({ partition, claim }: PartitionRow, revision: Revision): boolean {
    const isClaim = claim?.released === false && sameToken(tokenOf(claim.fenceToken), revision);
    if (!isClaim || claim.lastIntentNumber > 0n || partition === undefined) return false;
    const { topicId } = partition;
    if (this.toldTopics.has(topicId)) return false;
    if (this.toldTopics.size >= MAX_TOLD_TOPICS) this.toldTopics.clear();
    this.toldTopics.add(topicId);
    return true;
  }
}

function* messagesOf(
  revisions: readonly RevisionEvents[],
  isWanted: IsWanted,
): Generator<WatchResponse, void, undefined> {
  for (const { revision, events } of revisions) {
    const own = events.filter((event) => isWanted(event, revision));
    if (own.length > 0) yield { revision, events: own, progress: false };
  }
}

function progressAt(revision: Revision): WatchResponse {
  return { revision, events: [], progress: true };
}

async function changeAfter(
  member: CatalogMember,
  at: Revision,
  wait: { readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = member.clock.deadline(wait.waitMs, wait.signal);
  try {
    await member.applied(at.index + 1n, deadline.signal);
  } catch (error) {
    if (wait.signal.aborted || !hasCode(error, 'DEADLINE_EXCEEDED')) throw error;
  } finally {
    deadline.clear();
  }
}
