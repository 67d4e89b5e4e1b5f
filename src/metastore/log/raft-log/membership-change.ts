// Changes of the group as the core proposes them; the address of a new member travels with its change.
import { MemberAddress } from '../../../gen/logtier/v1/raft.ts';
import type { ConfChange, ConfChangeV2 } from '../../raft/conf-change.ts';
import { decodePeer, encodePeer, type Membership, type Peer, withPeer } from './membership.ts';

export type GroupChange =
  | ({ readonly kind: 'addLearner' } & Peer)
  | { readonly kind: 'promote'; readonly id: number }
  | { readonly kind: 'remove'; readonly id: number };

/** Always through a joint configuration, which the leader leaves by itself. */
export function confChangeOf(change: GroupChange): ConfChangeV2 {
  const type = {
    addLearner: 'addLearnerNode',
    promote: 'addNode',
    remove: 'removeNode',
  } as const;
  const changes = [{ type: type[change.kind], nodeId: change.id }];
  const context = change.kind === 'addLearner' ? encodeAddress(change) : undefined;
  return { version: 2, transition: 'jointImplicit', changes, context };
}

/** What a group begins with, one entry a member; needs no joint configuration. */
export function foundingChange(voter: Peer): ConfChangeV2 {
  const changes = [{ type: 'addNode', nodeId: voter.id }] as const;
  return { version: 2, transition: 'auto', changes, context: encodeAddress(voter) };
}

/** `before` with the address that `change` brings. */
export function addressIn({ context }: ConfChange, before: Membership): Membership {
  if (context === undefined || context.length === 0) return before;
  return withPeer(before, decodePeer(MemberAddress.decode(context)));
}

function encodeAddress(peer: Peer): Uint8Array {
  return MemberAddress.encode(encodePeer(peer)).finish();
}
