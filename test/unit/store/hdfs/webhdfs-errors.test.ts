import { expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import {
  exceptionOf,
  isUnanswered,
  refusalError,
  remoteRefusal,
} from '../../../../src/store/hdfs/webhdfs-errors.ts';

function refused(status: number, exception: string, message: string): LogtierError {
  const body = JSON.stringify({ RemoteException: { exception, javaClassName: 'x', message } });
  return refusalError(remoteRefusal(status, body), 'OPEN /a');
}

test.each([
  [404, 'FileNotFoundException', 'File /a not found.', 'OBJECT_NOT_FOUND'],
  [403, 'FileAlreadyExistsException', '/a already exists', 'OBJECT_EXISTS'],
  [500, 'FileAlreadyExistsException', '/a already exists', 'OBJECT_EXISTS'],
  [403, 'StandbyException', 'Operation category READ is not supported', 'STORE_UNAVAILABLE'],
  [403, 'SafeModeException', 'Cannot create /a', 'STORE_UNAVAILABLE'],
  [403, 'AlreadyBeingCreatedException', 'for another client', 'STORE_UNAVAILABLE'],
  [403, 'IOException', 'Failed to find datanode, suggest to check', 'STORE_UNAVAILABLE'],
  [403, 'IOException', 'No active and not excluded nodes contain', 'STORE_UNAVAILABLE'],
  [403, 'IOException', 'could only be written to 0 of the 1 minReplication', 'STORE_UNAVAILABLE'],
  [403, 'IOException', 'Offset=9 out of the range [0, 3)', 'STORE_REFUSED'],
  [403, 'AccessControlException', 'Permission denied: user=bob', 'STORE_DENIED'],
  [403, 'AccessControlException', '/a/f (is not a directory)', 'OBJECT_NOT_FOUND'],
  [403, 'DSQuotaExceededException', 'The DiskSpace quota is exceeded', 'DISK_FULL'],
  [403, 'NSQuotaExceededException', 'The NameSpace quota is exceeded', 'DISK_FULL'],
  [403, 'RemoteException', '".snapshot" is a reserved name.', 'STORE_REFUSED'],
  [403, 'ParentNotDirectoryException', '/a (is not a directory)', 'STORE_REFUSED'],
  [400, 'IllegalArgumentException', 'Invalid value for webhdfs parameter', 'STORE_REFUSED'],
  [500, 'RuntimeException', 'what we never saw', 'STORE_UNAVAILABLE'],
])('%i %s (%s) is %s', (status, exception, message, code) => {
  const error = refused(status, exception, message);
  expect([error.code, exceptionOf(error)]).toEqual([code, exception]);
});

test('the Java stack trace is cut off', () => {
  const error = refused(403, 'FileAlreadyExistsException', '/a exists\n\tat org.apache.hadoop\n');
  expect(error.message).toBe('OPEN /a: 403 FileAlreadyExistsException /a exists');
});

test.each([
  [401, 'STORE_DENIED'],
  [429, 'STORE_UNAVAILABLE'],
  [503, 'STORE_UNAVAILABLE'],
  [404, 'STORE_REFUSED'],
])('a page of something that is not WebHDFS, status %i, is %s', (status, code) => {
  const error = refusalError(remoteRefusal(status, '<html>\nno</html>'), 'OPEN /a');
  expect([error.code, error.message]).toEqual([code, `OPEN /a: ${status} <html>`]);
});

test('only what no node answered counts as unanswered', () => {
  expect(isUnanswered(new LogtierError('STORE_UNAVAILABLE', 'ECONNRESET'))).toBe(true);
  expect(isUnanswered(refused(403, 'SafeModeException', 'not now'))).toBe(false);
  expect(isUnanswered(refusalError(remoteRefusal(503, 'busy'), 'OPEN /a'))).toBe(false);
  expect(isUnanswered(new LogtierError('ABORTED', 'gone'))).toBe(false);
});
