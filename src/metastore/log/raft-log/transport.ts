// How members of a group reach each other. Homes: gRPC, and the simulator's network.
import { LogtierError } from '../../../base/errors.ts';
import type { Message } from '../../raft/messages.ts';
import type { Snapshot } from '../replicated-log.ts';
import type { Introduction } from './meet-voters.ts';
import type { Membership, Peer } from './membership.ts';

/** May be read again from its beginning until it is closed. */
export interface SnapshotContent {
  content(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** What a transport tells its member; none of these throws or waits. */
export interface PeerEvents {
  received(message: Message): void;
  /** A MsgSnap with its whole, checked content; the member closes it. */
  snapshotReceived(message: Message, content: SnapshotContent): void;
  unreachable(nodeId: number): void;
  /** The stream of a member's messages broke: its process may be gone, or its connection. */
  disconnected(nodeId: number): void;
  /** For good: a peer knows that this member was removed, or with another directory. */
  refused(error: LogtierError): void;
}

export interface RaftTransport {
  /** Once, before anything is sent. */
  start(events: PeerEvents): void;
  /** Whom to reach, whom to refuse; whoever is not in it any more is let go. */
  setMembership(membership: Membership): void;
  /**
   * Asks who listens at the peer's address, and to agree to the founders of a new group unless they are nobody.
   * WRONG_CLUSTER, WRONG_DIRECTORY, METASTORE_UNAVAILABLE.
   */
  introduce(peer: Peer, founders: readonly Peer[], signal: AbortSignal): Promise<Introduction>;
  /** Takes it or loses it, at once; a peer that takes nothing is told as unreachable. */
  send(message: Message): void;
  /** Resolves when the receiver has taken the snapshot over; rejects when that is not known. */
  sendSnapshot(message: Message, snapshot: Snapshot, signal: AbortSignal): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

/** For a group of one. */
export const noPeers: RaftTransport = {
  start: () => undefined,
  setMembership: () => undefined,
  send: () => undefined,
  introduce: () => {
    throw new LogtierError(
      'INVALID_ARGUMENT',
      'this metastore is alone: it has no group to add to',
      {
        hint: 'give it a metastore.group section first: docs/runbooks/grow-a-group.md',
      },
    );
  },
  sendSnapshot: () => Promise.reject(new TypeError('a group of one sends no snapshots')),
  stop: () => Promise.resolve(),
};
