// What one Raft node says to another, and to its own storage; names as in go.etcd.io/raft.
//
// Terms, indexes and node ids are safe integers; whoever decodes them from bytes checks that.

/** Stands for no node, as sender, leader, vote or target. */
export const NO_NODE = 0;

/** Target of MsgStorageAppend: whoever makes entries and hard state durable. Never a node's id. */
export const APPEND_THREAD: number = Number.MAX_SAFE_INTEGER;

/** Target of MsgStorageApply: whoever applies committed entries. Never a node's id. */
export const APPLY_THREAD: number = Number.MAX_SAFE_INTEGER - 1;

/** An entry without payload, as every new leader appends one. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** `confChange` holds one change, `confChangeV2` any number (conf-change.ts reads both). */
export type EntryType = 'normal' | 'confChange' | 'confChangeV2';

export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What must be durable before the answers that rest on it leave. All zero: nothing is known yet. */
export interface HardState {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
}

/** A membership. Without `votersOutgoing` it is not joint, and the last two are empty and false. */
export interface ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly votersOutgoing: readonly number[];
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly number[];
  /** The leader leaves the joint configuration by itself once it is applied. */
  readonly autoLeave: boolean;
}

/** Stands for all entries up to `index`. Index 0 means: there is none. */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
  readonly data?: Uint8Array | undefined;
}

export type MessageType =
  | 'MsgHup'
  | 'MsgBeat'
  | 'MsgProp'
  | 'MsgApp'
  | 'MsgAppResp'
  | 'MsgVote'
  | 'MsgVoteResp'
  | 'MsgSnap'
  | 'MsgHeartbeat'
  | 'MsgHeartbeatResp'
  | 'MsgUnreachable'
  | 'MsgSnapStatus'
  | 'MsgCheckQuorum'
  | 'MsgTransferLeader'
  | 'MsgTimeoutNow'
  | 'MsgReadIndex'
  | 'MsgReadIndexResp'
  | 'MsgPreVote'
  | 'MsgPreVoteResp'
  | 'MsgStorageAppend'
  | 'MsgStorageAppendResp'
  | 'MsgStorageApply'
  | 'MsgStorageApplyResp'
  | 'MsgForgetLeader';

/** One shape for all types; a field that a type does not use is 0, false, empty or undefined. */
export interface Message {
  readonly type: MessageType;
  readonly to: number;
  readonly from: number;
  /** 0 for messages that belong to no term: proposals, reads and what a node tells itself. */
  readonly term: number;
  /** Term of the entry at `index`; of the hinted entry in a rejection. */
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  /** In MsgStorageAppend term, vote and commit are the hard state to write, all 0 when unchanged. */
  readonly commit: number;
  readonly vote: number;
  readonly snapshot?: Snapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context?: Uint8Array | undefined;
  /** To be delivered, self-addressed ones too, once the write or the apply of this message is done. */
  readonly responses?: readonly Message[] | undefined;
}

/** Types that only a node itself or its storage may originate; a peer's are refused. */
const LOCAL_TYPES: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgHup',
  'MsgBeat',
  'MsgUnreachable',
  'MsgSnapStatus',
  'MsgCheckQuorum',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
]);

const RESPONSE_TYPES: ReadonlySet<MessageType> = new Set<MessageType>([
  'MsgAppResp',
  'MsgVoteResp',
  'MsgHeartbeatResp',
  'MsgUnreachable',
  'MsgReadIndexResp',
  'MsgPreVoteResp',
  'MsgStorageAppendResp',
  'MsgStorageApplyResp',
]);

export function isLocalMessage(type: MessageType): boolean {
  return LOCAL_TYPES.has(type);
}

export function isResponseMessage(type: MessageType): boolean {
  return RESPONSE_TYPES.has(type);
}

/** Whether `id` names one of the node's own storage threads. */
export function isStorageThread(id: number): boolean {
  return id >= APPLY_THREAD;
}
