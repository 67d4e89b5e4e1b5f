// Nothing is FINISHED unproven (safety rule 9): the store's own honest checksum, or the object read back.
import { rangeBytes, splitRange, type ByteRange } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import {
  CHUNK_BYTES,
  type ByteSource,
  type ObjectStore,
  type StoredObject,
} from '../store/object-store.ts';

export type Proof = 'store checksum' | 'read back';

/**
 * OBJECT_CORRUPT unless `stored` has the size and the bytes of `body`. `stored.crc32` is there only where the
 * probe found the store honest and the way protected; else the object is read back and each chunk compared.
 */
export async function proveStored(
  store: Pick<ObjectStore, 'get'>,
  stored: StoredObject,
  body: ByteSource,
  signal: AbortSignal,
): Promise<Proof> {
  const whole = { start: 0, end: body.sizeBytes };
  if (stored.sizeBytes !== body.sizeBytes) {
    throw corrupt(stored, `it has ${stored.sizeBytes} bytes, ${body.sizeBytes} were sent`);
  }
  if (stored.crc32 === undefined) {
    await compareChunks(store, stored, body, signal);
    return 'read back';
  }
  if (stored.crc32 !== body.crc32(whole)) throw corrupt(stored, 'its checksum differs');
  return 'store checksum';
}

async function compareChunks(
  store: Pick<ObjectStore, 'get'>,
  stored: StoredObject,
  body: ByteSource,
  signal: AbortSignal,
): Promise<void> {
  const chunks = splitRange({ start: 0, end: body.sizeBytes }, CHUNK_BYTES);
  for (const chunk of chunks) {
    const crc = await readCrc(store, stored.key, chunk, signal);
    if (crc !== body.crc32(chunk)) throw corrupt(stored, `bytes from ${chunk.start} on differ`);
  }
}

async function readCrc(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  chunk: ByteRange,
  signal: AbortSignal,
): Promise<number> {
  let [crc, sizeBytes] = [0, 0];
  for await (const bytes of store.get(key, chunk, signal)) {
    crc = crc32(bytes, crc);
    sizeBytes += bytes.length;
  }
  if (sizeBytes !== rangeBytes(chunk)) {
    throw new LogtierError('STORE_UNAVAILABLE', `${key}: ${sizeBytes} bytes of a chunk read back`);
  }
  return crc;
}

function corrupt({ key }: StoredObject, why: string): LogtierError {
  return new LogtierError('OBJECT_CORRUPT', `the object just stored is not what was sent: ${why}`, {
    details: { key },
  });
}
