// The operator room's own metrics; all get the prefix `logtier_`.
import { gauge, type LiveMetrics } from '../platform/metrics.ts';

export const operatorMetrics = {
  build_info: gauge('1; the labels tell what runs.', ['version', 'role']),
  event_loop_delay_seconds: gauge('Longest delay of the event loop since the last refresh.'),
  findings: gauge('Findings that hold now, by code.', ['code']),
  metastore_view_lag_seconds: gauge(
    'Age of the newest moment at which the local view had seen all that was committed.',
  ),
  metastore_view_lag_revisions: gauge(
    'Entries of the log that the metastore had and the local view had not when last compared.',
  ),
  not_ready: gauge('Reasons why the process is not ready, as /readyz lists them.'),
  remote_log_size_computation_seconds: gauge('Time that the last refresh of sizes and lag took.'),
} as const;

export type OperatorMetrics = LiveMetrics<typeof operatorMetrics>;
