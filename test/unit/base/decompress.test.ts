import { gzipSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compress as zstdCompress } from '@mongodb-js/zstd';
import { compressSync as snappyCompress } from 'snappy';
import { assert, asyncProperty, constantFrom, integer, uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import { decompress, type Codec } from '../../../src/base/decompress.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { compressWith, xerialSnappy } from '../../support/kafka-files.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const LIMIT = 2 ** 20;
const TEXT = Buffer.from('the same words again and again, and then some more. '.repeat(4000));

test.each(CODECS)('%s gives back what was compressed', async (codec) => {
  const codecBytes = await compressWith(codec, TEXT);
  expect(TEXT.equals(await decompress(codec, codecBytes, LIMIT))).toBe(true);
});

test('any bytes survive any codec', async () => {
  const bytes = uint8Array({ maxLength: 3000 });
  await assert(
    asyncProperty(constantFrom(...CODECS), bytes, async (codec, content) => {
      const packed = await compressWith(codec, Buffer.from(content));
      expect(Buffer.compare(await decompress(codec, packed, LIMIT), content)).toBe(0);
    }),
  );
});

test('a view into a larger buffer is read from its own start', async () => {
  for (const codec of CODECS) {
    const packed = await compressWith(codec, TEXT);
    const inside = Buffer.concat([Buffer.alloc(13), packed, Buffer.alloc(7)]);
    const view = new Uint8Array(inside.buffer, inside.byteOffset + 13, packed.length);
    expect(TEXT.equals(await decompress(codec, view, LIMIT)), codec).toBe(true);
  }
});

test('a raw snappy block is read like a snappy-java stream', async () => {
  expect(TEXT.equals(await decompress('snappy', snappyCompress(TEXT), LIMIT))).toBe(true);
  expect(TEXT.equals(await decompress('snappy', xerialSnappy(TEXT, 1000), LIMIT))).toBe(true);
});

/** Frames written by the reference tool (lz4 1.9.4 with -BD, -BI, -BX, -B4 …). */
const LZ4_TEXT = Buffer.from('abcabcabcabcabcabcabcabcabcabc\n');
const LZ4_FRAMES: Record<string, string> = {
  'linked blocks and a content size': 'BCJNGGxAHwAAAAAAAAAiDQAAAD9hYmMDAARQY2FiYwoAAAAA5+HNyg==',
  'independent blocks and no checksum': 'BCJNGGBAgg0AAAA/YWJjAwAEUGNhYmMKAAAAAA==',
  'blocks of 4 MiB': 'BCJNGGRApw0AAAA/YWJjAwAEUGNhYmMKAAAAAOfhzco=',
  'block checksums': 'BCJNGHRAvQ0AAAA/YWJjAwAEUGNhYmMKX4GIUgAAAADn4c3K',
};

test.each(Object.entries(LZ4_FRAMES))('an lz4 frame with %s is read', async (_, base64) => {
  const packed = Buffer.from(base64, 'base64');
  expect(Buffer.from(await decompress('lz4', packed, LIMIT))).toEqual(LZ4_TEXT);
});

test.each(CODECS)(
  '%s that may grow to twice its content passes a limit of that, none below it',
  async (codec) => {
    const content = Buffer.alloc(2 ** 17, 'x');
    const packed = await compressWith(codec, content);
    await expect(decompress(codec, packed, 2 ** 18)).resolves.toHaveLength(2 ** 17);
    await expect(decompress(codec, packed, 2 ** 17 - 1)).rejects.toMatchObject({
      code: 'CORRUPT_BATCH',
    });
  },
);

test.each<[Codec, (bytes: Buffer) => Buffer | Promise<Buffer>]>([
  ['gzip', gzipSync],
  ['snappy', snappyCompress],
  ['lz4', compressFrameSync],
  ['zstd', zstdCompress],
])('a %s bomb is refused before it grows', async (codec, pack) => {
  const bomb = await pack(Buffer.alloc(64 * 2 ** 20));
  await expect(decompress(codec, bomb, LIMIT)).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
});

test('a cut or damaged blob gives an error of ours or bytes, never another exception', async () => {
  const short = TEXT.subarray(0, 600);
  for (const codec of CODECS.slice(1)) {
    const packed = await compressWith(codec, short);
    for (let length = 0; length < packed.length; length += 1) {
      if (codec === 'snappy' && length === 16) continue; // a stream of no blocks is whole
      await expect(decompress(codec, packed.subarray(0, length), LIMIT)).rejects.toMatchObject({
        code: 'CORRUPT_BATCH',
      });
    }
    await assert(
      asyncProperty(integer({ min: 0, max: packed.length * 8 - 1 }), async (bit) => {
        const damaged = Buffer.from(packed);
        damaged[bit >> 3]! ^= 1 << (bit & 7);
        const outcome: unknown = await decompress(codec, damaged, LIMIT).catch((e: unknown) => e);
        expect(outcome instanceof Uint8Array || hasCode(outcome, 'CORRUPT_BATCH')).toBe(true);
      }),
    );
  }
});
