import { counter, gauge, histogram, type LiveMetrics } from '../platform/metrics.ts';

const FIRST_BATCH_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export const fetcherMetrics = {
  fetcher_requests_total: counter('Fetches by what was answered.', ['verdict']),
  fetcher_sent_bytes_total: counter('Bytes of record batches handed to readers.', ['topic']),
  fetcher_first_batch_seconds: histogram('From request to first batch.', FIRST_BATCH_SECONDS),
  fetcher_streams: gauge('Answers under way.'),
  fetcher_gaps_total: counter('Offsets below the local start that no segment holds.', ['topic']),
  fetcher_missing_objects_total: counter('Objects of finished segments that the store lost.', [
    'topic',
  ]),
  fetcher_bad_batches_total: counter('Batches that were no batches when they were read.', [
    'outcome',
  ]),
  fetcher_broker_silences_total: counter('Questions for offsets that the broker did not answer.'),
} as const;

export type FetcherMetrics = LiveMetrics<typeof fetcherMetrics>;
