// Sets a member's gauges; called when somebody asks for them.
import type { ClusterMember } from './cluster-rpc.ts';
import type { MetastoreMetrics } from './metrics.ts';

export class MemberMeter {
  private readonly metastore: ClusterMember;
  private readonly metrics: MetastoreMetrics;
  /** Nodes that have a gauge. */
  private measured: readonly string[] = [];

  constructor(metastore: ClusterMember, metrics: MetastoreMetrics) {
    this.metastore = metastore;
    this.metrics = metrics;
  }

  measure(): void {
    const { metrics } = this;
    const { role, leader, failure, term, committed } = this.metastore.logStatus();
    const { appliedIndex, segments, eraseQueue, sessions, clockHeld, orphanLock } =
      this.metastore.member.state;
    metrics.metastore_member_leads.set(role === 'leader' ? 1 : 0);
    metrics.metastore_member_has_leader.set(leader === undefined ? 0 : 1);
    metrics.metastore_member_failed.set(failure === undefined ? 0 : 1);
    metrics.metastore_member_term.set(Number(term));
    metrics.metastore_member_committed_index.set(Number(committed));
    metrics.metastore_member_applied_index.set(Number(appliedIndex));
    metrics.metastore_segments.set(Number(segments));
    metrics.metastore_erase_queue.set(Number(eraseQueue));
    metrics.metastore_sessions.set(sessions);
    metrics.metastore_clock_held.set(clockHeld ? 1 : 0);
    metrics.metastore_orphans_locked.set(orphanLock ? 1 : 0);
    this.measureGroup(Number(committed));
  }

  private measureGroup(committed: number): void {
    const own = this.metastore.group();
    const followers = own?.followers() ?? new Map<number, { readonly matchIndex: number }>();
    this.metrics.metastore_member_voters.set(own?.membership.confState.voters.length ?? 0);
    for (const node of this.measured) {
      this.metrics.metastore_follower_behind_entries.remove({ node });
    }
    for (const [node, { matchIndex }] of followers) {
      const behind = Math.max(0, committed - matchIndex);
      this.metrics.metastore_follower_behind_entries.set(behind, { node: String(node) });
    }
    this.measured = [...followers.keys()].map(String);
  }
}
