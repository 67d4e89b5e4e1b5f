// What operators ask of a member's place in its group.
import type { GroupChange } from './membership-change.ts';
import type { Membership, Peer } from './membership.ts';

/** How far a member is, as the leader knows. */
export interface Follower {
  readonly matchIndex: number;
  /** Since a message of it came; undefined where none did. */
  readonly silentMs: number | undefined;
}

export interface GroupControl {
  readonly nodeId: number;
  readonly membership: Membership;
  /** Node id of the leader; undefined while none is known. */
  readonly leaderId: number | undefined;
  /** By node id; nobody where this member does not lead. */
  followers(): ReadonlyMap<number, Follower>;
  /**
   * Asks who listens at an address before it enters the group, for its directory. WRONG_CLUSTER when it is
   * another member, METASTORE_UNAVAILABLE.
   */
  introduce(peer: Peer, signal: AbortSignal): Promise<string>;
  /** Through a joint configuration that is left by itself; resolves when that is done. */
  changeGroup(change: GroupChange, signal: AbortSignal): Promise<void>;
  /**
   * To the voter named, or the one that has most. Resolves with who leads then; NOT_READY when it did not take
   * over within an election timeout, and this member leads on.
   */
  transferLeadership(to: number | undefined, signal: AbortSignal): Promise<number>;
}
