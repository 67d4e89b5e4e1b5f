import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { assert, property, uint8Array } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AssertionFailure } from '../../../src/base/assert.ts';
import { combineCrc32, crc32 } from '../../../src/base/checksum.ts';
import type { DiskFile } from '../../../src/platform/disk.ts';
import { nodeDisk } from '../../../src/platform/disk.ts';
import { bytesSource, chunkCrcs, fileSource } from '../../../src/store/byte-source.ts';
import { CHUNK_BYTES, STREAM_CHUNK_BYTES } from '../../../src/store/object-store.ts';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { codeOf, collect, never } from '../../support/store-probes.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'logtier-source-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function fileOf(name: string, bytes: Buffer): Promise<DiskFile> {
  const file = await nodeDisk.open(path.join(directory, name), 'create');
  await file.write(bytes, 0);
  return file;
}

test('the CRC of two pieces combined is that of their concatenation', () => {
  assert(
    property(uint8Array({ maxLength: 300 }), uint8Array({ maxLength: 300 }), (a, b) => {
      expect(combineCrc32(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])));
    }),
  );
  const [first, second] = [sampleBytes(CHUNK_BYTES, 1), sampleBytes(CHUNK_BYTES + 13, 2)];
  const whole = crc32(Buffer.concat([first, second]));
  expect(combineCrc32(crc32(first), crc32(second), second.length)).toBe(whole);
});

describe('a source over a log and a tail', () => {
  const cases: readonly [string, number, number][] = [
    ['a log that ends inside a chunk', CHUNK_BYTES + 999, 5000],
    ['a log that ends on a border', 2 * CHUNK_BYTES, 5000],
    ['a log that ends inside a piece of the last chunk', 2 * CHUNK_BYTES - 3, 7],
    ['a tail longer than a chunk', 12, CHUNK_BYTES + 12],
    ['no tail', CHUNK_BYTES + 1, 0],
    ['no log', 0, 100],
  ];

  test.each(cases)(
    'gives both, with the checksums of the whole: %s',
    async (name, logBytes, tailBytes) => {
      const log = sampleBytes(logBytes, 3);
      const tail = sampleBytes(tailBytes, 4);
      const file = await fileOf(name, Buffer.concat([log, Buffer.from('still being written')]));
      const source = fileSource({ log: file, logBytes, logCrcs: chunkCrcs(log), tail });
      const all = Buffer.concat([log, tail]);
      expect(source.sizeBytes).toBe(all.length);
      const borders = [0, CHUNK_BYTES, 2 * CHUNK_BYTES, all.length].filter(
        (at) => at <= all.length,
      );
      for (const start of borders) {
        for (const end of borders.filter((at) => at >= start)) {
          const expected = all.subarray(start, end);
          expect(source.crc32({ start, end })).toBe(crc32(expected));
          expect((await collect(source.read({ start, end }, never))).equals(expected)).toBe(true);
        }
      }
      await file.close();
    },
  );

  test('passes may run at once and be repeated', async () => {
    const log = sampleBytes(3 * CHUNK_BYTES, 5);
    const file = await fileOf('parallel', log);
    const parts = { log: file, logBytes: log.length, logCrcs: chunkCrcs(log) };
    const source = fileSource({ ...parts, tail: Buffer.alloc(0) });
    const ranges = [0, 1, 2, 0, 1, 2].map((index) => ({
      start: index * CHUNK_BYTES,
      end: (index + 1) * CHUNK_BYTES,
    }));
    for (let round = 0; round < 3; round += 1) {
      const found = await Promise.all(ranges.map((range) => collect(source.read(range, never))));
      found.forEach((bytes, index) => {
        const { start, end } = ranges[index]!;
        expect(bytes.equals(log.subarray(start, end))).toBe(true);
      });
    }
    await file.close();
  });

  test('never hands out the last piece of a chunk that differs', async () => {
    const log = sampleBytes(2 * CHUNK_BYTES, 6);
    const logCrcs = chunkCrcs(log);
    log[CHUNK_BYTES + 5]! ^= 4;
    const file = await fileOf('differs', log);
    const source = fileSource({ log: file, logBytes: log.length, logCrcs, tail: Buffer.alloc(0) });
    let bytes = 0;
    const readAll = async (): Promise<void> => {
      for await (const piece of source.read({ start: 0, end: log.length }, never)) {
        bytes += piece.length;
      }
    };
    expect(await codeOf(readAll())).toBe('SOURCE_CHANGED');
    expect(bytes).toBe(2 * CHUNK_BYTES - STREAM_CHUNK_BYTES);
    await file.close();
  });
});

test('a range that is not on chunk borders is a bug', () => {
  const source = bytesSource(sampleBytes(CHUNK_BYTES + 10));
  expect(() => source.crc32({ start: 1, end: CHUNK_BYTES })).toThrow(AssertionFailure);
  expect(() => source.read({ start: 0, end: 5 }, never)).toThrow(AssertionFailure);
});

test('a pass that is cancelled ends with ABORTED', async () => {
  const controller = new AbortController();
  const source = bytesSource(sampleBytes(CHUNK_BYTES));
  const readAll = async (): Promise<void> => {
    for await (const piece of source.read({ start: 0, end: CHUNK_BYTES }, controller.signal)) {
      expect(piece.length).toBe(STREAM_CHUNK_BYTES);
      controller.abort();
    }
  };
  expect(await codeOf(readAll())).toBe('ABORTED');
});
