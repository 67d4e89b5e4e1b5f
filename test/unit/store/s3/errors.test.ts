import { expect, test } from 'vitest';
import { refusalError, sdkError } from '../../../../src/store/s3/errors.ts';

const cases: readonly [number | undefined, string, string][] = [
  [404, 'NoSuchKey', 'OBJECT_NOT_FOUND'],
  [404, 'NotFound', 'OBJECT_NOT_FOUND'],
  [404, 'NoSuchBucket', 'STORE_REFUSED'],
  [404, 'NoSuchUpload', 'STORE_REFUSED'],
  [412, 'PreconditionFailed', 'OBJECT_EXISTS'],
  [412, '', 'OBJECT_EXISTS'],
  [409, 'ConditionalRequestConflict', 'STORE_UNAVAILABLE'],
  [409, 'ObjectParentIsFile', 'STORE_REFUSED'],
  [403, 'AccessDenied', 'STORE_DENIED'],
  [403, 'RequestTimeTooSkewed', 'STORE_DENIED'],
  [400, 'ExpiredToken', 'STORE_DENIED'],
  [400, 'RequestTimeout', 'STORE_UNAVAILABLE'],
  [400, 'BadDigest', 'STORE_UNAVAILABLE'],
  [400, 'XAmzContentChecksumMismatch', 'STORE_UNAVAILABLE'],
  [400, 'InvalidArgument', 'STORE_REFUSED'],
  [416, 'InvalidRange', 'STORE_REFUSED'],
  [429, '', 'STORE_UNAVAILABLE'],
  [500, 'InternalError', 'STORE_UNAVAILABLE'],
  [501, 'NotImplemented', 'STORE_REFUSED'],
  [503, 'SlowDown', 'STORE_UNAVAILABLE'],
  [undefined, 'TimeoutError', 'STORE_UNAVAILABLE'],
];

test.each(cases)('an answer of %s %s is %s', (status, code, expected) => {
  expect(refusalError({ status, code, message: '' }, 'doing').code).toBe(expected);
});

test('an error of the SDK is told by its name and status', () => {
  const never = new AbortController().signal;
  const thrown = Object.assign(new Error('no'), {
    name: 'NotFound',
    $metadata: { httpStatusCode: 404 },
  });
  expect(sdkError(thrown, 'doing', never).code).toBe('OBJECT_NOT_FOUND');
  expect(sdkError(new Error('socket hang up'), 'doing', never).code).toBe('STORE_UNAVAILABLE');
  expect(sdkError(thrown, 'doing', AbortSignal.abort()).code).toBe('ABORTED');
});
