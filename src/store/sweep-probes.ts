// A process that is killed in mid-probe leaves its small object behind; whoever is alive clears what is old.
import { PROBE_PREFIX } from './object-key.ts';
import type { ObjectStore } from './object-store.ts';

/** No probe takes so long. */
const PROBE_LEFT_MS = 3_600_000;
/** As many as one delete may name; the next sweep takes the rest. */
const MOST_AT_ONCE = 1_000;

/** Deletes probe objects that were last written over an hour ago, by the store's clock; answers how many. */
export async function sweepProbes(
  store: Pick<ObjectStore, 'list' | 'delete' | 'wallClockMs'>,
  signal: AbortSignal,
): Promise<number> {
  const nowMs = await store.wallClockMs(signal);
  const left: string[] = [];
  for await (const { key, modifiedMs } of store.list(PROBE_PREFIX, '', signal)) {
    if (nowMs - modifiedMs > PROBE_LEFT_MS) left.push(key);
    if (left.length === MOST_AT_ONCE) break;
  }
  if (left.length === 0) return 0;
  const refused = await store.delete(left, signal);
  return left.length - refused.length;
}
