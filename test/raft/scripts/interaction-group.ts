// The nodes of a script and what lies between them: what a directive does, without its grammar.
import {
  isStorageThread,
  type Message,
  type Snapshot,
} from '../../../src/metastore/raft/messages.ts';
import type { StepRefusal } from '../../../src/metastore/raft/raw-node.ts';
import type { RaftSettings } from '../../../src/metastore/raft/settings.ts';
import { describeEntries, describeMessage, describeReady } from '../describe.ts';
import { InteractionNode } from './interaction-node.ts';
import { Output } from './output.ts';

export interface Recipient {
  readonly id: number;
  readonly isDropped: boolean;
}

const REFUSALS: Readonly<Record<StepRefusal, string>> = {
  proposalDropped: 'raft proposal dropped',
  localMessage: 'raft: cannot step raft local message',
  peerNotFound: 'raft: cannot step as peer not found',
};

export function throwRefusal(refusal: StepRefusal | undefined): void {
  if (refusal !== undefined) throw new Error(REFUSALS[refusal]);
}

export class InteractionGroup {
  readonly output = new Output();
  readonly nodes: InteractionNode[] = [];
  #messages: Message[] = [];

  node(id: number): InteractionNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  addNodes(count: number, settings: Omit<RaftSettings, 'id'>, start: Snapshot): void {
    for (let added = 0; added < count; added++) {
      const id = this.nodes.length + 1;
      this.nodes.push(new InteractionNode({ ...settings, id }, start, this.output));
    }
  }

  send(message: Message): void {
    this.#messages.push(message);
  }

  /** How many there were. */
  deliver(type: string | undefined, recipients: readonly Recipient[]): number {
    let count = 0;
    for (const recipient of recipients) {
      const taken = this.#messagesFor(recipient, type);
      this.#messages = this.#messages.filter((message) => !taken.includes(message));
      count += taken.length;
      for (const message of taken) this.#deliverOne(message, recipient.isDropped);
    }
    return count;
  }

  processReady(id: number): void {
    const node = this.node(id);
    const ready = node.raw.ready();
    const isAsync = node.settings.asyncStorageWrites;
    this.output.write(describeReady(ready));
    if (!isAsync) {
      node.save(ready.hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (!isStorageThread(message.to)) this.send(message);
      else if (message.type === 'MsgStorageAppend') node.appendWork.push(message);
      else node.applyWork.push(message);
    }
    if (!isAsync) node.raw.advance();
  }

  processAppend(id: number): void {
    const node = this.node(id);
    const work = node.appendWork.shift();
    if (work === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    this.#writeWork(work);
    const { term, vote, commit } = work;
    const hardState = term + vote + commit === 0 ? undefined : { term, vote, commit };
    node.save(hardState, work.entries, work.snapshot);
    this.#sendResponses(work);
  }

  processApply(id: number): void {
    const node = this.node(id);
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.#writeWork(work);
    node.apply(work.entries);
    this.#sendResponses(work);
  }

  /** Works until nobody of `ids` has anything left to do. */
  stabilize(ids: readonly number[]): void {
    const someWork = [
      (id: number) => this.#stabilizeReady(id),
      (id: number) => this.#stabilizeMessages(id),
      (id: number) => this.#stabilizeAppend(id),
      (id: number) => this.#stabilizeApply(id),
    ];
    for (let isDone = false; !isDone;) {
      isDone = true;
      for (const work of someWork) {
        const busy = ids.filter((id) => work(id));
        if (busy.length > 0) isDone = false;
      }
    }
  }

  writeLog(id: number): void {
    const { storage } = this.node(id);
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.output.write(`log is empty: first index=${first}, last index=${last}`);
      return;
    }
    const entries = storage.entries(first, last + 1, Number.MAX_SAFE_INTEGER);
    if (typeof entries === 'string') throw new Error(entries);
    this.output.write(describeEntries(entries));
  }

  #messagesFor({ id, isDropped }: Recipient, type: string | undefined): readonly Message[] {
    return this.#messages.filter(
      (message) =>
        message.to === id &&
        !(isDropped && isToItself(message)) &&
        (type === undefined || message.type === type),
    );
  }

  #deliverOne(message: Message, isDropped: boolean): void {
    this.output.write(`${isDropped ? 'dropped: ' : ''}${describeMessage(message)}\n`);
    if (isDropped) return;
    const refusal = this.node(message.to).raw.step(message);
    if (refusal !== undefined) this.output.write(`${REFUSALS[refusal]}\n`);
  }

  #writeWork(work: Message): void {
    this.output.write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
  }

  #sendResponses(work: Message): void {
    this.output.write('Responses:\n');
    for (const response of work.responses ?? []) {
      this.output.write(`${describeMessage(response)}\n`);
      this.send(response);
    }
  }

  #stabilizeReady(id: number): boolean {
    if (!this.node(id).raw.hasReady()) return false;
    this.output.write(`> ${id} handling Ready\n`);
    this.output.indented(() => this.processReady(id));
    return true;
  }

  #stabilizeMessages(id: number): boolean {
    const recipient = { id, isDropped: false };
    if (this.#messagesFor(recipient, undefined).length === 0) return false;
    this.output.write(`> ${id} receiving messages\n`);
    this.output.indented(() => this.deliver(undefined, [recipient]));
    return true;
  }

  #stabilizeAppend(id: number): boolean {
    const { appendWork } = this.node(id);
    if (appendWork.length === 0) return false;
    this.output.write(`> ${id} processing append thread\n`);
    while (appendWork.length > 0) this.output.indented(() => this.processAppend(id));
    return true;
  }

  #stabilizeApply(id: number): boolean {
    const { applyWork } = this.node(id);
    if (applyWork.length === 0) return false;
    this.output.write(`> ${id} processing apply thread\n`);
    while (applyWork.length > 0) this.output.indented(() => this.processApply(id));
    return true;
  }
}

/** Between a node and itself or its storage: nothing that a network could lose. */
function isToItself({ from, to }: Message): boolean {
  return from === to || isStorageThread(from) || isStorageThread(to);
}
