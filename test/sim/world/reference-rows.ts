// The rows of the reference, and what each operation does to them: every fence and state of
// docs/metastore.md, over plain maps. No lineage and no index tables.
import {
  DeleteReason,
  type Op,
  RemoteStartMover,
} from '../../../src/gen/logtier/v1/catalog_command.ts';
import { keyOf, printSegment, tokenText } from './reference-print.ts';

export type AnyOp = NonNullable<Op['op']>;
export type ValueOf<Name extends AnyOp['$case']> = Extract<AnyOp, { $case: Name }>['value'];
type OfPartition = Pick<ValueOf<'releaseClaim'>, 'partition' | 'fenceToken'>;

export interface RefSegment {
  readonly id: string;
  readonly state: 'copying' | 'finished' | 'deleting';
  readonly token: string;
  readonly facts: string;
  readonly nextOffset: bigint;
  readonly uploads: readonly string[];
}

interface RefClaim {
  readonly epoch: number;
  readonly brokerId: number;
  readonly age: bigint;
  readonly token: string;
  readonly released: boolean;
  readonly reset: boolean;
  readonly lastIntent: bigint;
}

interface RefPartition {
  readonly topicId: string;
  readonly claim: RefClaim;
  readonly remoteStart: bigint;
  readonly segments: ReadonlyMap<string, RefSegment>;
}

interface RefErase {
  readonly dueMs: bigint;
  readonly passes: number;
  readonly everFinished: boolean;
}

export interface RefSession {
  readonly brokerId: number;
  readonly age: bigint;
  highest: bigint;
  keptFrom: bigint;
}

const HOUR_MS = 3_600_000n;

export class Refused extends Error {}

function refuse(code: string): never {
  throw new Refused(code);
}

export type SegmentOp = Extract<
  AnyOp,
  {
    $case:
      | 'recordUpload'
      | 'finishCopy'
      | 'adoptIntent'
      | 'abortCopy'
      | 'startDelete'
      | 'finishDelete';
  }
>;

const SEGMENT_OPS: ReadonlySet<string> = new Set<SegmentOp['$case']>([
  'recordUpload',
  'finishCopy',
  'adoptIntent',
  'abortCopy',
  'startDelete',
  'finishDelete',
]);

export function isSegmentOp(op: AnyOp): op is SegmentOp {
  return SEGMENT_OPS.has(op.$case);
}

export class RefRows {
  readonly incarnation: number;
  clockMs = 0n;
  isHeld = false;
  partitions = new Map<string, RefPartition>();
  erase = new Map<string, RefErase>();
  deletedTopics = new Set<string>();
  protected touched = new Map<string, string>();
  protected changed = new Set<string>();

  constructor(incarnation: number) {
    this.incarnation = incarnation;
  }

  protected advanceClock(nowMs: bigint): void {
    if (this.clockMs !== 0n && nowMs > this.clockMs + HOUR_MS) this.isHeld = true;
    else if (nowMs > this.clockMs && !this.isHeld) this.clockMs = nowMs;
  }

  protected tokenAt(index: bigint): string {
    return `${this.incarnation}/${index}`;
  }

  protected hold(
    { partition: ref, fenceToken }: OfPartition,
    session: RefSession | undefined,
  ): { readonly key: string; readonly partition: RefPartition } {
    const key = keyOf(ref);
    if (this.deletedTopics.has(ref?.topicId ?? '')) refuse('TOPIC_DELETED');
    const partition = this.partitions.get(key);
    if (partition !== undefined && partition.claim.token === tokenText(fenceToken)) {
      return { key, partition };
    }
    return refuse(isYounger(partition?.claim, session) ? 'FENCED_INSTANCE' : 'FENCED_LEADER_EPOCH');
  }

  protected claim(
    index: bigint,
    asked: ValueOf<'claimPartition'>,
    session: RefSession | undefined,
  ): string {
    const key = keyOf(asked.partition);
    const topicId = asked.partition?.topicId ?? '';
    if (session === undefined || session.brokerId !== asked.brokerId) refuse('INVALID_ARGUMENT');
    if (this.deletedTopics.has(topicId)) refuse('TOPIC_DELETED');
    const before = this.partitions.get(key);
    const { leaderEpoch: epoch, brokerId } = asked;
    const token = this.tokenAt(index);
    const fresh = { epoch, brokerId, age: session.age, token, released: false, reset: false };
    if (before === undefined) {
      const claim = { ...fresh, lastIntent: 0n };
      const { initialRemoteStart: remoteStart } = asked;
      this.setPartition(key, { topicId, claim, remoteStart, segments: new Map() });
      return 'partitionClaimed';
    }
    mayFollow(before.claim, asked, session);
    const claim = { ...fresh, lastIntent: before.claim.lastIntent };
    this.setPartition(key, { ...before, claim, segments: this.restamped(before, asked, token) });
    return 'partitionClaimed';
  }

  /** No other claim came between: the broker's open copies stay its own. */
  private restamped(
    { claim, segments }: RefPartition,
    asked: ValueOf<'claimPartition'>,
    token: string,
  ): Map<string, RefSegment> {
    const next = new Map(segments);
    if (claim.released || claim.brokerId !== asked.brokerId) return next;
    for (const segment of segments.values()) {
      if (segment.state !== 'copying' || segment.token !== claim.token) continue;
      next.set(segment.id, { ...segment, token });
      this.touchSegment({ ...segment, token });
    }
    return next;
  }

  protected releaseClaim(
    index: bigint,
    asked: ValueOf<'releaseClaim'>,
    session: RefSession | undefined,
  ): string {
    const { key, partition } = this.hold(asked, session);
    const claim = { ...partition.claim, released: true, token: this.tokenAt(index) };
    this.setPartition(key, { ...partition, claim });
    return 'done';
  }

  protected confirmClock(nowMs: bigint, entryMs: bigint): string {
    const apartMs = nowMs > entryMs ? nowMs - entryMs : entryMs - nowMs;
    if (apartMs > HOUR_MS) refuse('CLOCK_SKEW');
    if (nowMs > this.clockMs) this.clockMs = nowMs;
    this.isHeld = false;
    return 'done';
  }

  protected resetClaim(index: bigint, topicId: string): string {
    if (this.deletedTopics.has(topicId)) refuse('TOPIC_DELETED');
    const own = [...this.partitions].filter(([, each]) => each.topicId === topicId);
    if (own.length === 0) refuse('NOT_FOUND');
    for (const [key, partition] of own) {
      const claim = { ...partition.claim, released: true, reset: true, token: this.tokenAt(index) };
      this.setPartition(key, { ...partition, claim });
    }
    return 'done';
  }

  protected deleteTopic(topicId: string): string {
    if (this.deletedTopics.has(topicId)) return 'done';
    for (const [key, partition] of this.partitions) {
      if (partition.topicId !== topicId) continue;
      for (const segment of partition.segments.values()) {
        if (segment.state === 'copying') this.queue(segment.id, false);
      }
      this.replace(key, { ...partition, segments: new Map() });
    }
    this.deletedTopics.add(topicId);
    this.touched.set(topicId, `t:${topicId}`);
    return 'done';
  }

  protected erasing(op: Extract<AnyOp, { $case: 'objectErased' | 'recordErasePass' }>): string {
    const { segmentId } = op.value;
    const entry = this.erase.get(segmentId);
    if (entry === undefined) return 'done';
    if (op.$case === 'recordErasePass') {
      const dueMs = this.clockMs + op.value.waitMs;
      this.erase.set(segmentId, { ...entry, dueMs, passes: entry.passes + 1 });
      return 'done';
    }
    const isEarly = entry.passes === 0 || entry.dueMs > this.clockMs;
    if (!entry.everFinished && isEarly) refuse('ILLEGAL_TRANSITION');
    this.erase.delete(segmentId);
    return 'done';
  }

  protected moveRemoteStart(
    asked: ValueOf<'moveRemoteStart'>,
    session: RefSession | undefined,
  ): string {
    const { key, partition } = this.hold(asked, session);
    if (asked.remoteStart === partition.remoteStart) return 'done';
    const isRetention = asked.by === RemoteStartMover.RETENTION;
    if (isRetention && this.isHeld) refuse('CLOCK_SKEW');
    if (isRetention && asked.remoteStart < partition.remoteStart) refuse('ILLEGAL_TRANSITION');
    this.setPartition(key, { ...partition, remoteStart: asked.remoteStart });
    return 'done';
  }

  protected startCopy(asked: ValueOf<'startCopy'>, session: RefSession | undefined): string {
    const { segment, intentNumber } = asked;
    const { key, partition } = this.hold({ ...segment!, partition: segment }, session);
    const id = segment!.segmentId;
    const facts = `${segment!.brokerId} ${segment!.startOffset} ${segment!.nextOffset}`;
    const known = partition.segments.get(id);
    if (known !== undefined) {
      if (known.token !== partition.claim.token) refuse('FENCED_LEADER_EPOCH');
      if (known.state === 'deleting' || known.facts !== facts) refuse('ILLEGAL_TRANSITION');
      return 'segmentChanged';
    }
    const isSpent = this.erase.has(id) || intentNumber <= partition.claim.lastIntent;
    if (isSpent) refuse('ILLEGAL_TRANSITION');
    const claim = { ...partition.claim, lastIntent: intentNumber };
    const { nextOffset } = segment!;
    const started: RefSegment = {
      id,
      state: 'copying',
      token: claim.token,
      facts,
      nextOffset,
      uploads: [],
    };
    this.setPartition(key, { ...partition, claim });
    this.setSegment(key, started);
    return 'segmentChanged';
  }

  protected changeSegment(op: SegmentOp, session: RefSession | undefined): string {
    const { key, partition } = this.hold(op.value, session);
    const segment = partition.segments.get(op.value.segmentId);
    if (segment === undefined) return op.$case === 'finishDelete' ? 'done' : refuse('NOT_FOUND');
    const needsOwn = op.$case === 'recordUpload' || op.$case === 'finishCopy';
    if (needsOwn && segment.token !== partition.claim.token) refuse('FENCED_LEADER_EPOCH');
    switch (op.$case) {
      case 'recordUpload':
        return this.recordUpload(key, segment, op.value.uploadId);
      case 'finishCopy':
        return this.commit(key, segment, segment.token);
      case 'adoptIntent':
        return this.commit(key, segment, partition.claim.token);
      case 'abortCopy':
        return this.abortCopy(key, segment);
      case 'startDelete':
        return this.startDelete(op.value, { key, segment, remoteStart: partition.remoteStart });
      case 'finishDelete':
        return this.endSegment(key, segment);
    }
  }

  private abortCopy(key: string, segment: RefSegment): string {
    if (segment.state === 'finished') refuse('ILLEGAL_TRANSITION');
    return segment.state === 'deleting' ? 'done' : this.beginDelete(key, segment);
  }

  private recordUpload(key: string, segment: RefSegment, uploadId: string): string {
    if (segment.state !== 'copying') refuse('ILLEGAL_TRANSITION');
    if (segment.uploads.includes(uploadId)) return 'done';
    if (segment.uploads.length >= 64) refuse('OVERLOADED');
    this.setSegment(key, { ...segment, uploads: [...segment.uploads, uploadId] });
    return 'done';
  }

  private commit(key: string, segment: RefSegment, token: string): string {
    if (segment.state === 'finished') return 'done';
    if (segment.state !== 'copying') refuse('ILLEGAL_TRANSITION');
    this.setSegment(key, { ...segment, state: 'finished', token, uploads: [] });
    return 'done';
  }

  private startDelete(
    { reason }: ValueOf<'startDelete'>,
    held: { readonly key: string; readonly segment: RefSegment; readonly remoteStart: bigint },
  ): string {
    const { key, segment, remoteStart } = held;
    if (segment.state === 'deleting') return 'done';
    if (reason === DeleteReason.RETENTION_TIME) {
      if (this.isHeld) refuse('CLOCK_SKEW');
      if (segment.nextOffset > remoteStart) refuse('ILLEGAL_TRANSITION');
    }
    if (segment.state === 'copying') refuse('ILLEGAL_TRANSITION');
    return this.beginDelete(key, segment);
  }

  private beginDelete(key: string, segment: RefSegment): string {
    this.queue(segment.id, segment.state === 'finished');
    this.setSegment(key, { ...segment, state: 'deleting' });
    return 'done';
  }

  private endSegment(key: string, segment: RefSegment): string {
    if (segment.state !== 'deleting') refuse('ILLEGAL_TRANSITION');
    const partition = this.partitions.get(key)!;
    const segments = new Map(partition.segments);
    segments.delete(segment.id);
    this.replace(key, { ...partition, segments });
    this.touched.set(segment.id, `s:${segment.id}:ended`);
    return 'done';
  }

  private queue(id: string, everFinished: boolean): void {
    this.erase.set(id, { dueMs: this.clockMs, passes: 0, everFinished });
  }

  protected setPartition(key: string, partition: RefPartition): void {
    this.replace(key, partition);
    this.touched.set(key, `p:${key}`);
  }

  protected replace(key: string, partition: RefPartition): void {
    this.partitions.set(key, partition);
    this.changed.add(key);
  }

  private setSegment(key: string, segment: RefSegment): void {
    const partition = this.partitions.get(key)!;
    const segments = new Map(partition.segments).set(segment.id, segment);
    this.replace(key, { ...partition, segments });
    this.touchSegment(segment);
  }

  private touchSegment(segment: RefSegment): void {
    this.touched.set(segment.id, `s:${printSegment(segment)}`);
  }
}

function mayFollow(
  before: RefClaim,
  asked: ValueOf<'claimPartition'>,
  session: RefSession | undefined,
): void {
  if (before.reset || asked.leaderEpoch > before.epoch) return;
  if (asked.leaderEpoch < before.epoch) refuse('FENCED_LEADER_EPOCH');
  if (isYounger(before, session)) refuse('FENCED_INSTANCE');
  if (!before.released && before.brokerId !== asked.brokerId) refuse('FENCED_LEADER_EPOCH');
}

function isYounger(claim: RefClaim | undefined, session: RefSession | undefined): boolean {
  if (claim === undefined || session === undefined || claim.released) return false;
  return session.brokerId === claim.brokerId && claim.age > session.age;
}
