// Reads that wait for a quorum to confirm, by heartbeat, that this node still leads.
//
// Reads are numbered from 1 in each leadership. A heartbeat carries the number of the newest one; an
// answer confirms it and all before. The number, not a client's context, names the round (bug 16).
import { assert } from '../../base/assert.ts';
import type { Message } from './messages.ts';
import { type AckedIndexes, committedIndex, type Voters } from './quorum.ts';

const CONTEXT_BYTES = 8;
const LOW_BITS = 2 ** 32;

export interface PendingRead {
  readonly request: Message;
  /** Commit index when the read came in. */
  readonly index: number;
}

export class ReadIndexQueue implements AckedIndexes {
  readonly #acks = new Map<number, number>();
  #unconfirmed: PendingRead[] = [];
  #confirmed = 0;

  add(index: number, request: Message): void {
    this.#unconfirmed.push({ request, index });
  }

  /** u64, little endian; undefined while nothing waits. */
  heartbeatContext(): Uint8Array | undefined {
    if (this.#unconfirmed.length === 0) return undefined;
    const newest = this.#newest();
    const view = new DataView(new ArrayBuffer(CONTEXT_BYTES));
    view.setUint32(0, newest % LOW_BITS, true);
    view.setUint32(4, Math.floor(newest / LOW_BITS), true);
    return new Uint8Array(view.buffer);
  }

  /** A context that was never sent out confirms nothing. */
  acknowledge(from: number, context: Uint8Array | undefined): void {
    if (context?.length !== CONTEXT_BYTES) return;
    const view = new DataView(context.buffer, context.byteOffset, CONTEXT_BYTES);
    const number = view.getUint32(0, true) + view.getUint32(4, true) * LOW_BITS;
    if (number > this.#newest()) return;
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, number));
  }

  ackedIndex(id: number): number | undefined {
    return this.#acks.get(id);
  }

  /** Takes out the reads that a quorum has confirmed since the last call, in order. */
  takeConfirmed(config: Voters): readonly PendingRead[] {
    const confirmed = committedIndex(config, this);
    if (confirmed <= this.#confirmed) return [];
    assert(confirmed <= this.#newest(), 'only reads that wait are confirmed');
    const taken = this.#unconfirmed.splice(0, confirmed - this.#confirmed);
    this.#confirmed = confirmed;
    return taken;
  }

  #newest(): number {
    return this.#confirmed + this.#unconfirmed.length;
  }
}
