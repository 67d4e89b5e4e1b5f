import { decodeConfChange } from '../../../src/metastore/raft/conf-change.ts';
import {
  type ConfState,
  type Entry,
  type HardState,
  isStorageThread,
  type Message,
  NO_NODE,
  type Snapshot,
} from '../../../src/metastore/raft/messages.ts';
import { RawNode, type StepRefusal } from '../../../src/metastore/raft/raw-node.ts';
import type { Ready } from '../../../src/metastore/raft/ready.ts';
import type { Status } from '../../../src/metastore/raft/status.ts';
import type { TraceEvent } from '../../../src/metastore/raft/trace.ts';
import { EMPTY_CONFIG } from '../../../src/metastore/raft/tracker.ts';
import { MemoryStorage } from '../memory-storage.ts';
import { type Command, confChangeOf, isLeave, type Operation } from './command.ts';
import { confText, readyText } from './describe.ts';
import { type GroupSettings, raftSettings } from './group-settings.ts';

/** What a node needs of the group around it. */
export interface Surroundings {
  readonly settings: GroupSettings;
  trace(event: TraceEvent, nodeId: number): void;
  /** Of the command that runs. */
  readonly offset: number;
  send(messages: readonly Message[]): void;
  payload(size: number): Uint8Array;
}

interface ConfAt {
  readonly index: number;
  readonly conf: ConfState;
}

/** What came of a command, besides status and logs. */
export interface Told {
  readonly refusal: StepRefusal | undefined;
  readonly extra: string;
}

type CoreCall = (raw: RawNode, command: Command, around: Surroundings) => StepRefusal | undefined;

/** Commands that need the core only. */
const coreCalls: Partial<Record<Operation, CoreCall>> = {
  tick: quiet((raw) => raw.tick()),
  campaign: quiet((raw) => raw.campaign()),
  propose: (raw, { a }, around) => raw.propose(around.payload(a)),
  conf: (raw, command, around) => {
    if (isLeave(command)) return raw.proposeConfChange(undefined);
    return raw.proposeConfChange(confChangeOf(command, around.payload(command.b)));
  },
  transfer: quiet((raw, { a }) => raw.transferLeader(a)),
  forget: quiet((raw) => raw.forgetLeader()),
  read: quiet((raw, { a }, around) => raw.readIndex(around.payload(a))),
  unreachable: quiet((raw, { a }) => raw.reportUnreachable(a)),
  snapstatus: quiet((raw, { a, b }) => raw.reportSnapshot(a, b === 1 ? 'failed' : 'finished')),
  local: (raw, { a }) => raw.step(messageFrom('MsgHup', a)),
  stranger: (raw) => raw.step(messageFrom('MsgAppResp', STRANGER)),
};

/** For calls that are never refused. */
function quiet(call: (...args: Parameters<CoreCall>) => void): CoreCall {
  return (...args) => {
    call(...args);
    return undefined;
  };
}

/** No node's id. */
const STRANGER = 99;

/** A core, its log and a state machine that only remembers memberships; test/raft/oracle/node.go's twin. */
export class LockstepNode {
  readonly id: number;
  readonly storage = new MemoryStorage();
  raw: RawNode;
  status: Status;
  /** The state machine's own; the core learns of it later. */
  applied: number;
  /** Waits to be persisted and then advanced; synchronous form only. */
  pending: Ready | undefined;
  isPersisted = false;
  appendWork: Message[] = [];
  applyWork: Message[] = [];
  appendAcks: Message[] = [];
  applyAcks: Message[] = [];
  readonly #around: Surroundings;
  #confs: ConfAt[];

  constructor(around: Surroundings, id: number) {
    this.id = id;
    this.#around = around;
    const { voters, learners, firstIndex } = around.settings;
    const isMember = voters.includes(id) || learners.includes(id);
    const conf = isMember ? { ...EMPTY_CONFIG, voters, learners } : EMPTY_CONFIG;
    this.applied = isMember ? firstIndex : 0;
    if (isMember) this.storage.applySnapshot({ index: firstIndex, term: 1, confState: conf });
    this.#confs = [{ index: this.applied, conf }];
    this.raw = this.#start(this.applied);
    this.status = this.raw.status();
  }

  /** The lowest index from which it can start again. */
  get firstRestart(): number {
    return Math.max(this.storage.firstIndex() - 1, this.#confs[0]?.index ?? 0);
  }

  do(command: Command): Told {
    const call = coreCalls[command.operation];
    if (call !== undefined) return { refusal: call(this.raw, command, this.#around), extra: '' };
    if (command.operation === 'ackappend') return this.#acknowledge(this.appendAcks);
    if (command.operation === 'ackapply') return this.#acknowledge(this.applyAcks);
    return { refusal: undefined, extra: this.#work(command) };
  }

  /** What the owner of a core does with its storage. */
  #work({ operation, a }: Command): string {
    switch (operation) {
      case 'ready':
        return this.#takeReady();
      case 'persist':
        this.#persist();
        return '';
      case 'advance':
        return this.#advance();
      case 'append':
        this.#appendOne();
        return '';
      case 'apply':
        return this.#applyOne();
      default:
        this.#keepHouse(operation, a);
        return '';
    }
  }

  #keepHouse(operation: Command['operation'], a: number): void {
    if (operation === 'snapshot') {
      this.storage.createSnapshot(a, this.#confAt(a), Buffer.from(`s${a}`));
    } else if (operation === 'compact') this.storage.compact(a);
    else if (operation === 'avail') this.storage.isSnapshotAvailable = a !== 0;
    else if (operation === 'restart') this.raw = this.#start(a);
    else throw new Error(`unknown operation ${operation}`);
  }

  /** Begins with `applied` entries in the state machine; what was only in memory is gone. */
  #start(applied: number): RawNode {
    const kept = this.#confs.filter(({ index }, at) => at === 0 || index <= applied);
    this.#confs = kept;
    this.storage.startConf = kept.at(-1)?.conf;
    this.applied = applied;
    this.pending = undefined;
    this.appendWork = [];
    this.applyWork = [];
    this.appendAcks = [];
    this.applyAcks = [];
    const { settings } = this.#around;
    const deps = {
      storage: this.storage,
      randomTimeout: () => settings.electionTicks + (this.#around.offset % settings.electionTicks),
      trace: (event: TraceEvent) => this.#around.trace(event, this.id),
    };
    return new RawNode(deps, raftSettings(settings, this.id, applied));
  }

  #takeReady(): string {
    const ready = this.raw.ready();
    const text = readyText(ready);
    if (!this.#around.settings.async) {
      this.pending = ready;
      this.isPersisted = false;
      return text;
    }
    for (const message of ready.messages) {
      if (!isStorageThread(message.to)) this.#around.send([message]);
      else if (message.type === 'MsgStorageAppend') this.appendWork.push(message);
      else this.applyWork.push(message);
    }
    return text;
  }

  #persist(): void {
    const { pending } = this;
    if (pending === undefined) throw new Error('nothing to persist');
    this.#save(pending.hardState, pending.entries, pending.snapshot);
    this.#around.send(pending.messages);
    this.isPersisted = true;
  }

  #advance(): string {
    const { pending } = this;
    if (pending === undefined) throw new Error('nothing to advance');
    const extra = this.#apply(pending.committedEntries);
    this.raw.advance();
    this.pending = undefined;
    return extra;
  }

  #appendOne(): void {
    const work = this.appendWork.shift();
    if (work === undefined) throw new Error('nothing to append');
    const { term, vote, commit, entries, snapshot } = work;
    this.#save(term + vote + commit === 0 ? undefined : { term, vote, commit }, entries, snapshot);
    for (const response of work.responses ?? []) {
      if (response.to === this.id) this.appendAcks.push(response);
      else this.#around.send([response]);
    }
  }

  #applyOne(): string {
    const work = this.applyWork.shift();
    if (work === undefined) throw new Error('nothing to apply');
    this.applyAcks.push(...(work.responses ?? []));
    return this.#apply(work.entries);
  }

  /**
   * Hands the first answer of a storage thread to the core: they never pass each other.
   * A node that has left the group refuses what it tells itself as a peer.
   */
  #acknowledge(acks: Message[]): Told {
    const ack = acks.shift();
    if (ack === undefined) throw new Error('nothing to acknowledge');
    return { refusal: this.raw.step(ack), extra: '' };
  }

  #save(hardState: HardState | undefined, entries: readonly Entry[], snapshot?: Snapshot): void {
    if (hardState !== undefined) this.storage.hardState = hardState;
    if (snapshot !== undefined) {
      const refusal = this.storage.applySnapshot(snapshot);
      if (refusal !== undefined) throw new Error(refusal);
      this.applied = snapshot.index;
      this.#confs = [{ index: snapshot.index, conf: snapshot.confState }];
    }
    this.storage.append(entries);
  }

  /** Leaves out what a snapshot brought meanwhile. It tells each membership it came to. */
  #apply(entries: readonly Entry[]): string {
    const told: string[] = [];
    for (const entry of entries) {
      if (entry.index <= this.applied) continue;
      this.applied = entry.index;
      const change = decodeConfChange(entry);
      if (change === undefined) continue;
      const conf = this.raw.applyConfChange(change);
      this.#confs.push({ index: entry.index, conf });
      told.push(confText(conf));
    }
    return told.join(' ');
  }

  #confAt(index: number): ConfState {
    const found = this.#confs.findLast((at) => at.index <= index);
    if (found === undefined) throw new Error(`no membership known at ${index}`);
    return found.conf;
  }
}

function messageFrom(type: Message['type'], from: number): Message {
  return {
    type,
    from,
    to: NO_NODE,
    term: 0,
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    vote: 0,
    reject: false,
    rejectHint: 0,
  };
}
