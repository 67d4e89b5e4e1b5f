import { assert, asyncProperty, nat } from 'fast-check';
import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import { requireSection, parseTail } from '../../../src/segment/segment-object-reader.ts';
import { verifySegmentObject } from '../../../src/segment/segment-object-verifier.ts';
import { writeObjectTail } from '../../../src/segment/segment-object-writer.ts';
import type { SectionBytes, SegmentFacts } from '../../../src/segment/segment-object.ts';
import { buildObject, chunkCrcsOf, sampleBatches } from '../../support/segment-objects.ts';
import { buildProducerSnapshot, buildSegment } from '../../support/kafka-files.ts';

const signal = new AbortController().signal;
const object = await buildObject();

function verify(bytes: Buffer) {
  const readRange = (range: { start: number; end: number }) =>
    Promise.resolve(bytes.subarray(range.start, range.end));
  return verifySegmentObject(bytes.length, readRange, signal);
}

/** The sample's object with other facts or sections, checksums and all. */
async function written(facts: Partial<SegmentFacts>, sections: Partial<SectionBytes> = {}) {
  const segment = await buildSegment({ baseOffset: 1000n, batches: sampleBatches() });
  const tail = writeObjectTail(
    { ...object.facts, ...facts },
    { bytes: segment.log.length, chunkCrcs: chunkCrcsOf(segment.log) },
    {
      offsetIndex: segment.index,
      timeIndex: segment.timeindex,
      transactionIndex: segment.txnindex,
      producerSnapshot: buildProducerSnapshot([]),
      leaderEpochCheckpoint: Buffer.from('0\n0\n'),
      ...sections,
    },
  );
  return Buffer.concat([segment.log, tail.bytes]);
}

test('a sound object has no findings', async () => {
  const parsed = parseTail(object.bytes, object.bytes.length);
  expect(await verify(object.bytes)).toEqual({ ...parsed, findings: [] });
});

test('any flipped bit of the object is found', async () => {
  await assert(
    asyncProperty(nat(object.bytes.length - 1), nat(7), async (at, bit) => {
      const bytes = Buffer.from(object.bytes);
      bytes[at]! ^= 1 << bit;
      expect((await verify(bytes)).findings).not.toEqual([]);
    }),
    { numRuns: 150 },
  );
});

test('a finding names the section', async () => {
  const parsed = parseTail(object.bytes, object.bytes.length);
  if (!('manifest' in parsed)) throw new Error('unreachable');
  const bytes = Buffer.from(object.bytes);
  bytes[requireSection(parsed.manifest, 'timeIndex').range.start]! ^= 1;
  expect((await verify(bytes)).findings).toEqual([
    { where: 'timeIndex', what: 'segment object: section timeIndex fails its checksum' },
  ]);
});

test('what is no segment object has no manifest', async () => {
  expect(await verify(Buffer.alloc(100))).toEqual({
    manifest: undefined,
    findings: [
      {
        where: 'manifest',
        what: 'segment object: it does not end with the magic of a segment object',
      },
    ],
  });
});

test('facts that the batches contradict are found, though every checksum is right', async () => {
  const { findings } = await verify(
    await written({
      nextOffset: 1601n,
      maxTimestampMs: 5,
      epochs: [{ epoch: 3, startOffset: 1000n }],
    }),
  );
  expect(findings.map(({ what }) => what)).toEqual([
    'it ends at offset 1602, after 1601',
    'its largest timestamp is 1700000600000',
    'its leader epochs are not those of the manifest',
  ]);
});

test('an index that names no batch is found, though every checksum is right', async () => {
  const index = Buffer.from(object.segment.index);
  index.writeInt32BE(index.readInt32BE(4) + 1, 4);
  const timeindex = object.segment.timeindex.subarray(0, -12);
  const { findings } = await verify(
    await written({}, { offsetIndex: index, timeIndex: timeindex }),
  );
  expect(findings.map(({ where }) => where)).toEqual(['offsetIndex', 'timeIndex']);
});

function silent(): Promise<Uint8Array> {
  return Promise.reject(new LogtierError('STORE_UNAVAILABLE', 'silent'));
}

test('a store that does not answer proves nothing', async () => {
  await expect(verifySegmentObject(object.bytes.length, silent, signal)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
});
