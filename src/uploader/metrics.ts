// The uploader's metrics; names follow Kafka's RemoteStorageMetrics (KIP-405, KIP-963). All get the prefix `logtier_`.
import { counter, gauge, histogram, type LiveMetrics } from '../platform/metrics.ts';

/** From a small segment on a near store to 1 GiB over a slow line. */
const COPY_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200];

export const uploaderMetrics = {
  remote_copy_bytes_total: counter('Log bytes committed as remote.', ['topic']),
  remote_copy_requests_total: counter('Copies of segments begun.', ['topic']),
  remote_copy_errors_total: counter('Copies of segments that failed, by error code.', [
    'topic',
    'code',
  ]),
  remote_copy_seconds: histogram(
    'From opening a segment to its commit, by outcome: copied or failed.',
    COPY_SECONDS,
    ['outcome'],
  ),
  remote_copy_lag_bytes: gauge('Bytes of closed local segments not yet remote.', ['topic']),
  remote_copy_lag_segments: gauge('Closed local segments not yet remote.', ['topic']),
  remote_copy_lag_seconds: gauge('Age of the oldest closed local segment not yet remote.', [
    'topic',
  ]),
  remote_copy_sent_bytes_total: counter('Bytes handed to stores, repeated ones included.'),
  remote_copy_rebuilt_segments_total: counter('Segments copied with an index made anew.'),
  quarantined_segments: gauge('Closed local segments not copied because their log is damaged.', [
    'topic',
  ]),
  local_retention_headroom_seconds: gauge(
    'Time until the broker’s own retention reaches records that are not remote.',
    ['topic'],
  ),
  remote_log_size_bytes: gauge('Log bytes of the remote segments served.', ['topic']),
  remote_log_metadata_count: gauge('Records of remote segments in the catalog.', ['topic']),
  remote_delete_requests_total: counter('Objects that the eraser asked stores to delete.', [
    'store',
  ]),
  remote_delete_errors_total: counter('Deletes that a store refused or did not answer.', ['store']),
  remote_delete_lag_segments: gauge('Objects seen due on the delete queue.', ['store']),
  remote_delete_lag_bytes: gauge('Bytes of the objects seen due on the delete queue.', ['store']),
  orphan_objects: gauge('Unfinished intents of earlier owners that need an operator.'),
} as const;

export type UploaderMetrics = LiveMetrics<typeof uploaderMetrics>;
