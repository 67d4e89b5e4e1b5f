// The network between members of a group in one process: messages arrive in a later turn, unless cut.
import type { Message } from '../../src/metastore/raft/messages.ts';
import type { PeerEvents, RaftTransport } from '../../src/metastore/log/raft-log/transport.ts';
import type { Snapshot } from '../../src/metastore/log/replicated-log.ts';

/** Whether a message of this type gets from one member to another. */
export type Passes = (from: number, to: number, type: Message['type']) => boolean;

export class RaftNetwork {
  passes: Passes = () => true;
  /** When a message arrives. */
  readonly later: (run: () => void) => void;
  private readonly members = new Map<number, PeerEvents>();

  constructor(later: (run: () => void) => void) {
    this.later = later;
  }

  transportOf(id: number): RaftTransport {
    let mine: PeerEvents | undefined;
    return {
      start: (events) => {
        mine = events;
        this.members.set(id, events);
      },
      setMembership: () => undefined,
      send: (message) => {
        this.later(() => {
          if (!this.passes(id, message.to, message.type)) return;
          this.members.get(message.to)?.received(message);
        });
      },
      introduce: () => Promise.reject(new Error('nobody meets here')),
      sendSnapshot: (message, snapshot, signal) => this.carry(message, snapshot, signal),
      stop: () => {
        if (this.members.get(id) === mine) this.members.delete(id);
        return Promise.resolve();
      },
    };
  }

  /** As kill -9 of a process does. */
  drop(id: number): void {
    this.members.delete(id);
  }

  /** As others see it, all of them if none is named, when their connections to a process break. */
  disconnect(id: number, seenBy: readonly number[] = [...this.members.keys()]): void {
    for (const other of seenBy) if (other !== id) this.members.get(other)?.disconnected(id);
  }

  private async carry(message: Message, snapshot: Snapshot, signal: AbortSignal): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of snapshot.content(signal)) chunks.push(Uint8Array.from(chunk));
    const receiver = this.members.get(message.to);
    if (receiver === undefined || !this.passes(message.from, message.to, 'MsgSnap')) {
      throw new Error('the receiver is gone');
    }
    receiver.snapshotReceived(message, {
      content: () => arrived(chunks),
      close: () => Promise.resolve(),
    });
  }
}

async function* arrived(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield chunk;
  }
}
