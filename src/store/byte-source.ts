// Sources of a put: bytes in memory, or an open log file followed by bytes in memory.
import { assert } from '../base/assert.ts';
import type { ByteRange } from '../base/byte-range.ts';
import { rangeBytes, splitRange } from '../base/byte-range.ts';
import { combineCrc32, crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import { throwIfAborted } from '../platform/clock.ts';
import type { DiskFile } from '../platform/disk.ts';
import { CHUNK_BYTES, STREAM_CHUNK_BYTES } from './object-store.ts';
import type { ByteSource } from './object-store.ts';

/** What a source reads from: fills `into` from `position`; fewer bytes only when there are no more. */
type ReadAt = (into: Uint8Array, position: number) => Promise<number>;

/** CRC-32 of each CHUNK_BYTES chunk of `bytes`, the last one shorter. */
export function chunkCrcs(bytes: Uint8Array): number[] {
  return splitRange({ start: 0, end: bytes.length }, CHUNK_BYTES).map(({ start, end }) =>
    crc32(bytes.subarray(start, end)),
  );
}

function requireBorders(range: ByteRange, sizeBytes: number): void {
  const isBorder = (at: number): boolean => at % CHUNK_BYTES === 0 || at === sizeBytes;
  assert(
    isBorder(range.start) && isBorder(range.end) && range.end <= sizeBytes,
    `range ${range.start}..${range.end} does not lie on chunk borders of ${sizeBytes} bytes`,
  );
}

function crcAt(crcs: readonly number[], position: number): number {
  const crc = crcs[Math.floor(position / CHUNK_BYTES)];
  assert(crc !== undefined, `no chunk checksum at ${position}`);
  return crc;
}

/** CRC-32 of `range` out of the CRCs of its chunks. */
function combined(crcs: readonly number[], range: ByteRange): number {
  return splitRange(range, CHUNK_BYTES).reduce(
    (crc, chunk) => combineCrc32(crc, crcAt(crcs, chunk.start), rangeBytes(chunk)),
    0,
  );
}

interface Checked {
  readonly crcs: readonly number[];
  readonly sizeBytes: number;
  readonly readAt: ReadAt;
  /** Buffers of passes that ended well: fresh memory is the dearest thing in the path. */
  readonly idle: Uint8Array[];
}

function takeBuffer(source: Checked): Uint8Array {
  return source.idle.pop() ?? Buffer.allocUnsafeSlow(STREAM_CHUNK_BYTES);
}

function changed(position: number, why: string): LogtierError {
  return new LogtierError('SOURCE_CHANGED', `the source ${why} near byte ${position}`);
}

async function fill(source: Checked, piece: ByteRange, buffer: Uint8Array): Promise<Uint8Array> {
  const into = buffer.subarray(0, rangeBytes(piece));
  const count = await source.readAt(into, piece.start);
  if (count < into.length) throw changed(piece.start + count, 'ends');
  return into;
}

/**
 * One pass with a ring of two buffers: one is with the consumer while the other fills. The last
 * piece of a chunk is handed out only after the whole chunk was checked, so a store never holds
 * all bytes of a range of which some are wrong. A pass that was left early drops its buffers: a
 * socket may still be reading them.
 */
async function* checkedPass(
  source: Checked,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const pieces = splitRange(range, STREAM_CHUNK_BYTES);
  const ring: readonly [Uint8Array, Uint8Array] = [takeBuffer(source), takeBuffer(source)];
  const start = (index: number): Promise<Uint8Array> | undefined => {
    const piece = pieces[index];
    if (piece === undefined) return undefined;
    const filling = fill(source, piece, index % 2 === 0 ? ring[0] : ring[1]);
    filling.catch(() => undefined); // told when it is awaited; never unhandled when the pass is left
    return filling;
  };
  let ahead = start(0);
  let crc = 0;
  for (const [index, piece] of pieces.entries()) {
    throwIfAborted(signal);
    const bytes = await ahead;
    if (bytes === undefined) break;
    ahead = start(index + 1);
    crc = crc32(bytes, piece.start % CHUNK_BYTES === 0 ? 0 : crc);
    const endsChunk = piece.end % CHUNK_BYTES === 0 || piece.end === source.sizeBytes;
    if (endsChunk && crc !== crcAt(source.crcs, piece.start)) throw changed(piece.start, 'differs');
    yield bytes;
  }
  source.idle.push(...ring);
}

function checkedSource(crcs: readonly number[], sizeBytes: number, readAt: ReadAt): ByteSource {
  const source: Checked = { crcs, sizeBytes, readAt, idle: [] };
  return {
    sizeBytes,
    crc32: (range) => {
      requireBorders(range, sizeBytes);
      return combined(crcs, range);
    },
    read: (range, signal) => {
      requireBorders(range, sizeBytes);
      return checkedPass(source, range, signal);
    },
  };
}

function copyFrom(bytes: Uint8Array, into: Uint8Array, position: number): number {
  const found = bytes.subarray(position, position + into.length);
  into.set(found);
  return found.length;
}

/** A source over bytes in memory, checked like any other. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return checkedSource(chunkCrcs(bytes), bytes.length, (into, position) =>
    Promise.resolve(copyFrom(bytes, into, position)),
  );
}

/** An open log and what follows it in the object; the file stays the caller's to close. */
export interface FileSourceParts {
  readonly log: DiskFile;
  /** The log's bytes that count; the file may be longer. */
  readonly logBytes: number;
  /** CRC-32 of each CHUNK_BYTES chunk of the log, the last one shorter. */
  readonly logCrcs: readonly number[];
  /** Indexes, manifest, trailer: a few MiB at most. */
  readonly tail: Uint8Array;
}

/** The chunk CRCs of log‖tail: only the chunk that holds the border is new. */
function joinedCrcs(parts: FileSourceParts): number[] {
  const whole = Math.floor(parts.logBytes / CHUNK_BYTES);
  const crcs = parts.logCrcs.slice(0, whole);
  const borderBytes = parts.logBytes - whole * CHUNK_BYTES;
  if (borderBytes === 0) return [...crcs, ...chunkCrcs(parts.tail)];
  const filler = parts.tail.subarray(0, CHUNK_BYTES - borderBytes);
  const border = combineCrc32(crcAt(parts.logCrcs, parts.logBytes), crc32(filler), filler.length);
  return [...crcs, border, ...chunkCrcs(parts.tail.subarray(filler.length))];
}

/** A source over an open log file and a tail in memory: what a segment object is made of. */
export function fileSource(parts: FileSourceParts): ByteSource {
  const { log, logBytes, tail } = parts;
  assert(
    parts.logCrcs.length === Math.ceil(logBytes / CHUNK_BYTES),
    'one checksum for each chunk of the log',
  );
  const readAt: ReadAt = async (into, position) => {
    const fromLog = Math.max(0, Math.min(into.length, logBytes - position));
    const count = fromLog === 0 ? 0 : await log.read(into.subarray(0, fromLog), position);
    if (count < fromLog) return count;
    const tailAt = Math.max(0, position - logBytes);
    return count + copyFrom(tail, into.subarray(count), tailAt);
  };
  return checkedSource(joinedCrcs(parts), logBytes + tail.length, readAt);
}
