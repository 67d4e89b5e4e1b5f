import { LogtierError } from '../../base/errors.ts';
import type { CatalogState } from '../../gen/logtier/v1/catalog_command.ts';
import type { LogStatus } from '../log/replicated-log.ts';

/** Together engine and log must hold every entry: neither may begin or end where the other does not reach. */
export function requireFitting({ appliedIndex }: CatalogState, log: LogStatus): void {
  if (appliedIndex > log.committed) {
    throw new LogtierError(
      'CORRUPT_STATE',
      `the catalog is at entry ${appliedIndex}, the log ends at ${log.committed}`,
      { hint: 'the log was lost or replaced: restore both from one backup' },
    );
  }
  if (appliedIndex + 1n < log.firstIndex) {
    throw new LogtierError(
      'CORRUPT_STATE',
      `the catalog is at entry ${appliedIndex}, the log begins at ${log.firstIndex}`,
      { hint: 'the catalog was lost or replaced: restore both from one backup' },
    );
  }
}
