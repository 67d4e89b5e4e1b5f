// etcd's errors (etcd api/v3, rpctypes/error.go) as ours.
import { type ServiceError, status as Status } from '@grpc/grpc-js';
import { LogtierError } from '../../../base/errors.ts';

/** Told with INVALID_ARGUMENT like real mistakes; a fresh token mends the last two. */
const AUTH_FAILED = 'etcdserver: authentication failed';
const AUTH_MISSING = 'etcdserver: user name is empty';
const AUTH_OLD = 'etcdserver: revision of auth store is old';

/** A fresh token may help. */
export function isStaleToken(error: ServiceError): boolean {
  const { code, details } = error;
  return code === Status.UNAUTHENTICATED || [AUTH_MISSING, AUTH_OLD].includes(details);
}

export function isServiceError(error: unknown): error is ServiceError {
  // Ours have a code and details too, but the code is a word.
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

export function etcdError(error: ServiceError, endpoint: string): LogtierError {
  const message = `etcd at ${endpoint}: ${error.details}`;
  switch (error.code) {
    case Status.RESOURCE_EXHAUSTED:
      return overloaded(error, message);
    case Status.OUT_OF_RANGE:
      return new LogtierError('COMPACTED', message, { cause: error });
    case Status.NOT_FOUND:
      return new LogtierError('NOT_FOUND', message, { cause: error });
    case Status.UNAUTHENTICATED:
    case Status.PERMISSION_DENIED:
      return denied(error, message);
    case Status.INVALID_ARGUMENT:
    case Status.UNIMPLEMENTED:
      return isAboutAuth(error)
        ? denied(error, message)
        : new LogtierError('INVALID_ARGUMENT', message, { cause: error });
    default:
      return new LogtierError('METASTORE_UNAVAILABLE', message, { cause: error });
  }
}

function isAboutAuth({ details }: ServiceError): boolean {
  return details.startsWith(AUTH_FAILED) || details === AUTH_MISSING || details === AUTH_OLD;
}

function denied(cause: ServiceError, message: string): LogtierError {
  const hint = 'grant our etcd user read and write on the prefix, and check its password';
  return new LogtierError('METASTORE_DENIED', message, { hint, cause });
}

function overloaded(cause: ServiceError, message: string): LogtierError {
  const context = cause.details.includes('space exceeded')
    ? { hint: 'etcd is at its quota: compact, defragment, disarm its alarm; see docs/metastore.md' }
    : {};
  return new LogtierError('OVERLOADED', message, { ...context, cause });
}
