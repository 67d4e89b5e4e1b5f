// A few chunk buffers: those being filled, and the last ones read. The page cache over the slot file is the big memory tier.
import { assert } from '../base/assert.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import { chunkKey, type ChunkRef } from './chunk-ref.ts';

/** A buffer and its chunk. Its bytes may be used from `isFilled` on, by who has pinned it. */
export interface Held {
  readonly ref: ChunkRef;
  readonly buffer: Buffer;
  /** Who reads or writes it right now; only at 0 it may go to another chunk. */
  pins: number;
  isFilled: boolean;
  /** Settles when the bytes are there and checked, or with the reason why they are not. */
  filled: Promise<void>;
}

/** Until the one who fills it says more. */
const NEVER = new Promise<void>(() => undefined);

export class MemoryTier {
  private readonly limit: number;
  /** Least recently used first. */
  private readonly held = new Map<string, Held>();
  private readonly idle: Buffer[] = [];
  private buffers = 0;

  /** @param limit buffers kept; more are made only while so many are pinned. */
  constructor(limit: number) {
    this.limit = limit;
  }

  find(key: string): Held | undefined {
    const held = this.held.get(key);
    if (held !== undefined) {
      this.held.delete(key);
      this.held.set(key, held);
    }
    return held;
  }

  /** A buffer for a chunk that has none, pinned once for who fills it. */
  hold(ref: ChunkRef): Held {
    const key = chunkKey(ref);
    assert(!this.held.has(key), 'one buffer a chunk');
    const held: Held = { ref, buffer: this.takeBuffer(), pins: 1, isFilled: false, filled: NEVER };
    this.held.set(key, held);
    return held;
  }

  unpin(held: Held): void {
    held.pins -= 1;
    assert(held.pins >= 0, 'as many unpins as pins');
    const isListed = this.held.get(chunkKey(held.ref)) === held;
    if (held.pins === 0 && !isListed) this.putBack(held.buffer);
  }

  /** Nobody finds it any more; the buffer is used again after the last unpin. */
  forget(held: Held): void {
    const key = chunkKey(held.ref);
    if (this.held.get(key) !== held) return;
    this.held.delete(key);
    if (held.pins === 0) this.putBack(held.buffer);
  }

  private takeBuffer(): Buffer {
    if (this.buffers >= this.limit && this.idle.length === 0) this.forgetOldest();
    const idle = this.idle.pop();
    if (idle !== undefined) return idle;
    this.buffers += 1;
    return Buffer.allocUnsafeSlow(LOG_CHUNK_BYTES);
  }

  private forgetOldest(): void {
    for (const held of this.held.values()) {
      if (held.pins > 0) continue;
      this.forget(held);
      return;
    }
  }

  private putBack(buffer: Buffer): void {
    if (this.buffers > this.limit) this.buffers -= 1;
    else this.idle.push(buffer);
  }
}
