// Hands the core's writes to the log in their order. A snapshot holds up what was asked after it until
// the state machine has installed it.
import { assert } from '../../../base/assert.ts';
import type { Message, Snapshot } from '../../raft/messages.ts';
import type { CommittedFeed } from './committed-feed.ts';
import type { LogWriter } from './log-writer.ts';
import type { SnapshotContent } from './transport.ts';

export interface DurableLogDeps {
  readonly writer: LogWriter;
  readonly feed: CommittedFeed;
  /** The answers that waited for a write may leave. */
  readonly release: (responses: readonly Message[]) => void;
  /** A snapshot is installed and recorded. */
  readonly restored: (snapshot: Snapshot) => void;
}

interface Received {
  readonly index: number;
  readonly term: number;
  readonly content: SnapshotContent;
}

export class DurableLog {
  private readonly deps: DurableLogDeps;
  private received: Received | undefined;
  private held: Message[] = [];
  private installing: Promise<void> | undefined;

  constructor(deps: DurableLogDeps) {
    this.deps = deps;
  }

  /** A snapshot is being installed: another one would come to nothing. */
  get isInstalling(): boolean {
    return this.installing !== undefined;
  }

  /** The content of the snapshot that the core is told of by `tell`; whoever needs it not lets it go. */
  receive(snapshot: Snapshot, content: SnapshotContent, tell: () => void): void {
    const { index, term } = snapshot;
    this.received = { index, term, content };
    tell();
    if (this.received === undefined) return;
    this.received = undefined;
    void content.close();
  }

  write(message: Message): void {
    if (this.installing !== undefined) {
      this.held.push(message);
      return;
    }
    const { snapshot } = message;
    if (snapshot !== undefined) {
      this.installing = this.install(message, snapshot);
      return;
    }
    void this.writeEntries(message);
  }

  private async writeEntries(message: Message): Promise<void> {
    try {
      await this.deps.writer.write(message);
    } catch {
      return; // whoever owns the log hears of its failure
    }
    if (message.responses !== undefined) this.deps.release(message.responses);
  }

  private async install(message: Message, snapshot: Snapshot): Promise<void> {
    const { writer, feed, restored } = this.deps;
    const { received } = this;
    this.received = undefined;
    assert(received?.index === snapshot.index, 'a snapshot is written when it was received');
    try {
      await writer.prepareSnapshot(message, snapshot);
      await feed.install({
        index: BigInt(snapshot.index),
        term: BigInt(snapshot.term),
        content: (signal) => received.content.content(signal),
      });
      await writer.recordSnapshot(message, snapshot);
    } catch {
      return; // the log broke, and whoever owns it hears of it
    }
    await received.content.close();
    restored(snapshot);
    this.installing = undefined;
    void this.writeEntries(message);
    const { held } = this;
    this.held = [];
    for (const each of held) this.write(each);
  }
}
