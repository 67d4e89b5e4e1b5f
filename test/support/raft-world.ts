import { asV2, type ConfChange, decodeConfChange } from '../../src/metastore/raft/conf-change.ts';
import { draftMessage } from '../../src/metastore/raft/core.ts';
import {
  type ConfState,
  type Entry,
  type EntryType,
  type Message,
  type MessageType,
  NO_BYTES,
} from '../../src/metastore/raft/messages.ts';
import { RawNode } from '../../src/metastore/raft/raw-node.ts';
import type { ReadState, Ready } from '../../src/metastore/raft/ready.ts';
import { NO_LIMIT, type RaftSettings } from '../../src/metastore/raft/settings.ts';
import type { TraceEvent } from '../../src/metastore/raft/trace.ts';
import { EMPTY_CONFIG } from '../../src/metastore/raft/tracker.ts';
import { MemoryStorage } from '../raft/memory-storage.ts';

/** A run that does not settle within this many rounds never will. */
const MAX_ROUNDS = 1000;

export const ELECTION_TICKS = 10;

const base: Omit<RaftSettings, 'id'> = {
  electionTicks: ELECTION_TICKS,
  heartbeatTicks: 1,
  applied: 0,
  asyncStorageWrites: false,
  maxMessageBytes: NO_LIMIT,
  maxCommittedBytesPerReady: NO_LIMIT,
  maxUncommittedBytes: NO_LIMIT,
  maxInflightMessages: 256,
  maxInflightBytes: NO_LIMIT,
  checkQuorum: false,
  preVote: false,
  readMode: 'safe',
  forwardsProposals: true,
  checksConfChanges: true,
  stepsDownOnRemoval: true,
};

export type NodeSetup = Partial<Omit<RaftSettings, 'id'>>;

export function voters(...ids: readonly number[]): ConfState {
  return { ...EMPTY_CONFIG, voters: ids };
}

/** Entries from index 1 on, one of each given term. */
export function logOf(...terms: readonly number[]): Entry[] {
  return terms.map((term, at) => entryOf(term, at + 1));
}

export function entryOf(term: number, index: number, data = NO_BYTES): Entry {
  return { term, index, type: 'normal', data };
}

export function messageOf(
  type: MessageType,
  from: number,
  to: number,
  fields: Partial<Message> = {},
): Message {
  return { ...draftMessage(type, to), from, ...fields };
}

/** One node with a disk of its own, a state machine that remembers, and everything it traced. */
export class TestNode {
  readonly storage: MemoryStorage;
  readonly raw: RawNode;
  readonly events: TraceEvent[] = [];
  readonly applied: string[] = [];
  readonly reads: ReadState[] = [];
  config: ConfState;

  constructor(id: number, start: ConfState, setup: NodeSetup = {}, storage = new MemoryStorage()) {
    this.storage = storage;
    storage.startConf = start;
    this.config = start;
    const settings = { ...base, ...setup, id };
    const deps = {
      storage,
      randomTimeout: () => settings.electionTicks,
      trace: (event: TraceEvent) => void this.events.push(event),
    };
    this.raw = new RawNode(deps, settings);
  }

  propose(text: string) {
    return this.raw.propose(new TextEncoder().encode(text));
  }

  tick(times: number): void {
    for (let at = 0; at < times; at++) this.raw.tick();
  }

  /** Does what one Ready asks for; the messages it wants sent. */
  process(): readonly Message[] {
    const ready = this.raw.ready();
    this.write(ready);
    this.apply(ready.committedEntries);
    this.reads.push(...ready.readStates);
    this.raw.advance();
    return ready.messages;
  }

  /** Works until nothing is left to do. */
  drain(): Message[] {
    const sent: Message[] = [];
    for (let round = 0; this.raw.hasReady(); round++) {
      if (round > MAX_ROUNDS) throw new Error('the node does not settle');
      sent.push(...this.process());
    }
    return sent;
  }

  step(message: Message): Message[] {
    this.raw.step(message);
    return this.drain();
  }

  write({ hardState, snapshot, entries }: Pick<Ready, 'hardState' | 'snapshot' | 'entries'>): void {
    if (hardState !== undefined) this.storage.hardState = hardState;
    if (snapshot !== undefined) {
      this.storage.applySnapshot(snapshot);
      this.config = snapshot.confState;
    }
    this.storage.append(entries);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const change = decodeConfChange(entry);
      if (change !== undefined) this.config = this.raw.applyConfChange(asV2(change));
      else if (entry.data.length > 0) this.applied.push(new TextDecoder().decode(entry.data));
    }
  }

  happened(kind: TraceEvent['kind']): readonly TraceEvent[] {
    return this.events.filter((event) => event.kind === kind);
  }
}

/** Nodes and the messages between them. Nothing moves but by `settle`. */
export class RaftWorld {
  readonly nodes = new Map<number, TestNode>();
  readonly flying: Message[] = [];
  /** What the network loses. */
  isLost: (message: Message) => boolean = () => false;

  readonly #start: ConfState;

  constructor(start: ConfState, setup: NodeSetup = {}) {
    this.#start = start;
    const { voters: ids, learners } = start;
    for (const id of [...ids, ...learners]) this.nodes.set(id, new TestNode(id, start, setup));
  }

  node(id: number): TestNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** An empty node that knows where the group began; the log tells it the rest. */
  add(id: number, setup: NodeSetup = {}): TestNode {
    const node = new TestNode(id, this.#start, setup);
    this.nodes.set(id, node);
    return node;
  }

  cut(...ids: readonly number[]): void {
    this.isLost = ({ from, to }) => ids.includes(from) !== ids.includes(to);
  }

  heal(): void {
    this.isLost = () => false;
  }

  elect(id: number): TestNode {
    this.node(id).raw.campaign();
    this.settle();
    return this.node(id);
  }

  propose(id: number, text: string) {
    const refusal = this.node(id).propose(text);
    this.settle();
    return refusal;
  }

  change(id: number, change: ConfChange | undefined) {
    const refusal = this.node(id).raw.proposeConfChange(change);
    this.settle();
    return refusal;
  }

  tick(id: number, times = 1): void {
    for (let at = 0; at < times; at++) {
      this.node(id).raw.tick();
      this.settle();
    }
  }

  /** Delivers and works until all is quiet. */
  settle(): void {
    for (let round = 0; ; round++) {
      if (round > MAX_ROUNDS) throw new Error('the group does not settle');
      for (const node of this.nodes.values()) this.flying.push(...node.drain());
      if (this.flying.length === 0) return;
      for (const message of this.flying.splice(0)) {
        if (!this.isLost(message)) this.nodes.get(message.to)?.raw.step(message);
      }
    }
  }

  roles(): Record<number, string> {
    const all = [...this.nodes].map(([id, { raw }]) => [id, raw.basicStatus().role]);
    return Object.fromEntries(all);
  }
}

/** A node with `terms` in its log, in `term`, that has applied nothing. */
export function nodeWithLog(
  id: number,
  start: ConfState,
  log: { readonly terms: readonly number[]; readonly term: number; readonly types?: EntryType[] },
  setup: NodeSetup = {},
): TestNode {
  const storage = new MemoryStorage();
  const types = log.types ?? [];
  storage.append(
    logOf(...log.terms).map((entry, at) => ({ ...entry, type: types[at] ?? 'normal' })),
  );
  storage.hardState = { term: log.term, vote: 0, commit: 0 };
  return new TestNode(id, start, setup, storage);
}
