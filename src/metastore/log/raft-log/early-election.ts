// When the leader's process is gone its streams break at once: no need to wait for an election timeout of silence.
// Nothing depends on it: a leader that lives is heard again before anybody campaigns, and the pre-vote of a member that
// is alone in its belief is refused by all who still hear the leader.
import type { RawNode } from '../../raft/raw-node.ts';

/** Between two voters' campaigns, so that they do not split the votes. */
const APART_TICKS = 2;

export class EarlyElection {
  private readonly core: RawNode;
  private dueTicks = 0;

  constructor(core: RawNode) {
    this.core = core;
  }

  /** The stream of a member's messages broke. */
  lost(nodeId: number): void {
    const { id, lead, config } = this.core.status();
    if (lead !== nodeId || lead === id) return;
    const candidates = config.voters.filter((voter) => voter !== nodeId).toSorted((a, b) => a - b);
    const rank = candidates.indexOf(id);
    if (rank < 0) return;
    this.core.forgetLeader();
    this.dueTicks = 1 + rank * APART_TICKS;
  }

  tick(): void {
    if (this.dueTicks === 0) return;
    const { lead, role } = this.core.basicStatus();
    this.dueTicks = lead === 0 && role === 'follower' ? this.dueTicks - 1 : 0;
    if (this.dueTicks === 0 && lead === 0 && role === 'follower') this.core.campaign();
  }
}
