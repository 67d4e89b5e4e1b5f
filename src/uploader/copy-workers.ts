// Takes copies from the queue, a few at once, and tells each partition how its copy ended.
import { LogtierError, hasCode } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { waitAfterFailure, waitForStableOffset } from './copy-failure.ts';
import type { CopyQueue, QueuedCopy } from './copy-queue.ts';
import {
  copySegment,
  newTarget,
  resumedTarget,
  type CopyJob,
  type CopyOutcome,
  type CopyProgress,
  type LeaderProbe,
} from './copy-segment.ts';
import type { UploaderMetrics } from './metrics.ts';
import type { CopyInFlight, PartitionState } from './partition-state.ts';
import type { Claim, SegmentLedger } from './segment-ledger.ts';
import type { UploaderSettings } from './settings.ts';

/** One closed segment of one partition, under the claim that planned it. */
export interface PartitionCopy extends QueuedCopy {
  readonly state: PartitionState;
  readonly claim: Claim;
  readonly nextOffset: bigint;
  readonly brokerLocalStart: bigint;
  readonly storeName: string;
  readonly resumes: SegmentRecord | undefined;
}

/** A store as the uploader uses it, and how late a writer of it may come. */
export interface UploadStore {
  readonly objects: ObjectStore;
  readonly lateWindowMs: number;
}

export interface WorkerDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: UploaderMetrics;
  readonly ledger: SegmentLedger;
  readonly leader: LeaderProbe;
  readonly stores: ReadonlyMap<string, UploadStore>;
  readonly queue: CopyQueue<PartitionCopy>;
  /** The copy has ended, well or not: plan the partition again. */
  readonly onEnd: (state: PartitionState) => void;
  readonly onFenced: (error: LogtierError) => void;
}

export interface WorkerIdentity {
  readonly clusterId: string;
  readonly brokerId: number;
}

/** Between two tries at a segment whose records are not decided yet. */
const STABLE_AGAIN_MS = 2_000;
/** Looks at whether a copy still moves. */
const PROGRESS_CHECK_MS = 1_000;

/** Runs until `signal` fires; what is in flight then is cancelled and awaited. */
export async function runCopyWorkers(
  deps: WorkerDeps,
  settings: UploaderSettings,
  identity: WorkerIdentity,
  signal: AbortSignal,
): Promise<void> {
  const worker = async (): Promise<void> => {
    while (!signal.aborted) {
      const job = deps.queue.take();
      if (job === undefined) await deps.queue.changed(signal);
      else await runCopy(deps, settings, { identity, job }, signal);
    }
  };
  await Promise.all(Array.from({ length: settings.copiesInFlight }, worker));
}

interface Running {
  readonly identity: WorkerIdentity;
  readonly job: PartitionCopy;
}

async function runCopy(
  deps: WorkerDeps,
  settings: UploaderSettings,
  running: Running,
  signal: AbortSignal,
): Promise<void> {
  const { job } = running;
  const { state } = job;
  try {
    const outcome = await copyWithWatchdog(deps, settings, running, signal);
    settle(deps, job, outcome);
  } catch (error) {
    if (!signal.aborted) fail(deps, settings, job, error);
  } finally {
    state.inFlight = undefined;
    deps.queue.done(job);
    if (!signal.aborted) deps.onEnd(state);
  }
}

/** A copy that moves nothing for too long is cancelled: a store that hangs must not hold a worker for ever. */
async function copyWithWatchdog(
  deps: WorkerDeps,
  settings: UploaderSettings,
  { identity, job }: Running,
  signal: AbortSignal,
): Promise<CopyOutcome> {
  const store = deps.stores.get(job.storeName);
  if (store === undefined)
    throw new LogtierError('STORE_REFUSED', `store '${job.storeName}' is not configured`);
  const target =
    job.resumes === undefined
      ? newTarget(deps, identity, job.claim, job.startOffset)
      : resumedTarget(job.resumes);
  const inFlight = begin(deps, job, target.segmentId);
  job.state.inFlight = inFlight;
  const watchdog = new AbortController();
  const onAbort = (): void => {
    watchdog.abort(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  let movedMs = deps.clock.monotonicMs();
  const stop = deps.clock.every(PROGRESS_CHECK_MS, () => {
    if (deps.clock.monotonicMs() - movedMs < settings.progressTimeoutMs) return;
    watchdog.abort(
      new LogtierError(
        'STORE_UNAVAILABLE',
        `the copy moved nothing for ${settings.progressTimeoutMs} ms (${inFlight.step})`,
      ),
    );
  });
  const progress: CopyProgress = {
    step: (step, objectBytes) => {
      inFlight.step = step;
      inFlight.totalBytes = objectBytes;
      movedMs = deps.clock.monotonicMs();
    },
    sent: (bytes) => {
      inFlight.sentBytes += bytes;
      movedMs = deps.clock.monotonicMs();
    },
  };
  try {
    return await copySegment(
      { ...deps, store: store.objects, progress },
      { ...identity, store: job.storeName, lateWindowMs: store.lateWindowMs },
      { ...placeOf(deps, settings, job), ...target },
      watchdog.signal,
    );
  } finally {
    stop();
    signal.removeEventListener('abort', onAbort);
  }
}

function begin(
  deps: WorkerDeps,
  job: PartitionCopy,
  segmentId: CopyInFlight['segmentId'],
): CopyInFlight {
  return {
    segmentId,
    startOffset: job.startOffset,
    nextOffset: job.nextOffset,
    attempt: (job.state.waits.get(job.startOffset)?.attempts ?? 0) + 1,
    sinceMs: deps.clock.wallMs(),
    step: 'opening',
    totalBytes: job.logBytes,
    sentBytes: 0,
  };
}

function placeOf(
  deps: WorkerDeps,
  settings: UploaderSettings,
  job: PartitionCopy,
): Omit<CopyJob, 'segmentId' | 'objectKey' | 'resumes'> {
  const missingSinceMs = job.state.waits.get(job.startOffset)?.missingSinceMs;
  const isGraceOver =
    missingSinceMs !== undefined &&
    deps.clock.monotonicMs() - missingSinceMs >= settings.snapshotGraceMs;
  return {
    claim: job.claim,
    place: {
      directory: job.state.directory.path,
      topicId: job.claim.id.topicId,
      startOffset: job.startOffset,
      nextOffset: job.nextOffset,
    },
    brokerLocalStart: job.brokerLocalStart,
    mayRebuild: isGraceOver,
  };
}

function settle(deps: WorkerDeps, job: PartitionCopy, outcome: CopyOutcome): void {
  const { state, startOffset } = job;
  if (outcome.kind === 'not-stable') {
    const now = {
      wallMs: deps.clock.wallMs(),
      monotonicMs: deps.clock.monotonicMs(),
      againMs: STABLE_AGAIN_MS,
    };
    state.waits.set(
      startOffset,
      waitForStableOffset(state.waits.get(startOffset), outcome.lastStableOffset, now),
    );
    return;
  }
  state.waits.delete(startOffset);
  state.retract('QUARANTINED', (finding) => finding.startOffset !== startOffset);
  state.retract('STORE_REFUSES', (finding) => finding.startOffset !== startOffset);
  if (outcome.kind !== 'copied') return;
  state.lastUploadMs = deps.clock.wallMs();
  const ms = state.lastUploadMs - (state.inFlight?.sinceMs ?? state.lastUploadMs);
  const { segmentId, logBytes } = outcome;
  deps.logger.info(
    { partition: state.name, startOffset, nextOffset: job.nextOffset, segmentId, logBytes, ms },
    'segment is remote',
  );
}

function fail(
  deps: WorkerDeps,
  settings: UploaderSettings,
  job: PartitionCopy,
  error: unknown,
): void {
  const { state, startOffset } = job;
  if (hasCode(error, 'FENCED_INSTANCE')) deps.onFenced(error);
  // A broker that says it does not lead fences nothing: the step that learns the same gives the claim back (rule 26).
  if (hasCode(error, 'FENCED_LEADER_EPOCH', 'FENCED_INSTANCE')) state.dropClaim();
  // The failed copy may have left its intent: with the file gone, only settling it again moves it on.
  state.orphansSettled = false;
  const wait = waitAfterFailure({
    before: state.waits.get(startOffset),
    error,
    backoff: settings,
    wallMs: deps.clock.wallMs(),
    monotonicMs: deps.clock.monotonicMs(),
    share: deps.random.share(),
  });
  state.waits.set(startOffset, wait);
  const { reason, detail } = wait.waiting;
  if (reason === 'QUARANTINED' || reason === 'STORE_REFUSES') {
    const text = `segment [${startOffset}, ${job.nextOffset}): ${detail ?? reason}`;
    state.report(
      { code: reason, text, startOffset, endOffset: job.nextOffset },
      deps.clock.wallMs(),
    );
  }
  deps.logger.warn(
    { partition: state.name, startOffset, reason, detail, attempts: wait.attempts },
    'a copy failed',
  );
}
