// One check of the doctor: what was looked at, how it is, and what to do about it.
import { LogtierError } from '../base/errors.ts';
import type { Diagnosis } from '../gen/logtier/v1/operator.ts';
import { errorWords } from './error-words.ts';

export interface Check {
  /** Stable; as scripts name it. */
  readonly name: string;
  run(signal: AbortSignal): Promise<readonly Diagnosis[]>;
}

export function ok(check: string, text: string): Diagnosis {
  return { check, outcome: 'ok', text, hint: '' };
}

export function warn(check: string, text: string, hint: string): Diagnosis {
  return { check, outcome: 'warn', text, hint };
}

export function fail(check: string, text: string, hint: string): Diagnosis {
  return { check, outcome: 'fail', text, hint };
}

/** What went wrong while looking; the error's own hint is better than ours. */
export function failed(check: string, what: string, error: unknown, hint: string): Diagnosis {
  const own = error instanceof LogtierError ? error.hint : undefined;
  return fail(check, `${what}: ${errorWords(error)}`, own ?? hint);
}

/** A few names and how many more there are. */
export function someOf(names: readonly string[], shown = 5): string {
  const more = names.length - shown;
  return more > 0 ? `${names.slice(0, shown).join(', ')} and ${more} more` : names.join(', ');
}
