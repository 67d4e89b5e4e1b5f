import { assert, asyncProperty, integer, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import type { ByteRange } from '../../../src/base/byte-range.ts';
import { crc32 } from '../../../src/base/checksum.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import { floorPosition } from '../../../src/kafka/offset-index.ts';
import { keyOf, recordOf, requireSameFacts } from '../../../src/segment/manifest-record.ts';
import {
  checkChunk,
  checkSection,
  chunkRange,
  firstRange,
  parseTail,
  readManifest,
  requireSection,
  type ReadRange,
} from '../../../src/segment/segment-object-reader.ts';
import { writeObjectTail } from '../../../src/segment/segment-object-writer.ts';
import {
  LOG_CHUNK_BYTES,
  TRAILER_BYTES,
  type ObjectManifest,
} from '../../../src/segment/segment-object.ts';
import { CHUNK_BYTES } from '../../../src/store/object-store.ts';
import { buildObject, chunkCrcsOf } from '../../support/segment-objects.ts';
import { sampleBytes } from '../../support/sample-bytes.ts';

const signal = new AbortController().signal;
const object = await buildObject();
const size = object.bytes.length;

function reader(bytes: Buffer, reads: ByteRange[] = []): ReadRange {
  return (range) => {
    reads.push(range);
    return Promise.resolve(bytes.subarray(range.start, range.end));
  };
}

function manifestOf(bytes: Buffer): ObjectManifest {
  const parsed = parseTail(bytes, bytes.length);
  if (!('manifest' in parsed)) throw new Error('a whole object needs no second read');
  return parsed.manifest;
}

test('a chunk of the format is a chunk of the store', () => {
  expect(LOG_CHUNK_BYTES).toBe(CHUNK_BYTES);
});

test('the manifest gives back every fact that was written', () => {
  const { sections, chunkCrcs, ...facts } = manifestOf(object.bytes);
  expect(facts).toEqual(object.facts);
  expect(chunkCrcs).toEqual(chunkCrcsOf(object.segment.log));
  expect(sections.map(({ kind }) => kind)).toEqual([
    'log',
    'offsetIndex',
    'timeIndex',
    'transactionIndex',
    'producerSnapshot',
    'leaderEpochCheckpoint',
  ]);
});

test('each section holds the bytes of its file, and the log is at its own positions', () => {
  const manifest = manifestOf(object.bytes);
  const bytesOf = (kind: Parameters<typeof requireSection>[1]) => {
    const section = requireSection(manifest, kind);
    const bytes = object.bytes.subarray(section.range.start, section.range.end);
    checkSection(section, bytes);
    return bytes;
  };
  expect(bytesOf('log')).toEqual(object.segment.log);
  expect(requireSection(manifest, 'log').range.start).toBe(0);
  expect(bytesOf('offsetIndex')).toEqual(object.segment.index);
  expect(bytesOf('timeIndex')).toEqual(object.segment.timeindex);
  expect(bytesOf('transactionIndex')).toEqual(object.segment.txnindex);
  expect(bytesOf('leaderEpochCheckpoint').toString()).toBe('0\n3\n1 0\n3 1000\n4 1401\n');
  const found = floorPosition(bytesOf('offsetIndex'), 1000n, 1300n);
  const batch = object.segment.batches.find(({ position }) => position === found.position);
  expect(batch?.baseOffset).toBeLessThanOrEqual(1300n);
});

test('the record is rebuilt from the object alone', () => {
  const found = { store: 'main', objectKey: object.key, objectBytes: size };
  const manifest = manifestOf(object.bytes);
  const record = recordOf(manifest, found);
  expect(record).toEqual({
    topicId: object.facts.topicId,
    partition: 3,
    segmentId: object.facts.segmentId,
    state: 'COPY_SEGMENT_FINISHED',
    fenceToken: object.facts.firstToken,
    store: 'main',
    objectKey: object.key,
    uploadIds: [],
    startOffset: 1000n,
    nextOffset: 1602n,
    maxTimestampMs: object.segment.maxTimestampMs,
    eventTimestampMs: object.facts.intentMs,
    brokerId: 1,
    logBytes: object.segment.log.length,
    objectBytes: size,
    epochs: object.facts.epochs,
    txnIndexEmpty: false,
    rebuilt: false,
    noProducerSnapshot: false,
    adopted: false,
  });
  expect(keyOf(manifest)).toBe(object.key);
  requireSameFacts(record, manifest);
  expect(() => {
    requireSameFacts({ ...record, nextOffset: 1603n, epochs: [] }, manifest);
  }).toThrow(
    expect.objectContaining({
      code: 'OBJECT_CORRUPT',
      details: { objectKey: object.key, fields: 'nextOffset, epochs' },
    }),
  );
});

test('one ranged read finds the manifest of an ordinary segment', async () => {
  const reads: ByteRange[] = [];
  expect(await readManifest(size, reader(object.bytes, reads), signal)).toEqual(
    manifestOf(object.bytes),
  );
  expect(reads).toEqual([firstRange(size)]);
});

test('a manifest of many chunks is read in two reads', async () => {
  const log = { bytes: 2 ** 31 - 1, chunkCrcs: Array.from({ length: 512 }, (_, i) => i) };
  const epochs = Array.from({ length: 2000 }, (_, i) => ({
    epoch: i,
    startOffset: 1000n + BigInt(i),
  }));
  const tail = writeObjectTail({ ...object.facts, nextOffset: 9000n, epochs }, log, {
    offsetIndex: new Uint8Array(),
    timeIndex: new Uint8Array(),
    transactionIndex: undefined,
    producerSnapshot: new Uint8Array(10),
    leaderEpochCheckpoint: new Uint8Array(),
  });
  const reads: ByteRange[] = [];
  const read: ReadRange = (range) => {
    reads.push(range);
    const from = range.start - log.bytes;
    return Promise.resolve(tail.bytes.subarray(from, from + range.end - range.start));
  };
  const manifest = await readManifest(tail.objectBytes, read, signal);
  expect(manifest.epochs).toEqual(epochs);
  expect(manifest.chunkCrcs).toEqual(log.chunkCrcs);
  expect(reads.map((range) => range.end)).toEqual([tail.objectBytes, tail.objectBytes]);
});

test('rule 20: one segment gives one content', async () => {
  expect((await buildObject()).bytes).toEqual(object.bytes);
});

test('chunks of the log are found and checked by number', () => {
  const log = sampleBytes(2 * LOG_CHUNK_BYTES + 100);
  const tail = writeObjectTail(
    { ...object.facts, noProducerSnapshot: true },
    { bytes: log.length, chunkCrcs: chunkCrcsOf(log) },
    {
      offsetIndex: new Uint8Array(),
      timeIndex: new Uint8Array(),
      transactionIndex: undefined,
      producerSnapshot: undefined,
      leaderEpochCheckpoint: new Uint8Array(),
    },
  );
  const manifest = manifestOf(Buffer.concat([log, tail.bytes]));
  expect(requireSection(manifest, 'log').crc).toBe(crc32(log));
  expect([0, 1, 2].map((index) => chunkRange(manifest, index))).toEqual([
    { start: 0, end: LOG_CHUNK_BYTES },
    { start: LOG_CHUNK_BYTES, end: 2 * LOG_CHUNK_BYTES },
    { start: 2 * LOG_CHUNK_BYTES, end: log.length },
  ]);
  checkChunk(manifest, 2, log.subarray(2 * LOG_CHUNK_BYTES));
  log[2 * LOG_CHUNK_BYTES + 50]! ^= 1;
  const damaged = () => {
    checkChunk(manifest, 2, log.subarray(2 * LOG_CHUNK_BYTES));
  };
  expect(damaged).toThrow(expect.objectContaining({ code: 'OBJECT_CORRUPT' }));
  expect(() => chunkRange(manifest, 3)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});

/** The error's code, or the manifest when none is thrown. */
function outcome(bytes: Buffer): string | ObjectManifest {
  try {
    return manifestOf(bytes);
  } catch (error) {
    if (error instanceof LogtierError) return error.code;
    throw error;
  }
}

test('a truncated object is corrupt, wherever it was cut', () => {
  assert(
    property(integer({ min: 1, max: size - 1 }), (cut) => {
      expect(outcome(object.bytes.subarray(0, size - cut))).toBe('OBJECT_CORRUPT');
    }),
    { numRuns: 300 },
  );
});

test('an object with bytes in front or behind is corrupt', () => {
  expect(outcome(Buffer.concat([Buffer.alloc(1), object.bytes]))).toBe('OBJECT_CORRUPT');
  expect(outcome(Buffer.concat([object.bytes, Buffer.alloc(1)]))).toBe('OBJECT_CORRUPT');
});

test('any flipped bit of manifest or trailer is found', () => {
  const manifest = manifestOf(object.bytes);
  const start = requireSection(manifest, 'leaderEpochCheckpoint').range.end;
  assert(
    property(nat(size - start - 1), nat(7), (at, bit) => {
      const bytes = Buffer.from(object.bytes);
      bytes[start + at]! ^= 1 << bit;
      expect(outcome(bytes)).toBe('OBJECT_CORRUPT');
    }),
    { numRuns: 1000 },
  );
});

test('junk of any size is corrupt, also under a trailer of ours', async () => {
  await assert(
    asyncProperty(nat(400), nat(), async (junkBytes, seed) => {
      const junk = sampleBytes(junkBytes, seed);
      expect(outcome(junk)).toBe('OBJECT_CORRUPT');
      const trailer = Buffer.from(object.bytes.subarray(size - TRAILER_BYTES));
      trailer.writeUInt32BE(junk.length, 12);
      trailer.writeUInt32BE(crc32(junk), 16);
      trailer.writeUInt32BE(crc32(trailer.subarray(0, 20)), 20);
      const bytes = Buffer.concat([junk, trailer]);
      const read = readManifest(bytes.length, reader(bytes), signal);
      await expect(read).rejects.toMatchObject({
        code: expect.stringMatching(/^(OBJECT_CORRUPT|UNSUPPORTED_FORMAT)$/),
      });
    }),
    { numRuns: 300 },
  );
});

test('a newer version says so', () => {
  const bytes = Buffer.from(object.bytes);
  const trailer = bytes.subarray(size - TRAILER_BYTES);
  trailer.writeUInt32BE(2, 8);
  trailer.writeUInt32BE(crc32(trailer.subarray(0, 20)), 20);
  expect(outcome(bytes)).toBe('UNSUPPORTED_FORMAT');
});
