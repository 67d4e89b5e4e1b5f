// Buffers of messages on their way to readers, used again: fresh memory is the dearest thing in the path.

/** A message holds whole batches up to this size; a larger batch goes on in the next one. */
export const MESSAGE_BYTES = 2 ** 20;
/** Room before the batches for the frame and the field's tag. */
export const MESSAGE_HEADROOM_BYTES = 16;

/** Kept while nobody needs them. */
const MOST_IDLE = 32;

/** Record batches in a borrowed buffer: bytes [start, end) of it. */
export interface MessageBytes {
  /** At least MESSAGE_HEADROOM_BYTES lie before `start`; they may be written over. */
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  /** Gives the buffer back once nobody reads it any more. Idempotent; never calling it only costs memory. */
  readonly release: () => void;
}

export class MessageBuffers {
  private readonly idle: Buffer[] = [];

  take(): Buffer {
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(MESSAGE_HEADROOM_BYTES + MESSAGE_BYTES);
  }

  giveBack(buffer: Buffer): void {
    if (this.idle.length < MOST_IDLE) this.idle.push(buffer);
  }
}
