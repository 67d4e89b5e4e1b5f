// How members of a group reach each other. Homes: gRPC, and the simulator's network.
import type { Message } from '../../raft/messages.ts';
import type { Snapshot } from '../replicated-log.ts';
import type { Membership } from './membership.ts';

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
  /** A peer knows that this member was removed. */
  removed(reason: string): void;
}

export interface RaftTransport {
  /** Once, before anything is sent. */
  start(events: PeerEvents): void;
  /** Whom to reach, whom to refuse; whoever is not in it any more is let go. */
  setMembership(membership: Membership): void;
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
  sendSnapshot: () => Promise.reject(new TypeError('a group of one sends no snapshots')),
  stop: () => Promise.resolve(),
};
