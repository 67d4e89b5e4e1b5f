import { expect, test } from 'vitest';
import { hasCode, isErrorCode, LogtierError, reactionTo } from '../../../src/base/errors.ts';

test('an error tells code, hint, details and cause', () => {
  const cause = new Error('below');
  const error = new LogtierError('DISK_FULL', 'no space', {
    hint: 'free some',
    details: { bytes: 7 },
    cause,
  });
  expect(error).toMatchObject({ code: 'DISK_FULL', message: 'no space', hint: 'free some', cause });
  expect(error.details).toEqual({ bytes: 7 });
  expect(new LogtierError('DISK_FULL', 'no space')).toMatchObject({ hint: undefined, details: {} });
});

test('a code is asked for by name', () => {
  const error = new LogtierError('NOT_READY', 'not yet');
  expect(hasCode(error, 'DISK_FULL', 'NOT_READY')).toBe(true);
  expect(hasCode(error, 'DISK_FULL')).toBe(false);
  expect(hasCode(new Error('not ours'), 'DISK_FULL')).toBe(false);
});

test('only names in the table are codes', () => {
  expect(isErrorCode('NOT_READY')).toBe(true);
  expect(isErrorCode('toString')).toBe(false);
});

test('an error of unknown origin is reported, never retried', () => {
  expect(reactionTo(new Error('what?'))).toBe('report');
  expect(reactionTo(new LogtierError('NOT_READY', 'not yet'))).toBe('retry');
});
