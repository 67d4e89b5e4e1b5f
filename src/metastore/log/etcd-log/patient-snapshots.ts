import { type BackoffSettings, backoffMs } from '../../../base/backoff.ts';
import { hasCode, LogtierError } from '../../../base/errors.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import type { SnapshotStore } from './snapshot-store.ts';

export interface PatientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const WAIT: BackoffSettings = { firstRetryMs: 200, longestRetryMs: 30_000 };

/**
 * Reads from a store however long it is away or refuses: a member that needs the snapshot has nothing else to do, and an
 * operator can mend a store. A part that is gone is METASTORE_UNAVAILABLE: a newer snapshot has taken its place.
 */
export function patientSnapshots(
  { clock, random, logger }: PatientDeps,
  store: Pick<SnapshotStore, 'get'>,
): Pick<SnapshotStore, 'get'> {
  return {
    get: async (name, signal) => {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await store.get(name, signal);
        } catch (error) {
          if (hasCode(error, 'OBJECT_NOT_FOUND')) throw superseded(name, error);
          if (!hasCode(error, 'STORE_UNAVAILABLE', 'STORE_DENIED', 'STORE_REFUSED')) throw error;
          logger.warn({ reason: error.message }, 'the snapshot of the catalog cannot be read');
          await clock.sleep(backoffMs(WAIT, attempt, random.share()), signal);
        }
      }
    },
  };
}

function superseded(name: string, cause: unknown): LogtierError {
  const message = `part ${name} of the snapshot is gone from the object store`;
  return new LogtierError('METASTORE_UNAVAILABLE', message, { cause });
}
