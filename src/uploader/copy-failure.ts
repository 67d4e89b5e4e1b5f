// What a failed try at one segment means: the reason told to operators, and when it is tried again (pure).
import { backoffMs, type BackoffSettings } from '../base/backoff.ts';
import { LogtierError, hasCode, reactionTo, type ErrorCode } from '../base/errors.ts';
import type { SegmentWait } from './partition-state.ts';
import { isWaitingReason, type WaitingReason } from './waiting-reason.ts';

const reasons: Partial<Record<ErrorCode, WaitingReason>> = {
  STORE_UNAVAILABLE: 'STORE_UNREACHABLE',
  STORE_DENIED: 'STORE_REFUSES',
  STORE_REFUSED: 'STORE_REFUSES',
  OBJECT_EXISTS: 'STORE_REFUSES',
  OBJECT_CORRUPT: 'STORE_REFUSES',
  DISK_FULL: 'STORE_REFUSES',
  BROKER_UNAVAILABLE: 'BROKER_UNREACHABLE',
  BROKER_DENIED: 'BROKER_UNREACHABLE',
  METASTORE_UNAVAILABLE: 'METASTORE_UNREACHABLE',
  OUTCOME_UNKNOWN: 'METASTORE_UNREACHABLE',
  NOT_READY: 'VIEW_NOT_READY',
  SOURCE_CHANGED: 'STILL_CHANGING',
  TRUNCATED_FILE: 'SNAPSHOT_GRACE',
  LOG_DIR_FAILED: 'LOG_DIR_FAILED',
};

/** Damage on disk seldom mends itself; a broker that restores the replica does mend it. */
const QUARANTINE_RETRY_MS = 3_600_000;

export interface FailureInput {
  readonly before: SegmentWait | undefined;
  readonly error: unknown;
  readonly backoff: BackoffSettings;
  readonly wallMs: number;
  readonly monotonicMs: number;
  /** A draw from [0, 1). */
  readonly share: number;
}

export function waitAfterFailure(input: FailureInput): SegmentWait {
  const { before, error, wallMs, monotonicMs } = input;
  const attempts = (before?.attempts ?? 0) + 1;
  const reason = reasonOf(error);
  const detail = error instanceof Error ? error.message : String(error);
  const againMs =
    reason === 'QUARANTINED'
      ? QUARANTINE_RETRY_MS
      : backoffMs(input.backoff, attempts - 1, input.share);
  return {
    waiting: { reason, detail, sinceMs: sinceMs(before, reason, wallMs) },
    attempts,
    notBeforeMs: monotonicMs + againMs,
    missingSinceMs:
      before?.missingSinceMs ?? (hasCode(error, 'TRUNCATED_FILE') ? monotonicMs : undefined),
  };
}

function reasonOf(error: unknown): WaitingReason {
  if (reactionTo(error) === 'quarantine') return 'QUARANTINED';
  if (!(error instanceof LogtierError)) return 'RETRYING';
  // The copy itself knows best which of its files it waits for.
  const told = error.details['waiting'];
  return isWaitingReason(told) ? told : (reasons[error.code] ?? 'RETRYING');
}

function sinceMs(before: SegmentWait | undefined, reason: WaitingReason, wallMs: number): number {
  return before?.waiting.reason === reason ? before.waiting.sinceMs : wallMs;
}

/** Not a failure: its records are not decided yet. */
export function waitForStableOffset(
  before: SegmentWait | undefined,
  lastStableOffset: bigint,
  now: { readonly wallMs: number; readonly monotonicMs: number; readonly againMs: number },
): SegmentWait {
  const reason = 'ABOVE_LAST_STABLE_OFFSET';
  return {
    waiting: {
      reason,
      detail: `the last stable offset is ${lastStableOffset}`,
      sinceMs: sinceMs(before, reason, now.wallMs),
    },
    attempts: 0,
    notBeforeMs: now.monotonicMs + now.againMs,
    missingSinceMs: before?.missingSinceMs,
  };
}
