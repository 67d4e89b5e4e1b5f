import type { LiveMetrics } from '../platform/metrics.ts';
import { counter, histogram } from '../platform/metrics.ts';

/** From a stat on a near store to a large put over a slow line. */
const REQUEST_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** `store`: its name in the settings · `op`: a method of ObjectStore · `outcome`: `ok`, `left` (early) or an error code. */
export const storeMetrics = {
  store_request_seconds: histogram(
    'Time one call waited for the store, each try of its own; a consumer’s own time is not counted.',
    REQUEST_SECONDS,
    ['store', 'op', 'outcome'],
  ),
  store_first_byte_seconds: histogram(
    'From a get to its first byte.',
    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['store'],
  ),
  store_sent_bytes_total: counter('Bytes of bodies handed to the store, repeated ones again.', [
    'store',
  ]),
  store_received_bytes_total: counter('Bytes of objects got from the store.', ['store']),
} as const;

export type StoreMetrics = LiveMetrics<typeof storeMetrics>;
