// Raft messages as bytes between members. Who sends to whom is the stream's; indexes of entries follow
// from their place. What does not read, or whose payload's CRC differs, is refused as a whole.
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError } from '../../../base/errors.ts';
import {
  MembershipRecord,
  type RaftEntry,
  type RaftMessage,
  RaftMessageType,
} from '../../../gen/logtier/v1/raft.ts';
import { type Entry, type Message, type MessageType, NO_BYTES } from '../../raft/messages.ts';
import { decodeMembership, encodeMembership, safeNumber } from './membership.ts';

const TYPES: ReadonlyMap<MessageType, RaftMessageType> = new Map([
  ['MsgApp', RaftMessageType.APPEND],
  ['MsgAppResp', RaftMessageType.APPEND_ANSWER],
  ['MsgVote', RaftMessageType.VOTE],
  ['MsgVoteResp', RaftMessageType.VOTE_ANSWER],
  ['MsgSnap', RaftMessageType.SNAPSHOT],
  ['MsgHeartbeat', RaftMessageType.HEARTBEAT],
  ['MsgHeartbeatResp', RaftMessageType.HEARTBEAT_ANSWER],
  ['MsgTimeoutNow', RaftMessageType.TIMEOUT_NOW],
  ['MsgReadIndex', RaftMessageType.READ_INDEX],
  ['MsgReadIndexResp', RaftMessageType.READ_INDEX_ANSWER],
  ['MsgPreVote', RaftMessageType.PRE_VOTE],
  ['MsgPreVoteResp', RaftMessageType.PRE_VOTE_ANSWER],
]);

const NAMES: ReadonlyMap<RaftMessageType, MessageType> = new Map(
  [...TYPES].map(([name, type]) => [type, name]),
);

/** Undefined for what is no peer's business. */
export function encodeMessage(message: Message): RaftMessage | undefined {
  const type = TYPES.get(message.type);
  if (type === undefined) return undefined;
  const { snapshot } = message;
  return {
    type,
    term: BigInt(message.term),
    logTerm: BigInt(message.logTerm),
    index: BigInt(message.index),
    commit: BigInt(message.commit),
    vote: BigInt(message.vote),
    reject: message.reject,
    rejectHint: BigInt(message.rejectHint),
    context: Buffer.from(message.context ?? NO_BYTES),
    entries: message.entries.map((entry) => encodeEntry(entry, message)),
    snapshot:
      snapshot?.data === undefined
        ? undefined
        : {
            index: BigInt(snapshot.index),
            term: BigInt(snapshot.term),
            membership: MembershipRecord.decode(snapshot.data),
          },
  };
}

/** CORRUPT_STATE when it is none that a peer may send. */
export function decodeMessage(bytes: RaftMessage, from: number, to: number): Message {
  const type = NAMES.get(bytes.type);
  if (type === undefined) throw unreadable(`type ${bytes.type}`);
  const index = safeNumber(bytes.index);
  const term = safeNumber(bytes.term);
  return {
    type,
    from,
    to,
    term,
    index,
    logTerm: safeNumber(bytes.logTerm),
    commit: safeNumber(bytes.commit),
    vote: safeNumber(bytes.vote),
    reject: bytes.reject,
    rejectHint: safeNumber(bytes.rejectHint),
    context: bytes.context.length === 0 ? undefined : bytes.context,
    entries: bytes.entries.map((entry, at) => decodeEntry(entry, index + 1 + at, term)),
    snapshot: decodeSnapshot(bytes),
  };
}

function decodeSnapshot({ snapshot }: RaftMessage): Message['snapshot'] {
  if (snapshot === undefined) return undefined;
  if (snapshot.membership === undefined) throw unreadable('a snapshot without members');
  const membership = decodeMembership(MembershipRecord.encode(snapshot.membership).finish());
  return {
    index: safeNumber(snapshot.index),
    term: safeNumber(snapshot.term),
    confState: membership.confState,
    data: encodeMembership(membership),
  };
}

function encodeEntry({ term, type, data }: Entry, message: Message): RaftEntry {
  return {
    term: term === message.term ? 0n : BigInt(term),
    changesMembers: type !== 'normal',
    data: Buffer.from(data.buffer, data.byteOffset, data.length),
    crc: crc32(data),
  };
}

function decodeEntry(entry: RaftEntry, index: number, messageTerm: number): Entry {
  if (crc32(entry.data) !== entry.crc) throw unreadable(`entry ${index}: its CRC differs`);
  const term = entry.term === 0n ? messageTerm : safeNumber(entry.term);
  return { index, term, type: entry.changesMembers ? 'confChangeV2' : 'normal', data: entry.data };
}

function unreadable(what: string): LogtierError {
  return new LogtierError('CORRUPT_STATE', `a message of a member does not read: ${what}`);
}
