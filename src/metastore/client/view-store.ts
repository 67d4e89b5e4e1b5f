// What a view holds of one unbroken history: positions only move forward, a partition is either whole or
// silent (safety rule 3). A break in the history needs a new store.
import { assert } from '../../base/assert.ts';
import type { CatalogEvent, PartitionRow } from '../../gen/logtier/v1/catalog_command.ts';
import {
  compareTokens,
  type PartitionId,
  partitionKey,
  type Revision,
  sameToken,
  type TopicId,
  topicId,
} from '../../segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../segment/segment-record.ts';
import { claimFactsOf, partitionIdOf, recordOf, revisionOf } from './records.ts';
import type { KeptPartition, KeptView, ViewChange, ViewKeeper } from './view-home.ts';

interface Change {
  readonly revision: Revision;
  readonly event: NonNullable<CatalogEvent['event']>;
}

interface Loading {
  readonly id: PartitionId;
  /** Since the load began. */
  readonly changes: Change[];
}

/** Marks of a quiet feed come every 2 s; one in so many is kept, so that a restart does not begin far behind. */
const MARKS_UNKEPT = 16;

export interface LoadedPartition {
  readonly revision: Revision;
  readonly row: PartitionRow | undefined;
  readonly segments: readonly SegmentRecord[];
}

export class ViewStore {
  private readonly loading = new Map<string, Loading>();
  private readonly complete = new Map<string, KeptPartition>();
  private readonly topics = new Map<string, TopicId>();
  private readonly keeper: ViewKeeper;
  /** Since the keeper was last told. */
  private kept: ViewChange[] = [];
  private unkeptMarks = 0;
  private at: Revision | undefined;

  constructor(keeper: ViewKeeper) {
    this.keeper = keeper;
  }

  /** What an earlier life of this process had. */
  static restored(view: KeptView, keeper: ViewKeeper): ViewStore {
    const store = new ViewStore(keeper);
    store.at = view.position;
    for (const partition of view.partitions) {
      store.complete.set(partitionKey(partition.id), partition);
    }
    for (const [name, id] of view.topics) store.topics.set(name, id);
    return store;
  }

  /** Every event up to it is here; undefined before the feed's first mark. */
  get position(): Revision | undefined {
    return this.at;
  }

  isComplete(id: PartitionId): boolean {
    return this.complete.has(partitionKey(id));
  }

  isLoading(id: PartitionId): boolean {
    return this.loading.has(partitionKey(id));
  }

  /** The id that the topic's name was last claimed under, as far as the feed told. */
  topicNamed(name: string): TopicId | undefined {
    return this.topics.get(name);
  }

  nameTopic(name: string, id: TopicId): void {
    this.setTopic(name, id);
    this.keepNow();
  }

  /** One revision of the feed, whole (rule 30). */
  apply(revision: Revision, events: readonly CatalogEvent[]): void {
    for (const { event } of events) {
      if (event !== undefined) this.applyOne({ revision, event });
    }
    this.advance(revision);
    this.unkeptMarks += 1;
    if (this.kept.length > 0 || this.unkeptMarks >= MARKS_UNKEPT) this.keepNow();
  }

  /** All up to `revision` has been told. */
  advance(revision: Revision): void {
    if (this.at === undefined || compareTokens(revision, this.at) > 0) this.at = revision;
  }

  /** From now on the partition's events are kept for when its rows arrive. */
  beginLoad(id: PartitionId): void {
    assert(this.at !== undefined, 'a load begins at a position of the feed');
    this.drop(id);
    this.loading.set(partitionKey(id), { id, changes: [] });
  }

  /** False when the load was dropped meanwhile, or is of another history: its rows are worth nothing. */
  finishLoad(id: PartitionId, loaded: LoadedPartition): boolean {
    const load = this.loading.get(partitionKey(id));
    const isOfHistory = loaded.revision.incarnation === this.at?.incarnation;
    if (load === undefined || !isOfHistory) return false;
    this.loading.delete(partitionKey(id));
    const { row, revision } = loaded;
    const segments = [...loaded.segments].toSorted(compareSegments);
    const start: KeptPartition = { id, loadedAt: revision, row, segments };
    const isLater = (change: Change): boolean => compareTokens(change.revision, revision) > 0;
    const whole = load.changes.filter(isLater).reduce(changed, start);
    this.complete.set(partitionKey(id), whole);
    this.kept.push({ kind: 'whole', partition: whole });
    this.keepNow();
    return true;
  }

  /** Rows and mark go together (rule 3). */
  drop(id: PartitionId): void {
    this.loading.delete(partitionKey(id));
    if (!this.complete.delete(partitionKey(id))) return;
    this.kept.push({ kind: 'dropped', id });
    this.keepNow();
  }

  /** Undefined while the partition is not whole. Deleted topics have no segments any more. */
  snapshot(id: PartitionId): PartitionSnapshot | undefined {
    const whole = this.complete.get(partitionKey(id));
    if (whole === undefined || this.at === undefined) return undefined;
    const { row, segments, loadedAt } = whole;
    return {
      id: whole.id,
      topic: row?.topic ?? '',
      revision: compareTokens(loadedAt, this.at) > 0 ? loadedAt : this.at,
      lineage: row?.lineage ?? [],
      remoteStart: row?.remoteStart ?? 0n,
      claim: claimFactsOf(row?.claim),
      segments,
    };
  }

  isDeleted(id: PartitionId): boolean {
    return this.complete.get(partitionKey(id))?.row?.deleted ?? false;
  }

  private applyOne(change: Change): void {
    const { event } = change;
    if (event.$case === 'topicDeleted') this.deleteTopic(event.value, change);
    else {
      const ref = event.$case === 'segment' ? event.value : event.value.partition;
      this.changePartition(partitionKey(partitionIdOf(ref)), change);
    }
    if (event.$case === 'partition') this.learnTopic(event.value, change.revision);
  }

  private changePartition(key: string, change: Change): void {
    this.loading.get(key)?.changes.push(change);
    const whole = this.complete.get(key);
    if (whole !== undefined && compareTokens(change.revision, whole.loadedAt) > 0) {
      const next = changed(whole, change);
      this.complete.set(key, next);
      this.kept.push(keptChange(next, change));
    }
  }

  private deleteTopic(deleted: string, change: Change): void {
    for (const [name, id] of this.topics) if (id === deleted) this.setTopic(name, undefined);
    const keys = [...this.complete.entries(), ...this.loading.entries()]
      .filter(([, { id }]) => id.topicId === deleted)
      .map(([key]) => key);
    for (const key of new Set(keys)) this.changePartition(key, change);
  }

  /** A name goes to the topic that was claimed last: old ids send no claims any more. */
  private learnTopic(row: PartitionRow, revision: Revision): void {
    const token = row.claim?.fenceToken;
    const isClaim = token !== undefined && sameToken(revisionOf(token), revision);
    if (isClaim && row.claim?.released === false && row.partition !== undefined) {
      this.setTopic(row.topic, topicId(row.partition.topicId));
    }
  }

  private setTopic(name: string, id: TopicId | undefined): void {
    if (this.topics.get(name) === id) return;
    if (id === undefined) this.topics.delete(name);
    else this.topics.set(name, id);
    this.kept.push({ kind: 'topic', name, id });
  }

  private keepNow(): void {
    const { kept } = this;
    this.kept = [];
    this.unkeptMarks = 0;
    this.keeper.keep(this.at, kept);
  }
}

/** Copies what it changes: snapshots that were handed out stay as they are. */
function changed(whole: KeptPartition, { event }: Change): KeptPartition {
  switch (event.$case) {
    case 'partition':
      return { ...whole, row: event.value };
    case 'segment':
      return { ...whole, segments: withSegment(whole.segments, recordOf(event.value)) };
    case 'topicDeleted': {
      const { row } = whole;
      const gone = row && { ...row, deleted: true, lineage: [], remoteStart: 0n };
      return { ...whole, row: gone, segments: [] };
    }
  }
}

function keptChange(partition: KeptPartition, { event }: Change): ViewChange {
  switch (event.$case) {
    case 'partition':
      return { kind: 'row', partition };
    case 'segment':
      return { kind: 'segment', record: recordOf(event.value) };
    case 'topicDeleted':
      return { kind: 'whole', partition };
  }
}

function withSegment(
  segments: readonly SegmentRecord[],
  record: SegmentRecord,
): readonly SegmentRecord[] {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = segments[middle];
    if (other !== undefined && compareSegments(other, record) < 0) low = middle + 1;
    else high = middle;
  }
  const isKnown = segments[low]?.segmentId === record.segmentId;
  const kept = record.state === 'DELETE_SEGMENT_FINISHED' ? [] : [record];
  return segments.toSpliced(low, isKnown ? 1 : 0, ...kept);
}

/** The order in which a snapshot shows them. */
export function compareSegments(left: SegmentRecord, right: SegmentRecord): number {
  if (left.startOffset !== right.startOffset) return left.startOffset < right.startOffset ? -1 : 1;
  if (left.segmentId === right.segmentId) return 0;
  return left.segmentId < right.segmentId ? -1 : 1;
}
