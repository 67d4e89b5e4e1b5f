// Nothing is FINISHED unproven (safety rule 9): the store's own honest checksum, or the object read back.
import { splitRange } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import {
  CHUNK_BYTES,
  type ByteSource,
  type ObjectStore,
  type StoredObject,
} from '../store/object-store.ts';

export type Proof = 'store checksum' | 'read back';

export interface Sent {
  readonly body: ByteSource;
  /** Called as the proof gets on: reading back a large object from a slow store is no hang. */
  readonly moved: () => void;
}

/**
 * OBJECT_CORRUPT unless `stored` has the size and the bytes of `body`. `stored.crc32` is there only where the
 * probe found the store honest and the way protected; else the object is read back and each chunk compared.
 */
export async function proveStored(
  store: Pick<ObjectStore, 'get'>,
  stored: StoredObject,
  sent: Sent,
  signal: AbortSignal,
): Promise<Proof> {
  const { body } = sent;
  const whole = { start: 0, end: body.sizeBytes };
  if (stored.sizeBytes !== body.sizeBytes) {
    throw corrupt(stored, `it has ${stored.sizeBytes} bytes, ${body.sizeBytes} were sent`);
  }
  if (stored.crc32 === undefined) {
    await compareChunks(store, stored, sent, signal);
    return 'read back';
  }
  if (stored.crc32 !== body.crc32(whole)) throw corrupt(stored, 'its checksum differs');
  return 'store checksum';
}

/** One pass over the object, so that a store is asked once; each chunk is compared where it ends. */
async function compareChunks(
  store: Pick<ObjectStore, 'get'>,
  stored: StoredObject,
  sent: Sent,
  signal: AbortSignal,
): Promise<void> {
  const { body, moved } = sent;
  const whole = { start: 0, end: body.sizeBytes };
  let [position, crc] = [0, 0];
  for await (const bytes of store.get(stored.key, whole, signal)) {
    for (const piece of splitRange(
      { start: position, end: position + bytes.length },
      CHUNK_BYTES,
    )) {
      crc = crc32(bytes.subarray(piece.start - position, piece.end - position), crc);
      if (piece.end % CHUNK_BYTES !== 0 && piece.end !== whole.end) continue;
      requireCrc(stored, body, { end: piece.end, crc });
      crc = 0;
    }
    position += bytes.length;
    moved();
  }
  if (position === body.sizeBytes) return;
  throw new LogtierError('STORE_UNAVAILABLE', `${stored.key}: ${position} bytes read back`);
}

function requireCrc(
  stored: StoredObject,
  body: ByteSource,
  { end, crc }: { readonly end: number; readonly crc: number },
): void {
  const start = Math.floor((end - 1) / CHUNK_BYTES) * CHUNK_BYTES;
  if (crc !== body.crc32({ start, end })) throw corrupt(stored, `bytes from ${start} on differ`);
}

function corrupt({ key }: StoredObject, why: string): LogtierError {
  return new LogtierError('OBJECT_CORRUPT', `the object just stored is not what was sent: ${why}`, {
    details: { key },
  });
}
