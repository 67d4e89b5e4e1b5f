import { LogtierError } from '../../base/errors.ts';

/** Refuses what a newer Logtier wrote: its rows may mean something else. */
export function requireKnownVersion(stateVersion: number, known: number): void {
  if (stateVersion <= known) return;
  const message = `the catalog's state has version ${stateVersion}, this Logtier knows ${known}`;
  throw new LogtierError('CORRUPT_STATE', message, { hint: 'run the newer Logtier again' });
}
