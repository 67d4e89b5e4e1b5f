// Frames out of a stream that is cut anyhow, each checked before it is handed on.
import {
  BLOCK_HEAD_BYTES,
  crcAfter,
  CRC_BYTES,
  damaged,
  FRAME,
  FRAME_HEAD_BYTES,
  HEADER_FIXED_BYTES,
  MAX_HEADER_BYTES,
  MAX_ROW_BYTES,
  PREAMBLE_BYTES,
  TRAILER_BYTES,
} from './snapshot-format.ts';

export interface Frame {
  readonly kind: number;
  readonly payload: Buffer;
}

/** Payload bytes that a frame of a kind may have; what claims more is damage and costs no memory. */
const PAYLOAD_BYTES: ReadonlyMap<number, readonly [least: number, most: number]> = new Map([
  [FRAME.header, [HEADER_FIXED_BYTES, MAX_HEADER_BYTES]],
  [FRAME.rows, [BLOCK_HEAD_BYTES, BLOCK_HEAD_BYTES + MAX_ROW_BYTES]],
  [FRAME.trailer, [TRAILER_BYTES, TRAILER_BYTES]],
]);

export class SnapshotReader {
  private readonly source: AsyncIterator<Uint8Array>;
  private held: Uint8Array[] = [];
  private heldBytes = 0;
  private crc = 0;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.source = content[Symbol.asyncIterator]();
  }

  async preamble(): Promise<Buffer> {
    const bytes = await this.read(PREAMBLE_BYTES, 'the beginning');
    this.crc = crcAfter(0, bytes);
    return bytes;
  }

  /** `where` is told when the frame is damaged. */
  async frame(where: string): Promise<Frame> {
    const head = await this.read(FRAME_HEAD_BYTES, where);
    const kind = head.readUInt8(0);
    const payloadBytes = head.readUInt32BE(1);
    const [least, most] = PAYLOAD_BYTES.get(kind) ?? [0, -1];
    if (payloadBytes < least || payloadBytes > most) {
      throw damaged(where, `has kind ${kind} and ${payloadBytes} bytes`);
    }
    const payload = await this.read(payloadBytes, where);
    this.crc = crcAfter(this.crc, head, payload);
    const stored = (await this.read(CRC_BYTES, where)).readUInt32BE(0);
    if (stored !== this.crc) throw damaged(where, 'does not match its checksum');
    return { kind, payload };
  }

  async requireEnd(): Promise<void> {
    if (await this.holds(1)) throw damaged('the end', 'is followed by more bytes');
  }

  /** Lets the source go. Idempotent. */
  async close(): Promise<void> {
    await this.source.return?.();
  }

  private async read(count: number, where: string): Promise<Buffer> {
    if (!(await this.holds(count))) throw damaged(where, 'is cut off');
    const all = joined(this.held);
    const rest = all.subarray(count);
    this.held = rest.length > 0 ? [rest] : [];
    this.heldBytes = rest.length;
    return all.subarray(0, count);
  }

  private async holds(count: number): Promise<boolean> {
    while (this.heldBytes < count) {
      const next = await this.source.next();
      if (next.done === true) return false;
      this.held.push(next.value);
      this.heldBytes += next.value.length;
    }
    return true;
  }
}

/** Without a copy when a frame lies in one piece. */
function joined(pieces: readonly Uint8Array[]): Buffer {
  const [only, ...others] = pieces;
  if (only === undefined || others.length > 0) return Buffer.concat(pieces);
  return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
}
