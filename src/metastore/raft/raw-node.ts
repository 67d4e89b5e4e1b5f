// One Raft node as a pure state machine: ticks, messages and proposals in, Ready out. Start here.
//
// It does no IO, reads no clock and draws no lots. Its observable behaviour follows go.etcd.io/raft
// v3.7.0 (Apache-2.0, see NOTICE), so that both can be compared step by step.
import { assert } from '../../base/assert.ts';
import { type ConfChange, encodeConfChange } from './conf-change.ts';
import { applyConfChange, restoreConfig } from './config-switch.ts';
import { draftMessage, RaftCore, type RaftDeps, type StepRefusal } from './core.ts';
import {
  type ConfState,
  type Entry,
  type HardState,
  isLocalMessage,
  isResponseMessage,
  isStorageThread,
  type Message,
  NO_BYTES,
  NO_NODE,
} from './messages.ts';
import { allVoters } from './quorum.ts';
import type { Ready, SoftState } from './ready.ts';
import { becomeFollower } from './roles.ts';
import { assertSettings, type RaftSettings } from './settings.ts';
import type { BasicStatus, Status } from './status.ts';
import { step } from './step.ts';
import {
  needsStorageAppend,
  storageAppend,
  storageAppendAnswer,
  storageApply,
  storageApplyAnswer,
} from './storage-messages.ts';
import { tick } from './tick.ts';

export type { RaftDeps, StepRefusal } from './core.ts';

export class RawNode {
  readonly #core: RaftCore;
  /** What the last Ready told. */
  #softState: SoftState;
  #hardState: HardState;
  /** Answers of the storage that `advance` stands for. */
  #answersOnAdvance: Message[] = [];

  /** Starts as follower, where the storage's last run ended. */
  constructor(deps: RaftDeps, settings: RaftSettings) {
    assertSettings(settings);
    this.#core = restartedCore(deps, settings);
    this.#softState = { lead: this.#core.lead, role: this.#core.role };
    this.#hardState = this.#core.hardState();
  }

  /** One unit of time passed. */
  tick(): void {
    tick(this.#core);
  }

  /** Starts an election now. */
  campaign(): void {
    step(this.#core, draftMessage('MsgHup', NO_NODE));
  }

  propose(data: Uint8Array): StepRefusal | undefined {
    return this.#propose([{ term: 0, index: 0, type: 'normal', data }]);
  }

  /** All of them in one message, or none. */
  proposeAll(payloads: readonly Uint8Array[]): StepRefusal | undefined {
    return this.#propose(payloads.map((data) => ({ term: 0, index: 0, type: 'normal', data })));
  }

  /** Undefined proposes to leave a joint configuration. Effective only once applied. */
  proposeConfChange(change: ConfChange | undefined): StepRefusal | undefined {
    const leave = { type: 'confChangeV2', data: NO_BYTES } as const;
    const { type, data } = change === undefined ? leave : encodeConfChange(change);
    const message = draftMessage('MsgProp', NO_NODE);
    message.entries = [{ term: 0, index: 0, type, data }];
    return step(this.#core, message);
  }

  /** To be called for every committed conf change entry, in order, also when nothing shall change. */
  applyConfChange(change: ConfChange): ConfState {
    return applyConfChange(this.#core, change);
  }

  /** Takes a message of a peer, or an answer of the own storage. */
  step(message: Message): StepRefusal | undefined {
    if (!isStorageThread(message.from)) {
      if (isLocalMessage(message.type)) return 'localMessage';
      const isKnown = this.#core.tracker.progress.has(message.from);
      if (!isKnown && isResponseMessage(message.type)) return 'peerNotFound';
    }
    return step(this.#core, message);
  }

  hasReady(): boolean {
    const { log, messages, messagesAfterAppend, readStates } = this.#core;
    if (messages.length > 0 || messagesAfterAppend.length > 0 || readStates.length > 0) return true;
    if (log.unstable.hasNextEntries() || log.hasNextCommitted(this.#appliesUnstable())) return true;
    if (log.unstable.nextSnapshot() !== undefined) return true;
    return this.#changedSoftState() !== undefined || this.#changedHardState() !== undefined;
  }

  /** Takes out of the node what is to be done; it must then be done. */
  ready(): Ready {
    const core = this.#core;
    const { log } = core;
    const hardState = this.#changedHardState();
    const entries = log.unstable.nextEntries();
    const isVoteNew = core.vote !== this.#hardState.vote || core.term !== this.#hardState.term;
    const messages = core.messages;
    const ready: Ready = {
      softState: this.#changedSoftState(),
      hardState,
      readStates: core.readStates,
      entries,
      snapshot: log.unstable.nextSnapshot(),
      committedEntries: log.nextCommitted(this.#appliesUnstable()),
      messages,
      mustSync: entries.length > 0 || isVoteNew,
    };
    if (core.settings.asyncStorageWrites) addStorageMessages(core, ready, messages);
    else this.#addWaitingMessages(ready, messages);
    this.#accept(ready);
    return ready;
  }

  /** After the work of the last `ready` is done; not with asyncStorageWrites. */
  advance(): void {
    assert(!this.#core.settings.asyncStorageWrites, 'the storage answers for itself');
    const answers = this.#answersOnAdvance;
    this.#answersOnAdvance = [];
    for (const answer of answers) step(this.#core, answer);
  }

  reportUnreachable(id: number): void {
    this.#stepAs('MsgUnreachable', id);
  }

  /** How the transfer of a snapshot to `id` ended. */
  reportSnapshot(id: number, outcome: 'finished' | 'failed'): void {
    const message = draftMessage('MsgSnapStatus', NO_NODE);
    message.from = id;
    message.reject = outcome === 'failed';
    step(this.#core, message);
  }

  transferLeader(transferee: number): void {
    this.#stepAs('MsgTransferLeader', transferee);
  }

  /** A follower forgets its leader and may vote again, without a new term. */
  forgetLeader(): void {
    this.#stepAs('MsgForgetLeader', NO_NODE);
  }

  /** Answered by a ReadState with the same context, or never. */
  readIndex(context: Uint8Array): void {
    const message = draftMessage('MsgReadIndex', NO_NODE);
    message.entries = [{ term: 0, index: 0, type: 'normal', data: context }];
    step(this.#core, message);
  }

  status(): Status {
    const { tracker, role, pendingConfIndex } = this.#core;
    const led = role === 'leader' ? tracker.ids : [];
    const progress = new Map(led.map((id) => [id, tracker.of(id).view()]));
    return { ...this.basicStatus(), config: tracker.config, pendingConfIndex, progress };
  }

  basicStatus(): BasicStatus {
    const { id, lead, role, transferee, log } = this.#core;
    const hardState = this.#core.hardState();
    return { id, hardState, lead, role, applied: log.applied, transferee };
  }

  /** For tests and comparison: replaces the last draw of `randomTimeout`. */
  setRandomizedElectionTimeout(ticks: number): void {
    this.#core.randomizedElectionTicks = ticks;
  }

  #propose(entries: readonly Entry[]): StepRefusal | undefined {
    const message = draftMessage('MsgProp', NO_NODE);
    message.from = this.#core.id;
    message.entries = entries;
    return step(this.#core, message);
  }

  #stepAs(type: Message['type'], from: number): void {
    const message = draftMessage(type, NO_NODE);
    message.from = from;
    step(this.#core, message);
  }

  /** Without storage answers of its own, entries may be applied from the same Ready that writes them. */
  #appliesUnstable(): boolean {
    return !this.#core.settings.asyncStorageWrites;
  }

  #changedSoftState(): SoftState | undefined {
    const { lead, role } = this.#core;
    const isSame = lead === this.#softState.lead && role === this.#softState.role;
    return isSame ? undefined : { lead, role };
  }

  #changedHardState(): HardState | undefined {
    const { term, vote, log } = this.#core;
    const told = this.#hardState;
    const isSame = term === told.term && vote === told.vote && log.commit === told.commit;
    return isSame ? undefined : this.#core.hardState();
  }

  /** What waits for the write goes behind the rest; what this node tells itself waits for `advance`. */
  #addWaitingMessages(ready: Ready, messages: Message[]): void {
    const core = this.#core;
    assert(this.#answersOnAdvance.length === 0, 'each Ready is followed by advance');
    for (const message of core.messagesAfterAppend) {
      if (message.to === core.id) this.#answersOnAdvance.push(message);
      else messages.push(message);
    }
    const stored = storageAppendAnswer(core, ready);
    if (stored !== undefined) this.#answersOnAdvance.push(stored);
    const { committedEntries } = ready;
    if (committedEntries.length === 0) return;
    this.#answersOnAdvance.push(storageApplyAnswer(core, committedEntries));
  }

  #accept({ softState, hardState, committedEntries }: Ready): void {
    const core = this.#core;
    if (softState !== undefined) this.#softState = softState;
    if (hardState !== undefined) this.#hardState = hardState;
    core.readStates = [];
    core.messages = [];
    core.messagesAfterAppend = [];
    core.log.unstable.acceptInProgress();
    core.log.acceptApplying(committedEntries, this.#appliesUnstable());
  }
}

function addStorageMessages(core: RaftCore, ready: Ready, messages: Message[]): void {
  if (needsStorageAppend(core, ready)) messages.push(storageAppend(core, ready));
  const { committedEntries } = ready;
  if (committedEntries.length > 0) messages.push(storageApply(core, committedEntries));
}

function restartedCore(deps: RaftDeps, settings: RaftSettings): RaftCore {
  const core = new RaftCore(deps, settings);
  const { hardState, confState } = deps.storage.initialState();
  restoreConfig(core, confState);
  loadHardState(core, hardState);
  if (settings.applied > 0) core.log.appliedTo(settings.applied, 0);
  becomeFollower(core, core.term, NO_NODE);
  core.trace?.({ kind: 'started', ...startedFrom(core) });
  return core;
}

function loadHardState(core: RaftCore, { term, vote, commit }: HardState): void {
  if (term === 0 && vote === NO_NODE && commit === 0) return;
  const { log } = core;
  const isInLog = commit >= log.commit && commit <= log.lastIndex();
  assert(isInLog, `commit ${commit} of the hard state is within the log`);
  log.commit = commit;
  core.term = term;
  core.vote = vote;
}

function startedFrom(core: RaftCore) {
  const { log, term, tracker } = core;
  const { index: lastIndex, term: lastTerm } = log.lastEntry();
  const peers = allVoters(tracker.config);
  return { peers, term, commit: log.commit, applied: log.applied, lastIndex, lastTerm };
}
