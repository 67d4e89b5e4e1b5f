import { LogtierError } from '../base/errors.ts';
import { errnoOf } from '../platform/disk.ts';

/** For a line that a person reads: our own message, the errno of a file, or whatever there is. */
export function errorWords(error: unknown): string {
  if (error instanceof LogtierError) return error.message;
  return errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
}
