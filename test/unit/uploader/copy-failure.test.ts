import { expect, test } from 'vitest';
import { LogtierError, type ErrorCode } from '../../../src/base/errors.ts';
import { waitAfterFailure, waitForStableOffset } from '../../../src/uploader/copy-failure.ts';

const backoff = { firstRetryMs: 100, longestRetryMs: 1_000 };
const now = { backoff, wallMs: 5_000, monotonicMs: 50, share: 0.5 };

function after(error: unknown, before?: Parameters<typeof waitAfterFailure>[0]['before']) {
  return waitAfterFailure({ ...now, before, error });
}

test.each<[ErrorCode, string]>([
  ['CORRUPT_BATCH', 'QUARANTINED'],
  ['UNSUPPORTED_FORMAT', 'QUARANTINED'],
  ['STORE_UNAVAILABLE', 'STORE_UNREACHABLE'],
  ['STORE_DENIED', 'STORE_REFUSES'],
  ['OBJECT_CORRUPT', 'STORE_REFUSES'],
  ['BROKER_UNAVAILABLE', 'BROKER_UNREACHABLE'],
  ['OUTCOME_UNKNOWN', 'METASTORE_UNREACHABLE'],
  ['SOURCE_CHANGED', 'STILL_CHANGING'],
  ['TRUNCATED_FILE', 'SNAPSHOT_GRACE'],
  ['LOG_DIR_FAILED', 'LOG_DIR_FAILED'],
  ['FENCED_LEADER_EPOCH', 'RETRYING'],
])('%s is told as %s', (code, reason) => {
  expect(after(new LogtierError(code, 'why')).waiting).toEqual({
    reason,
    detail: 'why',
    sinceMs: 5_000,
  });
});

test('an error of unknown origin is tried again, and told in its own words', () => {
  expect(after(new TypeError('odd')).waiting).toMatchObject({ reason: 'RETRYING', detail: 'odd' });
});

test('tries are counted, and the same reason keeps its first time', () => {
  const first = after(new LogtierError('STORE_UNAVAILABLE', 'a'));
  const second = waitAfterFailure({
    ...now,
    wallMs: 9_000,
    before: first,
    error: new LogtierError('STORE_UNAVAILABLE', 'b'),
  });
  expect(second.attempts).toBe(2);
  expect(second.waiting).toEqual({ reason: 'STORE_UNREACHABLE', detail: 'b', sinceMs: 5_000 });
  const other = waitAfterFailure({
    ...now,
    wallMs: 9_000,
    before: second,
    error: new LogtierError('STORE_DENIED', 'c'),
  });
  expect(other.waiting.sinceMs).toBe(9_000);
});

test('damage is looked at again after an hour, everything else much sooner', () => {
  expect(after(new LogtierError('CORRUPT_BATCH', '')).notBeforeMs).toBe(50 + 3_600_000);
  expect(after(new LogtierError('STORE_UNAVAILABLE', '')).notBeforeMs).toBeLessThanOrEqual(150);
});

test('the grace of a missing file runs from the first try that missed it', () => {
  const first = after(new LogtierError('TRUNCATED_FILE', ''));
  expect(first.missingSinceMs).toBe(50);
  const later = waitAfterFailure({
    ...now,
    monotonicMs: 900,
    before: first,
    error: new LogtierError('TRUNCATED_FILE', ''),
  });
  expect(later.missingSinceMs).toBe(50);
});

test('undecided records are no failure', () => {
  const before = after(new LogtierError('STORE_UNAVAILABLE', ''));
  expect(waitForStableOffset(before, 40n, { wallMs: 1, monotonicMs: 2, againMs: 3 })).toEqual({
    waiting: {
      reason: 'ABOVE_LAST_STABLE_OFFSET',
      detail: 'the last stable offset is 40',
      sinceMs: 1,
    },
    attempts: 0,
    notBeforeMs: 5,
    missingSinceMs: undefined,
  });
});
