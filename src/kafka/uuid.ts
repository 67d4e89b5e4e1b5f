// Kafka's Uuid: 16 bytes, written as 22 characters of base64url without padding.
// Text form and reserved ids: apache/kafka clients Uuid.java, server-common DirectoryId.java
import { assert } from '../base/assert.ts';
import { LogtierError } from '../base/errors.ts';

const UUID_BYTES = 16;
/** 22 characters hold 132 bits: the last one has four zero bits. */
const UUID_TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/;
const HEX_DASHED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** 47 bits of milliseconds, past the year 6000: the first character then is neither '-' nor '_'. */
const TIME_RANGE_MS = 2 ** 47;

export function isUuidText(text: string): boolean {
  return UUID_TEXT.test(text);
}

export function printUuid(bytes: Uint8Array): string {
  assert(bytes.length === UUID_BYTES, 'a UUID has 16 bytes');
  return Buffer.from(bytes).toString('base64url');
}

export function parseUuid(text: string): Uint8Array {
  if (!isUuidText(text)) {
    throw new LogtierError('INVALID_ARGUMENT', `'${text}' is not a 22-character base64url UUID`);
  }
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

/** `00112233-4455-6677-8899-aabbccddeeff`, as java.util.UUID prints, in Kafka's form. */
export function uuidFromHex(text: string): string {
  if (!HEX_DASHED.test(text)) {
    throw new LogtierError('INVALID_ARGUMENT', `'${text}' is not a UUID in hexadecimal form`);
  }
  return Buffer.from(text.replaceAll('-', ''), 'hex').toString('base64url');
}

/**
 * A fresh id, UUID version 7 (RFC 9562): ids sort by time, and no index is scattered. Its version bits
 * keep it apart from Kafka's reserved ids, whose first eight bytes are zero, and it never starts with
 * '-', which a command line would take for an option.
 *
 * @param random 16 fresh random bytes.
 */
export function generateUuid(random: Uint8Array, nowMs: number): string {
  assert(random.length === UUID_BYTES, 'a UUID takes 16 random bytes');
  const bytes = Buffer.from(random);
  bytes.writeUIntBE(Math.max(0, Math.floor(nowMs)) % TIME_RANGE_MS, 0, 6);
  bytes[6] = 0x70 | (bytes.readUInt8(6) & 0x0f);
  bytes[8] = 0x80 | (bytes.readUInt8(8) & 0x3f);
  return printUuid(bytes);
}
