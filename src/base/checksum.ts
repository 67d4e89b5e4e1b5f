// CRC-32 (IEEE) for what is ours, CRC-32C (Castagnoli) for Kafka's batches. Both are uint32 numbers.
import { crc32 as nativeCrc32, crc32c as nativeCrc32c } from '@node-rs/crc32';

/** CRC-32 (IEEE 802.3, reflected 0xEDB88320); `seed` continues an earlier one. */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32(bytes, seed);
}

/** CRC-32C (RFC 3720, reflected 0x82F63B78); `seed` continues an earlier one. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return nativeCrc32c(bytes, seed);
}

const IEEE = 0xedb88320;

/** Multiplies two polynomials modulo the CRC-32 one, both bit-reflected. */
function multiply(left: number, right: number): number {
  let product = 0;
  let factor = right;
  for (let bit = 0x80000000; bit !== 0; bit >>>= 1) {
    if ((left & bit) !== 0) product ^= factor;
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ IEEE;
  }
  return product >>> 0;
}

/** x^(8·bytes) modulo the CRC-32 polynomial, by squaring. */
function shiftBy(bytes: number): number {
  let power = 0x80000000; // x^0
  let square = 0x00800000; // x^8
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(square, power);
    square = multiply(square, square);
  }
  return power;
}

/** CRC-32 of A‖B from the CRC-32 of A, of B, and B's length (zlib's crc32_combine). */
export function combineCrc32(first: number, second: number, secondBytes: number): number {
  return (multiply(shiftBy(secondBytes), first) ^ second) >>> 0;
}
