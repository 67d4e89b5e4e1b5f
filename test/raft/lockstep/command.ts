import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeType,
} from '../../../src/metastore/raft/conf-change.ts';

/** What can happen to a group; both cores understand the same words. */
export type Operation =
  | 'tick'
  | 'campaign'
  /** a: bytes. */
  | 'propose'
  /** a: place in `CHANGE_KINDS`; b: bytes of the context. */
  | 'conf'
  /** a: the node it goes to. */
  | 'transfer'
  | 'forget'
  /** a: bytes of the context. */
  | 'read'
  /** a: the peer. */
  | 'unreachable'
  /** a: the peer; b: 1 when the transfer failed. */
  | 'snapstatus'
  /** A message that only the node itself may send; a: its pretended sender. */
  | 'local'
  /** An answer of somebody who is no member. */
  | 'stranger'
  /** Of the network, not of a node. a: place in the network; b: 1 when a copy stays in it. */
  | 'step'
  | 'drop'
  | 'ready'
  /** Synchronous form: writes what the Ready holds and sends its messages. */
  | 'persist'
  /** Synchronous form: applies what the Ready holds and advances. */
  | 'advance'
  /** Asynchronous form: one piece of work of a storage thread. */
  | 'append'
  | 'apply'
  /** Asynchronous form: one answer of a storage thread reaches the core. */
  | 'ackappend'
  | 'ackapply'
  /** a: index. */
  | 'snapshot'
  | 'compact'
  /** a: 0 when snapshots are to be unavailable. */
  | 'avail'
  /** a: how much the state machine kept. */
  | 'restart';

export interface Command {
  readonly operation: Operation;
  /** 0 when the operation is the network's. */
  readonly node: number;
  readonly a: number;
  readonly b: number;
  readonly changes: readonly ConfChangeSingle[];
  /** What the next draws of an election timeout give above its minimum. */
  readonly offset: number;
}

export const CHANGE_KINDS = ['auto', 'jointImplicit', 'jointExplicit', 'v1', 'leave'] as const;

/** Place in the list is the number in etcd's raft.proto. */
const CHANGE_TYPES: readonly ConfChangeType[] = [
  'addNode',
  'removeNode',
  'updateNode',
  'addLearnerNode',
];

export function commandLine({ operation, offset, node, a, b, changes }: Command): string {
  const words: (string | number)[] = [operation, offset, node, a, b];
  if (changes.length > 0) {
    words.push(
      changes.map(({ type, nodeId }) => `${CHANGE_TYPES.indexOf(type)}:${nodeId}`).join(','),
    );
  }
  return words.join(' ');
}

export function isLeave(command: Command): boolean {
  return CHANGE_KINDS[command.a] === 'leave';
}

export function confChangeOf({ a, changes }: Command, context: Uint8Array): ConfChange {
  const kind = CHANGE_KINDS[a];
  const withContext = context.length === 0 ? {} : { context };
  const [first] = changes;
  if (kind === 'v1' && first !== undefined) return { version: 1, ...first, ...withContext };
  const isV2 = kind === 'auto' || kind === 'jointImplicit' || kind === 'jointExplicit';
  return { version: 2, transition: isV2 ? kind : 'auto', changes, ...withContext };
}
