import { LogtierError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { errnoOf } from '../../platform/disk.ts';

const codes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EACCES: 'STORE_DENIED',
  EPERM: 'STORE_DENIED',
  EROFS: 'STORE_DENIED',
  ENOTDIR: 'STORE_REFUSED',
  EEXIST: 'STORE_REFUSED',
  EISDIR: 'STORE_REFUSED',
  ENAMETOOLONG: 'STORE_REFUSED',
};

/** On the way to a file that should be there: one of these means that there is none. */
const NO_SUCH_FILE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);

export function isMissing(error: unknown): boolean {
  return NO_SUCH_FILE.has(errnoOf(error) ?? '');
}

/** A node error as the store's: what is not understood (EIO, ESTALE) is retried, the directory may be a network's. */
export function writeError(error: unknown, doing: string): LogtierError {
  if (error instanceof LogtierError) return error;
  const errno = errnoOf(error);
  const code = (errno === undefined ? undefined : codes[errno]) ?? 'STORE_UNAVAILABLE';
  return new LogtierError(code, `${doing}: ${errno ?? String(error)}`, { cause: error });
}

/** As `writeError`, where a missing file is the answer. */
export function readError(error: unknown, doing: string): LogtierError {
  return isMissing(error)
    ? new LogtierError('OBJECT_NOT_FOUND', doing, { cause: error })
    : writeError(error, doing);
}
