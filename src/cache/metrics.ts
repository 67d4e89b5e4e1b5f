import { counter, gauge, type LiveMetrics } from '../platform/metrics.ts';

export const cacheMetrics = {
  cache_hits_total: counter('Reads answered from the cache, by where the bytes were.', ['tier']),
  cache_misses_total: counter('Reads that had to wait for the object store.'),
  cache_loads_total: counter('Chunks loaded from the object store, by outcome.', ['outcome']),
  cache_loaded_bytes_total: counter('Bytes of those chunks.'),
  cache_evictions_total: counter('Chunks that made room for another one.'),
  cache_bad_slots_total: counter('Slots whose bytes were not what their header says.'),
  cache_slots_used: gauge('Slots that hold a chunk.'),
  cache_disk_tier_on: gauge('1 while the slot file is in use; 0: reads go straight to the store.'),
} as const;

export type CacheMetrics = LiveMetrics<typeof cacheMetrics>;
