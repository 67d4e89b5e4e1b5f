import { backoffMs } from '../../../base/backoff.ts';
import { hasCode } from '../../../base/errors.ts';
import type { EtcdDeps } from './append-batch.ts';
import type { EtcdLogSettings } from './settings.ts';

/**
 * Repeats a call that may be done twice until a member answers. METASTORE_UNAVAILABLE, the last one met,
 * after `commitMs`; the signal's reason as soon as it fires.
 */
export async function untilAnswered<T>(
  { clock, random }: Pick<EtcdDeps, 'clock' | 'random'>,
  settings: EtcdLogSettings,
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const endMs = clock.monotonicMs() + settings.commitMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call(signal);
    } catch (error) {
      const waitMs = backoffMs(settings, attempt, random.share());
      const isOver = clock.monotonicMs() + waitMs > endMs;
      if (isOver || !hasCode(error, 'METASTORE_UNAVAILABLE')) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}
