// Reads a segment object from its end: at most two ranged reads rebuild every fact about the segment.
//
//   firstRange(size) → read → parseTail: { manifest }, or { needs: range } → read → parseTail again
import type { ByteRange } from '../base/byte-range.ts';
import { rangeBytes } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import { corruptObject, decodeManifest } from './manifest-decoder.ts';
import {
  FORMAT_VERSION,
  LARGEST_MANIFEST_BYTES,
  LOG_CHUNK_BYTES,
  TRAILER_BYTES,
  TRAILER_MAGIC,
  findSection,
  type ObjectManifest,
  type ObjectSection,
  type SectionKind,
} from './segment-object.ts';

/** Holds trailer and manifest of nearly every segment: a log of 2 GiB has 2 KiB of chunk checksums. */
const FIRST_READ_BYTES = 16 * 2 ** 10;

/** Reads exactly `range` of one object; errors are the store's. */
export type ReadRange = (range: ByteRange, signal: AbortSignal) => Promise<Uint8Array>;

export type ParsedTail =
  | { readonly manifest: ObjectManifest }
  /** The manifest begins before the bytes given: read this range, which ends with the object. */
  | { readonly needs: ByteRange };

/** What to read first. OBJECT_CORRUPT when an object of `objectBytes` cannot hold a segment. */
export function firstRange(objectBytes: number): ByteRange {
  if (!Number.isSafeInteger(objectBytes) || objectBytes <= TRAILER_BYTES) {
    throw corruptObject(`it has ${objectBytes} bytes`);
  }
  return { start: Math.max(0, objectBytes - FIRST_READ_BYTES), end: objectBytes };
}

/**
 * `tail`: the last bytes of an object of `objectBytes`. OBJECT_CORRUPT when anything in them is not as it
 * was written, UNSUPPORTED_FORMAT for a newer version; never a wrong answer.
 */
export function parseTail(tail: Uint8Array, objectBytes: number): ParsedTail {
  if (tail.length < TRAILER_BYTES || tail.length > objectBytes) {
    throw corruptObject(`${tail.length} of its ${objectBytes} bytes`);
  }
  const trailer = parseTrailer(tail.subarray(tail.length - TRAILER_BYTES));
  const end = objectBytes - TRAILER_BYTES;
  const start = end - trailer.manifestBytes;
  if (start < 0) throw corruptObject(`a manifest of ${trailer.manifestBytes} bytes`);
  const tailStart = objectBytes - tail.length;
  if (start < tailStart) return { needs: { start, end: objectBytes } };
  const bytes = tail.subarray(start - tailStart, end - tailStart);
  if (crc32(bytes) !== trailer.manifestCrc) throw corruptObject('the manifest fails its checksum');
  return { manifest: decodeManifest(bytes, start) };
}

/** The two reads in one call. */
export async function readManifest(
  objectBytes: number,
  readRange: ReadRange,
  signal: AbortSignal,
): Promise<ObjectManifest> {
  const first = await readRange(firstRange(objectBytes), signal);
  const parsed = parseTail(first, objectBytes);
  if ('manifest' in parsed) return parsed.manifest;
  const second = parseTail(await readRange(parsed.needs, signal), objectBytes);
  if ('manifest' in second) return second.manifest;
  throw corruptObject('it changed between two reads');
}

/** OBJECT_CORRUPT when the object has no such section. */
export function requireSection(manifest: ObjectManifest, kind: SectionKind): ObjectSection {
  const section = findSection(manifest, kind);
  if (section === undefined) throw corruptObject(`it has no section ${kind}`);
  return section;
}

/** OBJECT_CORRUPT unless `bytes` are the section's. */
export function checkSection(section: ObjectSection, bytes: Uint8Array): void {
  if (bytes.length !== rangeBytes(section.range) || crc32(bytes) !== section.crc) {
    throw corruptObject(`section ${section.kind} fails its checksum`);
  }
}

/** Chunk `index` of the log: its range in the object, and in the segment. */
export function chunkRange(manifest: ObjectManifest, index: number): ByteRange {
  const log = requireSection(manifest, 'log').range;
  const start = index * LOG_CHUNK_BYTES;
  if (index < 0 || start >= log.end) {
    throw new LogtierError('INVALID_ARGUMENT', `chunk ${index} of a log of ${log.end} bytes`);
  }
  return { start, end: Math.min(start + LOG_CHUNK_BYTES, log.end) };
}

/** OBJECT_CORRUPT unless `bytes` are chunk `index` of the log. */
export function checkChunk(manifest: ObjectManifest, index: number, bytes: Uint8Array): void {
  const isWhole = bytes.length === rangeBytes(chunkRange(manifest, index));
  if (!isWhole || crc32(bytes) !== manifest.chunkCrcs[index]) {
    throw corruptObject(`chunk ${index} of the log fails its checksum`);
  }
}

interface Trailer {
  readonly manifestBytes: number;
  readonly manifestCrc: number;
}

function parseTrailer(bytes: Uint8Array): Trailer {
  const trailer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!trailer.subarray(0, TRAILER_MAGIC.length).equals(TRAILER_MAGIC)) {
    throw corruptObject('it does not end with the magic of a segment object');
  }
  if (crc32(trailer.subarray(0, 20)) !== trailer.readUInt32BE(20)) {
    throw corruptObject('the trailer fails its checksum');
  }
  const version = trailer.readUInt32BE(8);
  if (version !== FORMAT_VERSION) {
    throw new LogtierError('UNSUPPORTED_FORMAT', `segment object: version ${version} is not known`);
  }
  const manifestBytes = trailer.readUInt32BE(12);
  if (manifestBytes > LARGEST_MANIFEST_BYTES) {
    throw corruptObject(`a manifest of ${manifestBytes} bytes`);
  }
  return { manifestBytes, manifestCrc: trailer.readUInt32BE(16) };
}
