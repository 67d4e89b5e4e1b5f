// Decompresses record batches. The only file that names the decompressors.
//
// gzip is bounded by zlib itself. The others answer whole buffers of any size, so what a frame can grow to is
// computed from its block headers first: a small batch must not take the memory of the process.
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { decompress as zstdDecompress } from '@mongodb-js/zstd';
import { decompressFrame as lz4Decompress } from 'lz4-napi';
import { uncompress as snappyDecompress } from 'snappy';
import { LogtierError } from './errors.ts';

/** Most bytes one batch may decompress to: 256 MiB, far above any sensible max.message.bytes. */
export const LARGEST_DECOMPRESSED_BYTES = 256 * 2 ** 20;

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** CORRUPT_BATCH when the bytes do not decompress, or would to more than `limitBytes`. */
export type Decompress = (
  codec: Codec,
  bytes: Uint8Array,
  limitBytes: number,
) => Promise<Uint8Array>;

const gunzipBounded = promisify(
  (bytes: Uint8Array, limitBytes: number, done: (error: Error | null, result: Buffer) => void) => {
    gunzip(bytes, { maxOutputLength: limitBytes }, done);
  },
);

export const decompress: Decompress = async (codec, bytes, limitBytes) => {
  try {
    return await decompressors[codec](bytes, limitBytes);
  } catch (error) {
    if (error instanceof LogtierError) throw error;
    throw new LogtierError('CORRUPT_BATCH', `${codec} data does not decompress`, { cause: error });
  }
};

const decompressors: Record<Codec, (bytes: Uint8Array, limitBytes: number) => Promise<Uint8Array>> =
  {
    none: (bytes, limitBytes) => {
      requireWithin(bytes.length, limitBytes, 'none');
      return Promise.resolve(bytes);
    },
    gzip: (bytes, limitBytes) => {
      if (bytes.length === 0) throw malformed('gzip', 'it is empty');
      return gunzipBounded(bytes, limitBytes);
    },
    snappy: unSnappy,
    lz4: async (bytes, limitBytes) => {
      requireWithin(lz4BoundBytes(bytes), limitBytes, 'lz4');
      return lz4Decompress(bytes);
    },
    zstd: async (bytes, limitBytes) => {
      requireWithin(zstdBoundBytes(bytes), limitBytes, 'zstd');
      return zstdDecompress(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    },
  };

function malformed(codec: Codec, what: string): LogtierError {
  return new LogtierError('CORRUPT_BATCH', `${codec} data does not decompress: ${what}`);
}

function requireWithin(boundBytes: number, limitBytes: number, codec: Codec): void {
  if (boundBytes > limitBytes) {
    throw malformed(codec, `up to ${boundBytes} bytes, more than the limit of ${limitBytes}`);
  }
}

/** snappy-java's stream: this magic, version and compatible version (i32 each), then [i32 length][raw]…. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

/** Kafka's clients write snappy-java's stream; others write one raw block. */
async function unSnappy(bytes: Uint8Array, limitBytes: number): Promise<Uint8Array> {
  const isXerial = XERIAL_MAGIC.equals(bytes.subarray(0, XERIAL_MAGIC.length));
  const blocks = isXerial ? xerialBlocks(bytes) : [bytes];
  const boundBytes = blocks.reduce((sum, block) => sum + snappyBytes(block), 0);
  requireWithin(boundBytes, limitBytes, 'snappy');
  const parts: Buffer[] = [];
  for (const block of blocks) {
    const part = await snappyDecompress(block, { asBuffer: true });
    parts.push(typeof part === 'string' ? Buffer.from(part) : part);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

function xerialBlocks(bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    const lengthBytes = uint(bytes.subarray(at, at + 4).toReversed(), 0, 4, 'snappy');
    const end = at + 4 + lengthBytes;
    if (end > bytes.length) throw malformed('snappy', 'a block is cut');
    blocks.push(bytes.subarray(at + 4, end));
    at = end;
  }
  if (at !== bytes.length) throw malformed('snappy', 'the header is cut');
  return blocks;
}

/** A raw block begins with the size of its content, a little-endian base-128 number of at most 32 bits. */
function snappyBytes(block: Uint8Array): number {
  let size = 0;
  for (let index = 0; index < 5; index += 1) {
    const byte = uint(block, index, 1, 'snappy');
    size += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return size;
  }
  throw malformed('snappy', 'its size is no number');
}

/** Unsigned, little-endian: so both lz4 and zstd write. */
function uint(bytes: Uint8Array, at: number, size: number, codec: Codec): number {
  const field = bytes.subarray(at, at + size);
  if (field.length < size) throw malformed(codec, 'it is cut');
  return field.reduceRight((value, byte) => value * 256 + byte, 0);
}

const LZ4_MAGIC = 0x184d2204;
/** Largest content of a block by the descriptor's block size code (LZ4 frame format 1.6.1). */
const LZ4_BLOCK_BYTES = [0, 0, 0, 0, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22];
/** A match byte adds at most this much: the format's best ratio. */
const LZ4_BEST_RATIO = 255;

/**
 * Walks the blocks of one frame up to its end mark: the package answers a cut frame as if it were whole,
 * and passes over what follows the frame.
 */
function lz4BoundBytes(bytes: Uint8Array): number {
  if (uint(bytes, 0, 4, 'lz4') !== LZ4_MAGIC) throw malformed('lz4', 'it is no frame');
  const flags = uint(bytes, 4, 1, 'lz4');
  const blockBytes = LZ4_BLOCK_BYTES[(uint(bytes, 5, 1, 'lz4') >> 4) & 7] ?? 0;
  if (blockBytes === 0) throw malformed('lz4', 'its block size is unknown');
  const [hasBlockCrc, hasSize, hasCrc, hasDictionary] = [16, 8, 4, 1].map(
    (bit) => (flags & bit) !== 0,
  );
  let at = 7 + (hasSize === true ? 8 : 0) + (hasDictionary === true ? 4 : 0);
  let boundBytes = 0;
  for (;;) {
    const word = uint(bytes, at, 4, 'lz4');
    at += 4;
    if (word === 0) break;
    const size = word % 2 ** 31;
    boundBytes += word >= 2 ** 31 ? size : Math.min(blockBytes, size * LZ4_BEST_RATIO);
    at += size + (hasBlockCrc === true ? 4 : 0);
  }
  const end = at + (hasCrc === true ? 4 : 0);
  if (end !== bytes.length) throw malformed('lz4', 'its end is not where it says');
  return boundBytes;
}

const ZSTD_MAGIC = 0xfd2fb528;
/** Skippable frames carry no content (RFC 8878, 3.1.2). */
const ZSTD_SKIPPABLE = 0x184d2a50;
/** Largest content of a block (RFC 8878, 3.1.1.2.4). */
const ZSTD_BLOCK_BYTES = 2 ** 17;

/** Walks the blocks of all frames; a compressed block counts as full. */
function zstdBoundBytes(bytes: Uint8Array): number {
  let at = 0;
  let boundBytes = 0;
  while (at < bytes.length) {
    const magic = uint(bytes, at, 4, 'zstd');
    if (magic === ZSTD_MAGIC) {
      const frame = zstdFrame(bytes, at + 4);
      boundBytes += frame.boundBytes;
      at = frame.end;
    } else if (magic - (magic % 16) === ZSTD_SKIPPABLE) {
      at += 8 + uint(bytes, at + 4, 4, 'zstd');
    } else throw malformed('zstd', 'it is no frame');
  }
  if (at !== bytes.length) throw malformed('zstd', 'it is cut');
  return boundBytes;
}

/** Length of the frame header after the magic, by its descriptor byte (RFC 8878, 3.1.1.1). */
function zstdHeaderBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeBytes;
}

function zstdFrame(bytes: Uint8Array, start: number): { boundBytes: number; end: number } {
  const descriptor = uint(bytes, start, 1, 'zstd');
  let at = start + zstdHeaderBytes(descriptor);
  let boundBytes = 0;
  let isLast = false;
  while (!isLast) {
    const header = uint(bytes, at, 3, 'zstd');
    isLast = (header & 1) === 1;
    const [kind, size] = [(header >> 1) & 3, header >> 3];
    if (kind === 3) throw malformed('zstd', 'a block of reserved type');
    boundBytes += kind === 2 ? ZSTD_BLOCK_BYTES : size;
    at += 3 + (kind === 1 ? 1 : size);
  }
  return { boundBytes, end: at + ((descriptor & 4) === 0 ? 0 : 4) };
}
