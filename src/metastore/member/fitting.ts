import { LogtierError } from '../../base/errors.ts';
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { LogStatus } from '../log/replicated-log.ts';

/** The log must reach as far as the engine: it never applied what is not committed. */
export function requireFitting({ appliedIndex }: CatalogState, log: LogStatus): void {
  if (appliedIndex > log.committed) {
    throw new LogtierError(
      'CORRUPT_STATE',
      `the catalog is at entry ${appliedIndex}, the log ends at ${log.committed}`,
      { hint: 'the log was lost or replaced: restore both from one backup' },
    );
  }
}

/** What the log says when it begins behind the engine and no snapshot leads there. */
export function notFitting({ appliedIndex }: CatalogState, log: LogStatus): LogtierError {
  return new LogtierError(
    'CORRUPT_STATE',
    `the catalog is at entry ${appliedIndex}, the log begins at ${log.firstIndex}`,
    { hint: 'the catalog was lost or replaced: restore both from one backup' },
  );
}
