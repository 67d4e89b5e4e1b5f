// Who is in the group and where: kept beside the log, sent with snapshots.
import { LogtierError } from '../../../base/errors.ts';
import { type MemberAddress, MembershipRecord } from '../../../gen/logtier/v1/raft.ts';
import type { ConfState } from '../../raft/messages.ts';

export interface Membership {
  readonly confState: ConfState;
  /** By node id; `host:port`, or `unix:/path`. */
  readonly addresses: ReadonlyMap<number, string>;
  /** By node id; who comes back with another one has lost what it had promised. */
  readonly directories: ReadonlyMap<number, string>;
  /** Ids that are never used again. */
  readonly removed: ReadonlySet<number>;
}

export interface Peer {
  readonly id: number;
  readonly address: string;
  /** Random id of its log; absent where nobody asked it yet. */
  readonly directory?: string | undefined;
}

/** What a group of these members begins with. */
export function firstMembership(voters: readonly Peer[]): Membership {
  return {
    confState: { ...NOBODY, voters: voters.map(({ id }) => id).toSorted((a, b) => a - b) },
    addresses: new Map(voters.map(({ id, address }) => [id, address])),
    directories: directoriesOf(voters),
    removed: new Set(),
  };
}

const NOBODY: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

/** Everybody the configuration counts or teaches. */
export function membersOf({ voters, votersOutgoing, learners, learnersNext }: ConfState): number[] {
  return [...new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext])].toSorted(
    (left, right) => left - right,
  );
}

/** The membership once `confState` holds; addresses of who left go, theirs never come again. */
export function withConfState(before: Membership, confState: ConfState): Membership {
  const members = new Set(membersOf(confState));
  const left = membersOf(before.confState).filter((id) => !members.has(id));
  return {
    confState,
    addresses: new Map([...before.addresses].filter(([id]) => members.has(id))),
    directories: new Map([...before.directories].filter(([id]) => members.has(id))),
    removed: new Set([...before.removed, ...left]),
  };
}

export function withPeer(before: Membership, peer: Peer): Membership {
  const addresses = new Map([...before.addresses, [peer.id, peer.address]]);
  return {
    ...before,
    addresses,
    directories: new Map([...before.directories, ...directoriesOf([peer])]),
  };
}

/** Everybody with an address. */
export function peersOf({ addresses, directories }: Membership): Peer[] {
  return [...addresses].map(([id, address]) => ({ id, address, directory: directories.get(id) }));
}

function directoriesOf(peers: readonly Peer[]): Map<number, string> {
  return new Map(
    peers.flatMap(({ id, directory }) => (directory === undefined ? [] : [[id, directory]])),
  );
}

export function encodePeer({ id, address, directory = '' }: Peer): MemberAddress {
  return { nodeId: BigInt(id), address, directory };
}

export function decodePeer({ nodeId, address, directory }: MemberAddress): Peer {
  return { id: safeNumber(nodeId), address, directory: directory === '' ? undefined : directory };
}

export function encodeMembership(membership: Membership): Uint8Array {
  const { confState, removed } = membership;
  return MembershipRecord.encode({
    voters: big(confState.voters),
    learners: big(confState.learners),
    votersOutgoing: big(confState.votersOutgoing),
    learnersNext: big(confState.learnersNext),
    autoLeave: confState.autoLeave,
    addresses: peersOf(membership).map(encodePeer),
    removed: big(removed),
  }).finish();
}

function big(ids: Iterable<number>): bigint[] {
  return [...ids].map(BigInt);
}

/** CORRUPT_STATE when the bytes are none. */
export function decodeMembership(bytes: Uint8Array): Membership {
  try {
    const record = MembershipRecord.decode(bytes);
    const ids = (list: readonly bigint[]): number[] => list.map(safeNumber);
    const peers = record.addresses.map(decodePeer);
    return {
      confState: {
        voters: ids(record.voters),
        learners: ids(record.learners),
        votersOutgoing: ids(record.votersOutgoing),
        learnersNext: ids(record.learnersNext),
        autoLeave: record.autoLeave,
      },
      addresses: new Map(peers.map(({ id, address }) => [id, address])),
      directories: directoriesOf(peers),
      removed: new Set(ids(record.removed)),
    };
  } catch (error) {
    if (error instanceof LogtierError) throw error;
    throw new LogtierError('CORRUPT_STATE', 'a membership record does not read', { cause: error });
  }
}

/** Terms, indexes and ids are numbers in the core. */
export function safeNumber(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new LogtierError('CORRUPT_STATE', `${value} is no term, index or node id`);
  }
  return Number(value);
}
