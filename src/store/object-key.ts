// What a key may look like in every home, and the order in which keys are listed.
import { LogtierError } from '../base/errors.ts';

/** S3 takes 1,024 bytes of UTF-8; a home's prefix is counted too, so keys stay shorter. */
export const LONGEST_KEY_BYTES = 900;

/** Where a directory keeps unfinished files; no key may start with it. */
export const UPLOADING_DIRECTORY = '.uploading';

/** Small objects of the probe live under this prefix, next to everything else. */
export const PROBE_PREFIX = '.logtier-probe/';

const FORBIDDEN_PARTS = new Set(['', '.', '..']);

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit === 0x7f) return true;
  }
  return false;
}

function faultOf(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.some((part) => FORBIDDEN_PARTS.has(part))) return 'has an empty, "." or ".." part';
  if (parts[0] === UPLOADING_DIRECTORY) return 'is where unfinished files live';
  if (hasControlCharacter(key)) return 'holds a control character';
  if (Buffer.byteLength(key) > LONGEST_KEY_BYTES) return 'is too long';
  return undefined;
}

/** Throws INVALID_ARGUMENT for a key that some home could not keep, or that would leave its directory. */
export function requireKey(key: string): void {
  const fault = faultOf(key);
  if (fault !== undefined) {
    throw new LogtierError('INVALID_ARGUMENT', `key ${JSON.stringify(key)} ${fault}`);
  }
}

/** Order of UTF-8 bytes, as S3 lists; JavaScript's own order differs above U+D7FF. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
