// One upload, top to bottom: open, check, ask, intend, put, prove, check again, commit. To understand the
// uploader, start here. Rules with numbers: docs/safety.md.
import { LogtierError, hasCode, reactionTo } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { Random } from '../platform/random.ts';
import { generateUuid } from '../kafka/uuid.ts';
import { segmentId, type SegmentId } from '../segment/ids.ts';
import { buildObjectKey } from '../segment/object-key.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { beginAttempt, withinWindow, type Attempt } from './late-window.ts';
import {
  isDeletedLocally,
  openLocalSegment,
  provesChange,
  recheckLocalSegment,
  type LocalSegment,
  type LocalSegmentPlace,
} from './local-segment.ts';
import type { UploaderMetrics } from './metrics.ts';
import { prepareObject, sameIntent, type PreparedObject } from './prepared-object.ts';
import { proveStored } from './proof.ts';
import type { Claim, SegmentLedger } from './segment-ledger.ts';
import { readSegmentSource, type SegmentSource } from './segment-source.ts';

/** What the flow asks the local broker; app/ or the orchestrator adapts BrokerView to it. */
export interface LeaderProbe {
  /**
   * ListOffsets(-1, READ_COMMITTED, currentLeaderEpoch = `leaderEpoch`). NOT_LEADER_OR_FOLLOWER when the
   * broker does not lead at this epoch, BROKER_UNAVAILABLE when it does not answer.
   */
  lastStableOffset(
    topic: string,
    partition: number,
    leaderEpoch: number,
    signal: AbortSignal,
  ): Promise<bigint>;
}

export type CopyStep = 'checking' | 'intending' | 'sending' | 'proving' | 'committing';

/** For the operator's pages; called often, must not wait. */
export interface CopyProgress {
  step(step: CopyStep, objectBytes: number): void;
  /** Bytes handed to the store; a repeated part counts again. */
  sent(bytes: number): void;
}

export interface CopyDeps {
  readonly disk: Disk;
  readonly store: ObjectStore;
  readonly ledger: Pick<SegmentLedger, 'startCopy' | 'recordUpload' | 'finishCopy' | 'abortCopy'>;
  readonly leader: LeaderProbe;
  readonly clock: Clock;
  readonly metrics: UploaderMetrics;
  readonly progress: CopyProgress;
}

export interface CopySettings {
  readonly clusterId: string;
  readonly brokerId: number;
  /** Name under which `deps.store` is configured. */
  readonly store: string;
  /** After it no store call is made for one attempt: S3 1 h, HDFS 24 h (rule 24). */
  readonly lateWindowMs: number;
}

export interface CopyJob {
  readonly claim: Claim;
  readonly place: LocalSegmentPlace;
  readonly brokerLocalStart: bigint;
  /** The grace for a missing producer snapshot or a bad index is over (rule 12). */
  readonly mayRebuild: boolean;
  readonly segmentId: SegmentId;
  readonly objectKey: string;
  /** The open intent that is taken up again (rule 11); undefined for a new one. */
  readonly resumes: SegmentRecord | undefined;
}

export type CopyOutcome =
  | { readonly kind: 'copied'; readonly segmentId: SegmentId; readonly logBytes: number }
  /** Holds records that are not committed or not decided yet; nothing was done. */
  | { readonly kind: 'not-stable'; readonly lastStableOffset: bigint }
  /** The log is empty; there is nothing to copy. */
  | { readonly kind: 'empty' };

/** Between two puts of a segment whose file is already gone; the store's own retries come before it. */
const LAST_COPY_RETRY_MS = 5_000;

type CopyTarget = Pick<CopyJob, 'segmentId' | 'objectKey' | 'resumes'>;

/** Id and key of a fresh attempt. The id names the time of the intent; each token has its own key (rule 20). */
export function newTarget(
  deps: { readonly clock: Clock; readonly random: Random },
  settings: Pick<CopySettings, 'clusterId'>,
  claim: Claim,
  startOffset: bigint,
): CopyTarget {
  const id = segmentId(generateUuid(deps.random.bytes(16), deps.clock.wallMs()));
  const { topic, token } = claim;
  const key = { clusterId: settings.clusterId, topic, id: claim.id, startOffset, token };
  return {
    segmentId: id,
    objectKey: buildObjectKey({ ...key, segmentId: id }),
    resumes: undefined,
  };
}

/** Id and key of an intent of ours from before: never another (rule 11). */
export function resumedTarget(record: SegmentRecord): CopyTarget {
  return { segmentId: record.segmentId, objectKey: record.objectKey, resumes: record };
}

/**
 * Copies one closed segment. Safe to repeat at any point. When it throws, the intent was aborted, or stands in
 * the catalog for the next try or the next owner; an unknown outcome is never taken for a failure (rule 4).
 * Retriable: SOURCE_CHANGED, TRUNCATED_FILE, STORE_UNAVAILABLE, BROKER_UNAVAILABLE, DEADLINE_EXCEEDED.
 * For good: CORRUPT_BATCH, UNSUPPORTED_FORMAT (quarantine); FENCED_*, NOT_LEADER_OR_FOLLOWER (stop).
 */
export async function copySegment(
  deps: CopyDeps,
  settings: CopySettings,
  job: CopyJob,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const { topic } = job.claim;
  const beganMs = deps.clock.monotonicMs();
  const secondsSoFar = (): number => (deps.clock.monotonicMs() - beganMs) / 1000;
  deps.metrics.remote_copy_requests_total.add(1, { topic });
  try {
    const outcome = await copyOpened(deps, settings, job, signal);
    if (outcome.kind === 'copied') {
      deps.metrics.remote_copy_bytes_total.add(outcome.logBytes, { topic });
      deps.metrics.remote_copy_seconds.observe(secondsSoFar(), { outcome: 'copied' });
    }
    return outcome;
  } catch (error) {
    const code = error instanceof LogtierError ? error.code : 'UNKNOWN';
    deps.metrics.remote_copy_errors_total.add(1, { topic, code });
    deps.metrics.remote_copy_seconds.observe(secondsSoFar(), { outcome: 'failed' });
    throw error;
  }
}

/** Descriptors first: they survive rename and unlink, and what the broker says afterwards is about them (rule 16). */
async function copyOpened(
  deps: CopyDeps,
  settings: CopySettings,
  job: CopyJob,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const local = await openLocalSegment(deps.disk, job.place);
  try {
    if (local.logStat.sizeBytes === 0) return { kind: 'empty' };
    const lastStableOffset = await askLeader(deps, job, signal);
    if (lastStableOffset < job.place.nextOffset) return { kind: 'not-stable', lastStableOffset };
    deps.progress.step('checking', local.logStat.sizeBytes);
    const source = await checkedSource(deps, local, job, signal);
    return await intendAndSend(deps, { settings, job, local, source }, signal);
  } finally {
    await local.close();
  }
}

function askLeader(deps: CopyDeps, { claim }: CopyJob, signal: AbortSignal): Promise<bigint> {
  return deps.leader.lastStableOffset(claim.topic, claim.id.partition, claim.leaderEpoch, signal);
}

/** A log that changes under the reader looks damaged: whether it did is asked before it is believed. */
async function checkedSource(
  deps: CopyDeps,
  local: LocalSegment,
  job: CopyJob,
  signal: AbortSignal,
): Promise<SegmentSource> {
  try {
    return await readSegmentSource(local, { mayRebuild: job.mayRebuild }, signal);
  } catch (error) {
    if (reactionTo(error) === 'quarantine') await recheckLocalSegment(deps.disk, local);
    throw error;
  }
}

/** All that one attempt knows of its segment. */
interface Work {
  readonly settings: CopySettings;
  readonly job: CopyJob;
  readonly local: LocalSegment;
  readonly source: SegmentSource;
}

async function intendAndSend(
  deps: CopyDeps,
  work: Work,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const { job, settings, source } = work;
  const object = prepareObject(settings, job, work.local, source);
  const copied: CopyOutcome = {
    kind: 'copied',
    segmentId: job.segmentId,
    logBytes: source.log.bytes,
  };
  if (job.resumes !== undefined && !sameIntent(job.resumes, object.intent)) {
    // Something changed that matters only to the bytes, such as a checkpoint cut from below.
    return await dropIntent(deps, job, copied, signal);
  }
  const attempt = beginAttempt(deps.clock, settings.lateWindowMs, signal);
  try {
    deps.progress.step('intending', object.intent.objectBytes);
    const record = await deps.ledger.startCopy(job.claim, object.intent, signal);
    if (record.state === 'COPY_SEGMENT_STARTED') {
      const uploadIds = [...record.uploadIds];
      await sendAndCommit(deps, work, { object, attempt, uploadIds }, signal);
    }
    return copied;
  } finally {
    attempt.end();
  }
}

/** One key, one content (rule 20): the next try is a new intent. */
async function dropIntent(
  deps: CopyDeps,
  job: CopyJob,
  copied: CopyOutcome,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const error = new LogtierError('SOURCE_CHANGED', 'the segment differs from its open intent');
  if ((await abort(deps, job, error, signal)) === 'finished') return copied;
  throw error;
}

interface Sending {
  readonly object: PreparedObject;
  readonly attempt: Attempt;
  /** Every upload that was begun for this intent, by earlier lives too; the record forgets them when FINISHED. */
  readonly uploadIds: string[];
}

async function sendAndCommit(
  deps: CopyDeps,
  work: Work,
  sending: Sending,
  signal: AbortSignal,
): Promise<void> {
  const { job, local, source } = work;
  try {
    await putAndProve(deps, work, sending);
  } catch (error) {
    if ((await giveUp(deps, job, error, signal)) === 'finished') return;
    throw hasCode(error, 'OBJECT_EXISTS') ? contentChanged(error) : error;
  }
  // The object is whole, and may by now be the only copy: only evidence against it undoes it (rule 10).
  deps.progress.step('committing', sending.object.intent.objectBytes);
  try {
    await recheckLocalSegment(deps.disk, local);
  } catch (error) {
    if (provesChange(error) && (await giveUp(deps, job, error, signal)) === 'finished') return;
    throw error;
  }
  await abandonLeftovers(deps, job, sending);
  await askLeader(deps, job, signal);
  await deps.ledger.finishCopy(job.claim, job.segmentId, signal);
  if (source.rebuilt) deps.metrics.remote_copy_rebuilt_segments_total.add(1);
}

/** An earlier life of the intent stored other bytes; the intent is aborted, the next try has its own key. */
function contentChanged(cause: LogtierError): LogtierError {
  return new LogtierError('SOURCE_CHANGED', 'another content stands under the key of the intent', {
    cause,
  });
}

/** While local retention has taken the file away, the descriptors are not given up for a store that is away. */
async function putAndProve(deps: CopyDeps, work: Work, sending: Sending): Promise<void> {
  const { attempt } = sending;
  for (;;) {
    try {
      await putOnce(deps, work.job, sending);
      return;
    } catch (error) {
      const isHopeless = reactionTo(error) !== 'retry' || attempt.signal.aborted;
      if (isHopeless || !(await isDeletedLocally(deps.disk, work.local))) throw error;
      await deps.clock.sleep(LAST_COPY_RETRY_MS, attempt.signal);
    }
  }
}

async function putOnce(deps: CopyDeps, job: CopyJob, sending: Sending): Promise<void> {
  const { object, attempt, uploadIds } = sending;
  const store = withinWindow(deps.store, attempt);
  deps.progress.step('sending', object.intent.objectBytes);
  const body = object.body((bytes) => {
    deps.progress.sent(bytes);
    deps.metrics.remote_copy_sent_bytes_total.add(bytes);
  });
  const observer = {
    uploadStarted: async (uploadId: string) => {
      await deps.ledger.recordUpload(job.claim, job.segmentId, uploadId, attempt.signal);
      uploadIds.push(uploadId);
    },
  };
  const stored = await store.put(job.objectKey, body, observer, attempt.signal);
  const moved = (): void => {
    deps.progress.step('proving', object.intent.objectBytes);
  };
  moved();
  await proveStored(store, stored, { body, moved }, attempt.signal);
}

/** One upload became the object; what others left would be named by nothing once the record is FINISHED. */
async function abandonLeftovers(deps: CopyDeps, job: CopyJob, sending: Sending): Promise<void> {
  const { attempt, uploadIds } = sending;
  if (uploadIds.length <= 1 && job.resumes === undefined) return;
  attempt.requireYoung();
  await deps.store.abandon(job.objectKey, uploadIds, attempt.signal);
}

/**
 * Before the commit was sent. Who is told to stop leaves the intent where it is: a restart takes it up again,
 * a new owner decides on it. Everything else is cleaned up by the one command that may (rule 4).
 */
async function giveUp(
  deps: CopyDeps,
  job: CopyJob,
  error: unknown,
  signal: AbortSignal,
): Promise<'aborted' | 'finished' | 'left'> {
  const mustStop = reactionTo(error) === 'stop' && !hasCode(error, 'OBJECT_EXISTS');
  return signal.aborted || mustStop ? 'left' : abort(deps, job, error, signal);
}

/** An abort that is not answered leaves the intent; one that is refused tells more than the error at hand. */
async function abort(
  deps: CopyDeps,
  job: CopyJob,
  error: unknown,
  signal: AbortSignal,
): Promise<'aborted' | 'finished' | 'left'> {
  const why = error instanceof LogtierError ? error.code : String(error);
  try {
    return await deps.ledger.abortCopy(job.claim, job.segmentId, why, signal);
  } catch (refusal) {
    if (hasCode(refusal, 'FENCED_LEADER_EPOCH', 'FENCED_INSTANCE')) throw refusal;
    return 'left';
  }
}
