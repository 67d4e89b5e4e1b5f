import { assert } from '../../base/assert.ts';

/** The window of MsgApps on their way to one follower: a ring that grows up to its limit. */
export class Inflights {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  /** Last entry's index and payload bytes of each message. */
  #lastIndexes: number[] = [];
  #bytesEach: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Full by bytes only after the message that goes over; so a large one can still leave. */
  isFull(): boolean {
    return this.#count === this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  add(lastIndex: number, bytes: number): void {
    assert(!this.isFull(), 'a full inflight window takes no message');
    const slot = (this.#start + this.#count) % this.#maxMessages;
    this.#lastIndexes[slot] = lastIndex;
    this.#bytesEach[slot] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees every message whose entries are all at or below `index`. */
  freeUpTo(index: number): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#start] ?? 0) <= index) {
      this.#bytes -= this.#bytesEach[this.#start] ?? 0;
      this.#start = (this.#start + 1) % this.#maxMessages;
      this.#count--;
    }
    if (this.#count === 0) this.#start = 0;
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }
}
