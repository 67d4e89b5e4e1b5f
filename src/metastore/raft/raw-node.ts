// One Raft node as a pure state machine: ticks, messages and proposals in, Ready out. Start here.
//
// It does no IO, reads no clock and draws no lots. Its observable behaviour follows go.etcd.io/raft
// v3.7.0 (Apache-2.0, see NOTICE), so that both can be compared step by step.
import type { ConfChange } from './conf-change.ts';
import type { ConfState, Message } from './messages.ts';
import type { Ready } from './ready.ts';
import type { RaftSettings } from './settings.ts';
import type { BasicStatus, Status } from './status.ts';
import type { LogStorage } from './storage.ts';
import type { TraceSink } from './trace.ts';

export interface RaftDeps {
  readonly storage: LogStorage;
  /** Ticks until the next election, drawn from [electionTicks, 2 × electionTicks). */
  readonly randomTimeout: () => number;
  /** Undefined: nothing is traced, and nothing is spent on it. */
  readonly trace: TraceSink | undefined;
}

/** `proposalDropped` may be tried again later; the others say that the message is not for this node. */
export type StepRefusal = 'proposalDropped' | 'localMessage' | 'peerNotFound';

export declare class RawNode {
  constructor(deps: RaftDeps, settings: RaftSettings);
  /** One unit of time passed. */
  tick(): void;
  /** Starts an election now. */
  campaign(): void;
  propose(data: Uint8Array): StepRefusal | undefined;
  /** All of them in one message, or none. */
  proposeAll(payloads: readonly Uint8Array[]): StepRefusal | undefined;
  /** Undefined proposes to leave a joint configuration. Effective only once applied. */
  proposeConfChange(change: ConfChange | undefined): StepRefusal | undefined;
  /** To be called for every committed conf change entry, in order, also when nothing shall change. */
  applyConfChange(change: ConfChange): ConfState;
  /** Takes a message of a peer, or an answer of the own storage. */
  step(message: Message): StepRefusal | undefined;
  hasReady(): boolean;
  /** Takes what is to be done out of the node; it must then be done. */
  ready(): Ready;
  /** After the work of the last `ready` is done; not with asyncStorageWrites. */
  advance(): void;
  reportUnreachable(id: number): void;
  /** How the transfer of a snapshot to `id` ended. */
  reportSnapshot(id: number, outcome: 'finished' | 'failed'): void;
  transferLeader(transferee: number): void;
  /** A follower forgets its leader and votes again, without raising the term. */
  forgetLeader(): void;
  /** Answered by a ReadState with the same context, or never. */
  readIndex(context: Uint8Array): void;
  status(): Status;
  basicStatus(): BasicStatus;
  /** For tests and comparison: overrides the last draw of `randomTimeout`. */
  setRandomizedElectionTimeout(ticks: number): void;
}
