// One partition as operators see its local side: each segment with its state and why.
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { PartitionSnapshot } from '../segment/segment-record.ts';
import { closedSegments, type ClosedSegment } from './closed-segments.ts';
import type { CopyQueue } from './copy-queue.ts';
import { finishedHoles } from './copy-plan.ts';
import type { PartitionCopy } from './copy-workers.ts';
import type { Leadership } from './leadership.ts';
import { localDeadlines } from './local-deadlines.ts';
import type { PartitionState } from './partition-state.ts';
import type { LocalPartitionStatus, LocalSegmentStatus } from './uploader-status.ts';
import type { Waiting } from './waiting-reason.ts';

export interface StatusDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly leadership: Leadership;
  readonly queue: CopyQueue<PartitionCopy>;
  readonly peek: (state: PartitionState) => PartitionSnapshot | undefined;
}

export async function localPartitionStatus(
  deps: StatusDeps,
  state: PartitionState,
): Promise<LocalPartitionStatus> {
  const { topic, partition, logDir, fileNames } = state.directory;
  const files = fileNames.map((name) => ({ name, sizeBytes: undefined }));
  const local = closedSegments(`${topic}-${partition}`, files);
  const { deletableAtMs, activeBytes } = await localDeadlines(
    deps,
    state,
    local,
    deps.leadership.config(topic),
  );
  const snapshot = deps.peek(state);
  const closed = local.closed.map((segment) =>
    segmentStatus(
      deps,
      { state, segment, snapshot },
      deletableAtMs.get(segment.startOffset) ?? Infinity,
    ),
  );
  const belief = deps.leadership.belief(topic, partition);
  return {
    topic,
    partition,
    topicId: state.topicId,
    logDir,
    isLeader: belief?.isLeader === true,
    claim: state.claim,
    rule: state.rule,
    blocked: state.blocked,
    segments:
      local.activeOffset === undefined
        ? closed
        : [...closed, activeStatus(local.activeOffset, activeBytes)],
    lastUploadMs: state.lastUploadMs,
    findings: state.findings(),
  };
}

interface Looked {
  readonly state: PartitionState;
  readonly segment: ClosedSegment;
  readonly snapshot: PartitionSnapshot | undefined;
}

function segmentStatus(
  deps: StatusDeps,
  { state, segment, snapshot }: Looked,
  deletableAtMs: number,
): LocalSegmentStatus {
  const { startOffset, nextOffset } = segment;
  const logBytes = state.closedFacts.get(startOffset)?.logBytes ?? 0;
  const base = { startOffset, nextOffset, logBytes, copiedBytes: undefined, deletableAtMs };
  if (snapshot !== undefined && isRemote(segment, snapshot))
    return { ...base, state: 'remote', waiting: undefined };
  const { inFlight } = state;
  if (inFlight?.startOffset === startOffset) {
    const copying: Waiting = {
      reason: 'COPYING',
      detail: inFlight.step,
      sinceMs: inFlight.sinceMs,
    };
    return {
      ...base,
      state: 'copying',
      waiting: copying,
      copiedBytes: Math.min(inFlight.sentBytes, logBytes),
    };
  }
  const waiting = whyWaiting(deps, state, segment, snapshot);
  if (waiting.reason === 'QUARANTINED') return { ...base, state: 'quarantined', waiting };
  return { ...base, state: waiting.reason === 'QUEUED' ? 'queued' : 'waiting', waiting };
}

/** All of it that is not below the remote start; what lies wholly below is told as such, unless it is remote. */
function isRemote(segment: ClosedSegment, snapshot: PartitionSnapshot): boolean {
  const { startOffset, nextOffset } = segment;
  const { remoteStart } = snapshot;
  const straddles = startOffset < remoteStart && remoteStart < nextOffset;
  const asked = { startOffset: straddles ? remoteStart : startOffset, nextOffset };
  return finishedHoles(snapshot, asked).length === 0;
}

function whyWaiting(
  deps: StatusDeps,
  state: PartitionState,
  segment: ClosedSegment,
  snapshot: PartitionSnapshot | undefined,
): Waiting {
  const sinceMs = deps.clock.wallMs();
  if (state.blocked !== undefined) return state.blocked;
  if (snapshot !== undefined && segment.nextOffset <= snapshot.remoteStart) {
    return {
      reason: 'BEFORE_FROM',
      detail: `the remote start is ${snapshot.remoteStart}`,
      sinceMs,
    };
  }
  const wait = state.waits.get(segment.startOffset);
  if (wait !== undefined) return wait.waiting;
  if (state.claim === undefined) return { reason: 'CLAIM_PENDING', detail: undefined, sinceMs };
  const isQueued = deps.queue.isWaiting(state.claim.id, segment.startOffset);
  return { reason: isQueued ? 'QUEUED' : 'QUEUE_FULL', detail: undefined, sinceMs };
}

function activeStatus(startOffset: bigint, logBytes: number): LocalSegmentStatus {
  return {
    startOffset,
    nextOffset: undefined,
    logBytes,
    state: 'active',
    waiting: { reason: 'ACTIVE', detail: undefined, sinceMs: 0 },
    copiedBytes: undefined,
    deletableAtMs: Infinity,
  };
}
