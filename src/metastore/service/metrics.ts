// What a metastore member tells Prometheus of itself; all get the prefix `logtier_`.
import { gauge, type LiveMetrics } from '../../platform/metrics.ts';

export const metastoreMetrics = {
  metastore_member_leads: gauge('1 while this member leads, or is the keeper of a log in etcd.'),
  metastore_member_has_leader: gauge('1 while this member knows who leads.'),
  metastore_member_failed: gauge('1 when this member can go no further; its log says why.'),
  metastore_member_term: gauge('Term of the log.'),
  metastore_member_committed_index: gauge('Newest entry of the log known to be committed.'),
  metastore_member_applied_index: gauge('Newest entry in the catalog.'),
  metastore_member_voters: gauge('Members that vote, as this one knows.'),
  metastore_follower_behind_entries: gauge('Entries a member misses; told by the leader only.', [
    'node',
  ]),
  metastore_segments: gauge('Segment records in the catalog.'),
  metastore_erase_queue: gauge('Objects in the delete queue.'),
  metastore_sessions: gauge('Client sessions.'),
  metastore_clock_held: gauge('1 while retention waits for `logtier clock confirm`.'),
  metastore_orphans_locked: gauge(
    '1 after a restore: nothing without a record is erased before the stores are reconciled.',
  ),
} as const;

export type MetastoreMetrics = LiveMetrics<typeof metastoreMetrics>;
