// A broker, a catalog and an uploader that say what a test wants: what the operator's pages join.
import { LogtierError } from '../../src/base/errors.ts';
import type { BrokerView, OffsetAnswer } from '../../src/broker/broker-view.ts';
import { TopicMode } from '../../src/gen/logtier/v1/catalog_command.ts';
import type {
  CatalogActs,
  CatalogPartition,
  CatalogStatus,
  QueuedErase,
  QueuedPrefix,
  RemoteCatalog,
  ViewLag,
} from '../../src/operator/remote-catalog.ts';
import {
  segmentId,
  topicId,
  type PartitionId,
  type SegmentId,
  type TopicId,
} from '../../src/segment/ids.ts';
import type { PartitionSnapshot, SegmentRecord } from '../../src/segment/segment-record.ts';
import type { PartitionFinding } from '../../src/uploader/partition-state.ts';
import { topicSettings } from '../../src/uploader/settings.ts';
import type {
  CopyTask,
  EraserStatus,
  LocalPartitionStatus,
  LocalSegmentStatus,
  UploaderStatus,
} from '../../src/uploader/uploader-status.ts';

export const ORDERS = topicId('zNXW4P_MSfSWcZnwHAkGbA');
export const rule = topicSettings.parse({ match: '*', store: 'main' });
export const token = { incarnation: 1, index: 7n };

export function segmentNumbered(number: number): SegmentId {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number + 1, 12);
  return segmentId(bytes.toString('base64url'));
}

export function localSegment(
  startOffset: bigint,
  nextOffset: bigint | undefined,
  more: Partial<LocalSegmentStatus> = {},
): LocalSegmentStatus {
  return {
    startOffset,
    nextOffset,
    logBytes: 1000,
    state: nextOffset === undefined ? 'active' : 'remote',
    waiting:
      nextOffset === undefined ? { reason: 'ACTIVE', detail: undefined, sinceMs: 0 } : undefined,
    copiedBytes: undefined,
    deletableAtMs: Infinity,
    ...more,
  };
}

export function queuedSegment(
  startOffset: bigint,
  nextOffset: bigint,
  deletableAtMs = Infinity,
): LocalSegmentStatus {
  const waiting = { reason: 'QUEUED', detail: undefined, sinceMs: 5_000 } as const;
  return localSegment(startOffset, nextOffset, { state: 'queued', waiting, deletableAtMs });
}

export function localPartition(more: Partial<LocalPartitionStatus> = {}): LocalPartitionStatus {
  const { partition = 0, topicId: id = ORDERS } = more;
  return {
    topic: 'orders',
    partition,
    topicId: id,
    logDir: '/kafka',
    isLeader: true,
    claim: {
      id: { topicId: topicId(id), partition },
      topic: 'orders',
      leaderEpoch: 3,
      token,
      revision: token,
      lineage: [],
      remoteStart: 0n,
    },
    rule,
    blocked: undefined,
    segments: [],
    lastUploadMs: undefined,
    findings: [],
    ...more,
  };
}

export function record(
  number: number,
  startOffset: bigint,
  nextOffset: bigint,
  more: Partial<SegmentRecord> = {},
): SegmentRecord {
  return {
    topicId: ORDERS,
    partition: 0,
    segmentId: segmentNumbered(number),
    state: 'COPY_SEGMENT_FINISHED',
    fenceToken: token,
    store: 'main',
    objectKey: `c/orders/${number}`,
    uploadIds: [],
    startOffset,
    nextOffset,
    maxTimestampMs: 1,
    eventTimestampMs: 2_000 + number,
    brokerId: 1,
    logBytes: 1000,
    objectBytes: 1100,
    epochs: [{ epoch: 0, startOffset }],
    txnIndexEmpty: true,
    rebuilt: false,
    noProducerSnapshot: false,
    adopted: false,
    ...more,
  };
}

export function snapshot(
  segments: readonly SegmentRecord[],
  more: Partial<PartitionSnapshot> = {},
): PartitionSnapshot {
  return {
    id: { topicId: ORDERS, partition: 0 },
    topic: 'orders',
    revision: token,
    lineage: [{ epoch: 0, startOffset: 0n }],
    remoteStart: 0n,
    claim: { leaderEpoch: 3, brokerId: 1, token, released: false, lastIntentNumber: 4n },
    segments,
    ...more,
  };
}

function isSame(left: PartitionId, right: PartitionId): boolean {
  return left.topicId === right.topicId && left.partition === right.partition;
}

export class FakeCatalog implements RemoteCatalog, CatalogActs {
  snapshots: readonly PartitionSnapshot[] = [];
  /** Known to the catalog and not loaded in the view until `find` asks. */
  unloaded: PartitionSnapshot[] = [];
  queue: readonly QueuedErase[] = [];
  prefixes: readonly QueuedPrefix[] = [];
  state: CatalogStatus = {
    memberClockMs: 100_000,
    replicatedClockMs: 99_000,
    clockHeld: false,
    orphanLock: false,
    segments: 3,
    eraseQueue: 1,
  };
  silent: LogtierError | undefined;
  viewSilentMs = 0;
  viewLagRevisions = 0;
  readonly acts: string[] = [];

  peek(id: PartitionId): PartitionSnapshot | undefined {
    return this.snapshots.find((found) => isSame(found.id, id));
  }

  async find(topic: string, partition: number): Promise<PartitionSnapshot> {
    await this.answer();
    const isAsked = (found: PartitionSnapshot) =>
      found.topic === topic && found.id.partition === partition;
    const late = this.unloaded.find(isAsked);
    if (late !== undefined) {
      this.snapshots = [...this.snapshots, late];
      this.unloaded = this.unloaded.filter((other) => other !== late);
    }
    const found = this.snapshots.find(isAsked);
    if (found === undefined) throw new LogtierError('NOT_FOUND', `no ${topic}-${partition}`);
    return found;
  }

  async partitions(topic: string | undefined): Promise<readonly CatalogPartition[]> {
    await this.answer();
    return [...this.snapshots, ...this.unloaded]
      .filter((found) => topic === undefined || found.topic === topic)
      .map(summaryOf);
  }

  async segment(id: PartitionId, name: SegmentId): Promise<SegmentRecord | undefined> {
    await this.answer();
    const found = [...this.snapshots, ...this.unloaded].find((other) => isSame(other.id, id));
    return found?.segments.find((segment) => segment.segmentId === name);
  }

  async eraseQueue(): Promise<readonly QueuedErase[]> {
    await this.answer();
    return this.queue;
  }

  async erasePrefixes(): Promise<readonly QueuedPrefix[]> {
    await this.answer();
    return this.prefixes;
  }

  async status(): Promise<CatalogStatus> {
    await this.answer();
    return this.state;
  }

  silentMs(): number {
    return this.viewSilentMs;
  }

  lag(): ViewLag {
    return { silentMs: this.viewSilentMs, revisions: this.viewLagRevisions };
  }

  async resetClaim(id: TopicId, operator: string): Promise<void> {
    await this.answer();
    this.acts.push(`reset ${id} by ${operator}`);
  }

  async confirmClock(nowMs: number, confirmedBy: string): Promise<void> {
    await this.answer();
    this.acts.push(`confirmed ${nowMs} by ${confirmedBy}`);
  }

  async releaseClaim(id: PartitionId): Promise<void> {
    await this.answer();
    this.acts.push(`released ${id.topicId}:${id.partition}`);
  }

  private async answer(): Promise<void> {
    await Promise.resolve();
    if (this.silent !== undefined) throw this.silent;
  }
}

function summaryOf(found: PartitionSnapshot): CatalogPartition {
  const finished = found.segments.filter(({ state }) => state === 'COPY_SEGMENT_FINISHED');
  const { claim } = found;
  return {
    id: found.id,
    row: {
      partition: { ...found.id },
      topic: found.topic,
      claim: claim && {
        partition: { ...found.id },
        leaderEpoch: claim.leaderEpoch,
        brokerId: claim.brokerId,
        brokerEpoch: 0n,
        instanceAge: 9n,
        fenceToken: claim.token,
        lastIntentNumber: claim.lastIntentNumber,
        mode: TopicMode.WATCH,
        released: claim.released,
        reset: false,
      },
      lineage: found.lineage.map((entry) => ({ ...entry })),
      remoteStart: found.remoteStart,
      deleted: false,
    },
    finishedSegments: finished.length,
    logBytes: finished.reduce((bytes, { logBytes }) => bytes + logBytes, 0),
  };
}

export class FakeUploader implements UploaderStatus {
  all: readonly LocalPartitionStatus[] = [];
  copies: readonly CopyTask[] = [];
  queued = 0;
  eraser: EraserStatus = { inHand: new Set(), failures: new Map() };
  own: readonly PartitionFinding[] = [];
  unready: readonly string[] = [];
  readonly released: string[] = [];

  async partitions(topic: string | undefined): Promise<readonly LocalPartitionStatus[]> {
    await Promise.resolve();
    return this.all.filter((found) => topic === undefined || found.topic === topic);
  }

  tasks() {
    return { copies: this.copies, queued: this.queued };
  }

  erasures() {
    return this.eraser;
  }

  findings() {
    return this.own;
  }

  async releaseClaim(topic: string, partition: number): Promise<void> {
    await Promise.resolve();
    const found = this.all.find((other) => other.topic === topic && other.partition === partition);
    if (found?.claim === undefined) throw new LogtierError('NOT_FOUND', 'no claim');
    this.released.push(`${topic}-${partition}`);
  }

  notReady() {
    return this.unready;
  }
}

/** Answers of one partition, by what is asked. */
export interface FakeOffsets {
  readonly earliestLocal?: bigint;
  readonly logEnd?: bigint;
  readonly latest?: bigint;
  readonly stable?: bigint;
}

/** By `topic:partition`; what is not there is refused. */
export function offsetsFrom(told: Readonly<Record<string, FakeOffsets>>): BrokerView['offsets'] {
  return async (queries, spec, committedOnly) => {
    await Promise.resolve();
    return queries.map(({ topic, partition }): OffsetAnswer => {
      const offsets = told[`${topic}:${partition}`];
      const latest = committedOnly ? offsets?.stable : offsets?.latest;
      const offset =
        spec === 'latest' ? latest : spec === 'logEnd' ? offsets?.logEnd : offsets?.earliestLocal;
      return offset === undefined
        ? { refused: 'NOT_LEADER_OR_FOLLOWER' }
        : { offset, leaderEpoch: 3 };
    });
  };
}
