import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { errorCodes, isErrorCode, LogtierError } from '../../../src/base/errors.ts';
import { errorOf, statusOf } from '../../../src/rpc/status.ts';

function overTheWire(error: unknown): ServiceError {
  return Object.assign(new Error('wire'), statusOf(error));
}

function said(code: status): string {
  const error = { code, details: 'd', metadata: new Metadata() };
  return errorOf(Object.assign(new Error('x'), error), 'BROKER_UNAVAILABLE').code;
}

test('every error of ours comes back as the one that was thrown', () => {
  for (const code of Object.keys(errorCodes).filter(isErrorCode)) {
    const details = { path: '/a/ü', bytes: 7, offset: 2n ** 60n, held: true };
    const thrown = new LogtierError(code, `what ${code} says`, { hint: 'do → this', details });
    const caught = errorOf(overTheWire(thrown), 'METASTORE_UNAVAILABLE');
    expect([caught.code, caught.message, caught.hint, caught.details]).toEqual([
      code,
      `what ${code} says`,
      'do → this',
      details,
    ]);
  }
});

test('an error without hint and details has none after the wire', () => {
  const caught = errorOf(overTheWire(new LogtierError('NOT_FOUND', 'no')), 'NOT_READY');
  expect([caught.hint, caught.details]).toEqual([undefined, {}]);
});

test('what is not ours tells nothing of itself', () => {
  const sent = statusOf(new Error('a secret path'));
  expect([sent.code, sent.details]).toEqual([status.UNKNOWN, 'internal error']);
});

test('a peer that only knows gRPC is understood by its status', () => {
  expect(said(status.UNAVAILABLE)).toBe('BROKER_UNAVAILABLE');
  expect(said(status.INTERNAL)).toBe('BROKER_UNAVAILABLE');
  expect(said(status.DEADLINE_EXCEEDED)).toBe('DEADLINE_EXCEEDED');
  expect(said(status.CANCELLED)).toBe('ABORTED');
  expect(said(status.UNIMPLEMENTED)).toBe('INVALID_ARGUMENT');
  expect(said(status.RESOURCE_EXHAUSTED)).toBe('OVERLOADED');
});

test('details too long for a header are left out, the code is not', () => {
  const long = new LogtierError('CORRUPT_FILE', 'x', {
    hint: 'h'.repeat(10_000),
    details: { text: 'y'.repeat(10_000) },
  });
  const caught = errorOf(overTheWire(long), 'NOT_READY');
  expect([caught.code, caught.hint?.length, caught.details]).toEqual(['CORRUPT_FILE', 2048, {}]);
});
