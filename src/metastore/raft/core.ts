import type { Entry, HardState, Message } from './messages.ts';
import { NO_NODE } from './messages.ts';
import { RaftLog } from './raft-log.ts';
import { ReadIndexQueue } from './read-index.ts';
import type { ReadState, Role } from './ready.ts';
import type { RaftSettings } from './settings.ts';
import type { LogStorage } from './storage.ts';
import type { TraceSink } from './trace.ts';
import { Tracker } from './tracker.ts';

export interface RaftDeps {
  readonly storage: LogStorage;
  /** Ticks until the next election, drawn from [electionTicks, 2 × electionTicks). */
  readonly randomTimeout: () => number;
  /** Undefined: nothing is traced, and nothing is spent on it. */
  readonly trace: TraceSink | undefined;
}

/** `proposalDropped` may be tried again later; the others say that the message is not for this node. */
export type StepRefusal = 'proposalDropped' | 'localMessage' | 'peerNotFound';

/** All state of one node. The modules beside it are its behaviour, one concern each. */
export class RaftCore {
  readonly settings: RaftSettings;
  readonly id: number;
  readonly trace: TraceSink | undefined;
  readonly randomTimeout: () => number;
  readonly log: RaftLog;
  readonly tracker = new Tracker();

  term = 0;
  vote: number = NO_NODE;
  role: Role = 'follower';
  lead: number = NO_NODE;

  electionElapsed = 0;
  heartbeatElapsed = 0;
  randomizedElectionTicks = 0;

  /** Leader: to whom leadership is being handed; no proposals are taken meanwhile. */
  transferee: number = NO_NODE;
  /** Leader: no further conf change is proposed until this index is applied (bug 3). */
  pendingConfIndex = 0;
  /** Leader: payload of entries not yet applied. */
  uncommittedBytes = 0;
  reads = new ReadIndexQueue();
  /** Reads that wait for the first commit of this term (bug 16). */
  earlyReads: Message[] = [];

  /** For the next Ready. */
  readStates: ReadState[] = [];
  messages: Message[] = [];
  /** May leave only once what was appended before them is durable. */
  messagesAfterAppend: Message[] = [];

  constructor(deps: RaftDeps, settings: RaftSettings) {
    this.settings = settings;
    this.id = settings.id;
    this.trace = deps.trace;
    this.randomTimeout = deps.randomTimeout;
    this.log = new RaftLog(deps, settings.maxCommittedBytesPerReady);
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.commit };
  }
}

/** A message being filled in; every one starts with the same shape. */
export type MessageDraft = { -readonly [Field in keyof Message]: Message[Field] };

const NO_ENTRIES: readonly Entry[] = [];

export function draftMessage(type: Message['type'], to: number): MessageDraft {
  return {
    type,
    to,
    from: NO_NODE,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: NO_ENTRIES,
    commit: 0,
    vote: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: undefined,
    responses: undefined,
  };
}

/** Vote requests and votes bring their own term, proposals and reads have none; the rest gets this node's. */
export function send(core: RaftCore, message: MessageDraft): void {
  if (message.from === NO_NODE) message.from = core.id;
  switch (message.type) {
    case 'MsgVoteResp':
    case 'MsgPreVoteResp':
      core.messagesAfterAppend.push(message);
      return;
    case 'MsgAppResp':
      message.term = core.term;
      core.messagesAfterAppend.push(message);
      return;
    case 'MsgVote':
    case 'MsgPreVote':
    case 'MsgProp':
    case 'MsgReadIndex':
      core.messages.push(message);
      return;
    default:
      message.term = core.term;
      core.messages.push(message);
  }
}
