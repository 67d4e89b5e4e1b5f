// A put on a key that exists: the same content is a repeated put, another one is never replaced.
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import type { ByteSource, ObjectStore, StoredObject } from './object-store.ts';

/** CRC-32 of a whole stored object, read back. */
export async function readBackCrc32(
  store: Pick<ObjectStore, 'get'>,
  object: Pick<StoredObject, 'key' | 'sizeBytes'>,
  signal: AbortSignal,
): Promise<number> {
  let crc = 0;
  const whole = { start: 0, end: object.sizeBytes };
  for await (const bytes of store.get(object.key, whole, signal)) crc = crc32(bytes, crc);
  return crc;
}

/**
 * Resolves when `existing` holds the bytes of `body`, by size and CRC-32 (the store's own where it is
 * proven, else read back); rejects with OBJECT_EXISTS. Against accidents, not against forgery.
 */
export async function requireSameContent(
  store: Pick<ObjectStore, 'get'>,
  existing: StoredObject,
  body: ByteSource,
  signal: AbortSignal,
): Promise<void> {
  const { key, sizeBytes } = existing;
  if (sizeBytes === body.sizeBytes) {
    const stored = existing.crc32 ?? (await readBackCrc32(store, existing, signal));
    if (stored === body.crc32({ start: 0, end: body.sizeBytes })) return;
  }
  throw new LogtierError('OBJECT_EXISTS', `another content stands under ${key}`, {
    details: { key, storedBytes: sizeBytes, offeredBytes: body.sizeBytes },
  });
}
