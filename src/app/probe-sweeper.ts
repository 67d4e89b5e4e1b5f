import { LogtierError } from '../base/errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import { sweepProbes } from '../store/sweep-probes.ts';
import type { NamedStore } from './open-stores.ts';

const SWEEP_MS = 3_600_000;

/** At once and every hour; a store that does not answer waits for the next time. Answers how to stop it. */
export function startProbeSweeper(
  deps: { readonly clock: Clock; readonly logger: Logger },
  stores: ReadonlyMap<string, NamedStore>,
): () => Promise<void> {
  const stopping = new AbortController();
  let sweeping = Promise.resolve();
  const sweep = async (): Promise<void> => {
    for (const [store, { objects }] of stores) {
      try {
        const swept = await sweepProbes(objects, stopping.signal);
        if (swept > 0) deps.logger.info({ store, swept }, 'old probe objects are deleted');
      } catch (error) {
        if (stopping.signal.aborted) return;
        deps.logger.warn({ store, reason: String(error) }, 'old probe objects were not looked for');
      }
    }
  };
  const begin = (): void => {
    sweeping = sweeping.then(sweep);
  };
  const unschedule = deps.clock.every(SWEEP_MS, begin);
  begin();
  return async () => {
    unschedule();
    stopping.abort(new LogtierError('ABORTED', 'the sidecar stops'));
    await sweeping;
  };
}
