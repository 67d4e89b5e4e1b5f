// The metastore as the uploader sees it, in memory: claims, tokens, intents and the delete queue of one cluster.
import { LogtierError } from '../../src/base/errors.ts';
import { mergeLineage, type Lineage } from '../../src/kafka/lineage.ts';
import {
  compareTokens,
  partitionKey,
  sameToken,
  type FenceToken,
  type PartitionId,
  type SegmentId,
} from '../../src/segment/ids.ts';
import { sameLineage } from '../../src/segment/manifest-record.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../src/segment/segment-record.ts';
import type {
  Claim,
  ClaimRequest,
  CopyIntent,
  ErasePrefixTask,
  EraseQueue,
  EraseTask,
  SegmentDelete,
  SegmentLedger,
  SegmentView,
} from '../../src/uploader/segment-ledger.ts';

interface Row {
  readonly id: PartitionId;
  readonly topic: string;
  lineage: Lineage;
  remoteStart: bigint;
  claim: { leaderEpoch: number; brokerId: number; token: FenceToken; released: boolean };
  readonly segments: Map<SegmentId, SegmentRecord>;
}

type QueuedTask = EraseTask & { dueMs: number };
type QueuedPrefix = ErasePrefixTask & { dueMs: number };

export type LedgerMethod = 'claim' | 'startCopy' | 'recordUpload' | 'finishCopy' | 'abortCopy';

/** What happens around a command: a throw `before` is a command never sent, `after` a reply never read. */
export interface LedgerFaults {
  before?(method: LedgerMethod): void | Promise<void>;
  after?(method: LedgerMethod): void | Promise<void>;
}

/** The state that survives every sidecar. */
export class MemoryCatalog implements SegmentView {
  readonly rows = new Map<string, Row>();
  readonly eraseQueue: QueuedTask[] = [];
  readonly prefixQueue: QueuedPrefix[] = [];
  readonly leases = new Map<string, { holder: number; untilMs: number }>();
  /** Every segment id whose record has ended. */
  readonly ended: SegmentDelete[] = [];
  readonly nowMs: () => number;
  private index = 0n;

  constructor(nowMs: () => number = () => 0) {
    this.nowMs = nowMs;
  }

  /** Of a fresh log index, as every command has one. */
  nextRevision(): FenceToken {
    this.index += 1n;
    return { incarnation: 1, index: this.index };
  }

  records(): SegmentRecord[] {
    return [...this.rows.values()].flatMap((row) => [...row.segments.values()]);
  }

  peek(id: PartitionId): PartitionSnapshot | undefined {
    const row = this.rows.get(partitionKey(id));
    if (row === undefined) return undefined;
    const segments = [...row.segments.values()].toSorted((a, b) =>
      a.startOffset === b.startOffset
        ? a.segmentId.localeCompare(b.segmentId)
        : Number(a.startOffset - b.startOffset),
    );
    return {
      id,
      topic: row.topic,
      revision: { incarnation: 1, index: this.index },
      lineage: row.lineage,
      remoteStart: row.remoteStart,
      claim: { ...row.claim, lastIntentNumber: 0n },
      segments,
    };
  }

  snapshot(id: PartitionId): Promise<PartitionSnapshot> {
    const snapshot = this.peek(id);
    if (snapshot === undefined) return Promise.reject(new LogtierError('NOT_READY', 'no such row'));
    return Promise.resolve(snapshot);
  }

  enqueue(record: SegmentRecord, everFinished: boolean): void {
    this.eraseQueue.push({
      id: { topicId: record.topicId, partition: record.partition },
      segmentId: record.segmentId,
      store: record.store,
      objectKey: record.objectKey,
      uploadIds: record.uploadIds,
      objectBytes: record.objectBytes,
      everFinished,
      passes: 0,
      queuedMs: this.nowMs(),
      dueMs: this.nowMs(),
    });
  }
}

function refused(code: 'FENCED_LEADER_EPOCH' | 'ILLEGAL_TRANSITION', what: string): LogtierError {
  return new LogtierError(code, what);
}

/** One broker's door to the catalog. */
export class MemoryLedger implements SegmentLedger, EraseQueue {
  faults: LedgerFaults;
  readonly catalog: MemoryCatalog;
  readonly brokerId: number;

  constructor(catalog: MemoryCatalog, brokerId: number, faults: LedgerFaults = {}) {
    this.catalog = catalog;
    this.brokerId = brokerId;
    this.faults = faults;
  }

  claim(request: ClaimRequest): Promise<Claim> {
    return this.command('claim', () => {
      const key = partitionKey(request.id);
      const row = this.catalog.rows.get(key);
      const holder = row?.claim;
      const isOlder = holder !== undefined && request.leaderEpoch < holder.leaderEpoch;
      const isTaken =
        request.leaderEpoch === holder?.leaderEpoch && holder.brokerId !== this.brokerId;
      if (isOlder || isTaken) throw refused('FENCED_LEADER_EPOCH', 'another claim holds it');
      const token = this.catalog.nextRevision();
      const claim = {
        leaderEpoch: request.leaderEpoch,
        brokerId: this.brokerId,
        token,
        released: false,
      };
      const claimed: Row = row ?? {
        id: request.id,
        topic: request.topic,
        lineage: [],
        remoteStart: request.initialRemoteStart,
        claim,
        segments: new Map(),
      };
      const before = claimed.claim;
      claimed.lineage = mergeLineage(claimed.lineage, request.lineage, request.brokerLocalStart);
      claimed.claim = claim;
      this.catalog.rows.set(key, claimed);
      if (before.brokerId === this.brokerId) restamp(claimed, before.token, token);
      const { lineage, remoteStart } = claimed;
      const { id, topic, leaderEpoch } = request;
      return { id, topic, leaderEpoch, token, revision: token, lineage, remoteStart };
    });
  }

  release(claim: Claim): Promise<void> {
    this.rowOf(claim).claim.released = true;
    return Promise.resolve();
  }

  startCopy(claim: Claim, intent: CopyIntent): Promise<SegmentRecord> {
    return this.command('startCopy', () => {
      const row = this.rowOf(claim);
      const known = row.segments.get(intent.segmentId);
      if (known !== undefined) {
        if (isSame(known, intent)) return known;
        throw refused('ILLEGAL_TRANSITION', 'the id is known with other facts');
      }
      const { brokerLineage, brokerLocalStart, ...facts } = intent;
      row.lineage = mergeLineage(row.lineage, brokerLineage, brokerLocalStart);
      const record: SegmentRecord = {
        ...facts,
        state: 'COPY_SEGMENT_STARTED',
        fenceToken: claim.token,
        uploadIds: [],
        eventTimestampMs: this.catalog.nowMs(),
        adopted: false,
      };
      row.segments.set(record.segmentId, record);
      return record;
    });
  }

  recordUpload(claim: Claim, id: SegmentId, uploadId: string): Promise<void> {
    return this.command('recordUpload', () => {
      const record = this.open(claim, id);
      this.put(claim, { ...record, uploadIds: [...record.uploadIds, uploadId] });
    });
  }

  finishCopy(claim: Claim, id: SegmentId): Promise<void> {
    return this.command('finishCopy', () => {
      const record = this.rowOf(claim).segments.get(id);
      if (record?.state === 'COPY_SEGMENT_FINISHED') return;
      this.put(claim, { ...this.open(claim, id), state: 'COPY_SEGMENT_FINISHED', uploadIds: [] });
    });
  }

  abortCopy(claim: Claim, id: SegmentId): Promise<'aborted' | 'finished'> {
    return this.command('abortCopy', () => {
      const row = this.rowOf(claim);
      const record = row.segments.get(id);
      if (record === undefined) return 'aborted';
      if (record.state === 'COPY_SEGMENT_FINISHED') return 'finished';
      row.segments.delete(id);
      this.catalog.enqueue(record, false);
      return 'aborted';
    });
  }

  adoptIntent(claim: Claim, id: SegmentId): Promise<void> {
    const record = this.rowOf(claim).segments.get(id);
    if (record?.state !== 'COPY_SEGMENT_STARTED') {
      return Promise.reject(refused('ILLEGAL_TRANSITION', 'not open'));
    }
    const adopted = {
      state: 'COPY_SEGMENT_FINISHED',
      fenceToken: claim.token,
      adopted: true,
    } as const;
    this.put(claim, { ...record, ...adopted, uploadIds: [] });
    return Promise.resolve();
  }

  deleteSegments(
    claim: Claim,
    remoteStart: bigint,
    segments: readonly SegmentDelete[],
  ): Promise<void> {
    const row = this.rowOf(claim);
    if (remoteStart > row.remoteStart) row.remoteStart = remoteStart;
    for (const remove of segments) {
      const record = row.segments.get(remove.segmentId);
      if (record === undefined) continue;
      row.segments.delete(remove.segmentId);
      this.catalog.enqueue(record, record.state === 'COPY_SEGMENT_FINISHED');
      this.catalog.ended.push(remove);
    }
    return Promise.resolve();
  }

  lease(share: string, ttlMs: number): Promise<boolean> {
    const nowMs = this.catalog.nowMs();
    const held = this.catalog.leases.get(share);
    const isFree = held === undefined || held.holder === this.brokerId || held.untilMs <= nowMs;
    if (isFree) this.catalog.leases.set(share, { holder: this.brokerId, untilMs: nowMs + ttlMs });
    return Promise.resolve(isFree);
  }

  due(
    stores: readonly string[],
    limit: number,
  ): Promise<{ objects: readonly EraseTask[]; prefixes: readonly ErasePrefixTask[] }> {
    const isDue = (task: { store: string; dueMs: number }): boolean =>
      stores.includes(task.store) && task.dueMs <= this.catalog.nowMs();
    return Promise.resolve({
      objects: this.catalog.eraseQueue.filter(isDue).slice(0, limit).map(withoutDue),
      prefixes: this.catalog.prefixQueue.filter(isDue).slice(0, limit).map(withoutDue),
    });
  }

  erased(task: EraseTask): Promise<void> {
    const at = this.catalog.eraseQueue.findIndex(({ segmentId }) => segmentId === task.segmentId);
    if (at >= 0) this.catalog.eraseQueue.splice(at, 1);
    return Promise.resolve();
  }

  passed(task: EraseTask, waitMs: number): Promise<void> {
    const at = this.catalog.eraseQueue.findIndex(({ segmentId }) => segmentId === task.segmentId);
    const dueMs = this.catalog.nowMs() + waitMs;
    if (at >= 0) this.catalog.eraseQueue[at] = { ...task, passes: task.passes + 1, dueMs };
    return Promise.resolve();
  }

  listed(task: ErasePrefixTask, empty: boolean, waitMs: number): Promise<void> {
    const at = this.catalog.prefixQueue.findIndex(({ keyPrefix }) => keyPrefix === task.keyPrefix);
    const emptyListings = empty ? task.emptyListings + 1 : 0;
    const dueMs = this.catalog.nowMs() + waitMs;
    const rest = emptyListings >= 2 ? [] : [{ ...task, emptyListings, dueMs }];
    if (at >= 0) this.catalog.prefixQueue.splice(at, 1, ...rest);
    return Promise.resolve();
  }

  private async command<T>(method: LedgerMethod, apply: () => T): Promise<T> {
    await this.faults.before?.(method);
    const answer = apply();
    await this.faults.after?.(method);
    return answer;
  }

  private rowOf(claim: Claim): Row {
    const row = this.catalog.rows.get(partitionKey(claim.id));
    if (row === undefined || !sameToken(row.claim.token, claim.token)) {
      throw refused('FENCED_LEADER_EPOCH', 'a newer claim owns the partition');
    }
    return row;
  }

  private open(claim: Claim, id: SegmentId): SegmentRecord {
    const record = this.rowOf(claim).segments.get(id);
    if (record?.state !== 'COPY_SEGMENT_STARTED') throw refused('ILLEGAL_TRANSITION', 'not open');
    if (compareTokens(record.fenceToken, claim.token) !== 0) {
      throw refused('FENCED_LEADER_EPOCH', 'another claim started it');
    }
    return record;
  }

  private put(claim: Claim, record: SegmentRecord): void {
    this.rowOf(claim).segments.set(record.segmentId, record);
  }
}

function restamp(row: Row, before: FenceToken, token: FenceToken): void {
  for (const record of row.segments.values()) {
    const isOwn = record.state === 'COPY_SEGMENT_STARTED' && sameToken(record.fenceToken, before);
    if (isOwn) row.segments.set(record.segmentId, { ...record, fenceToken: token });
  }
}

function isSame(record: SegmentRecord, intent: CopyIntent): boolean {
  return (
    record.objectKey === intent.objectKey &&
    record.startOffset === intent.startOffset &&
    record.nextOffset === intent.nextOffset &&
    record.objectBytes === intent.objectBytes &&
    sameLineage(record.epochs, intent.epochs)
  );
}

function withoutDue<T extends { dueMs: number }>({ dueMs: _dueMs, ...task }: T): Omit<T, 'dueMs'> {
  return task;
}
