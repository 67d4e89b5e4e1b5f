import { expect, test } from 'vitest';
import { checkBatchCrc, readBatchHeader } from '../../../src/kafka/record-batch.ts';
import { buildBatch, repairCrc } from '../../support/kafka-files.ts';

/** One transactional zstd batch of 3 records, field by field as the format's table has them. */
const HEADER_HEX = [
  '00000000000003e8', // baseOffset 1000
  '00000031', // batchLength 49: nothing behind the header
  '00000007', // partitionLeaderEpoch 7
  '02', // magic
  '00000000', // crc
  '0014', // attributes: zstd, transactional
  '00000002', // lastOffsetDelta
  '0000018bcfe56800', // baseTimestamp 1700000000000
  '0000018bcfe56be8', // maxTimestamp 1700000001000
  '000000000000002a', // producerId 42
  '0003', // producerEpoch
  '00000009', // baseSequence
  '00000003', // recordsCount
].join('');

function handMade(): Buffer {
  return repairCrc(Buffer.from(HEADER_HEX, 'hex'));
}

test('every field of a hand-made header is read', () => {
  const bytes = handMade();
  expect(readBatchHeader(bytes, 0)).toEqual({
    position: 0,
    baseOffset: 1000n,
    batchBytes: 61,
    partitionLeaderEpoch: 7,
    magic: 2,
    crc: bytes.readUInt32BE(17),
    codec: 'zstd',
    isLogAppendTime: false,
    isTransactional: true,
    isControl: false,
    hasDeleteHorizon: false,
    lastOffset: 1002n,
    baseTimestampMs: 1_700_000_000_000,
    maxTimestampMs: 1_700_000_001_000,
    producerId: 42n,
    producerEpoch: 3,
    baseSequence: 9,
    recordsCount: 3,
  });
});

test.each([
  [0x08, { isLogAppendTime: true, codec: 'none' }],
  [0x20, { isControl: true, codec: 'none' }],
  [0x40, { hasDeleteHorizon: true, codec: 'none' }],
  [0x01, { codec: 'gzip' }],
  [0x02, { codec: 'snappy' }],
  [0x03, { codec: 'lz4' }],
  [0x07, { codec: 'unknown' }],
])('attributes %i are told by name', (attributes, told) => {
  const bytes = handMade();
  bytes.writeInt16BE(attributes, 21);
  expect(readBatchHeader(bytes, 0)).toMatchObject(told);
});

test('a header is read at any position, and named by its place in the file', () => {
  const bytes = Buffer.concat([Buffer.alloc(5), handMade()]);
  expect(readBatchHeader(bytes, 5).baseOffset).toBe(1000n);
  bytes.writeInt8(9, 5 + 16);
  expect(() => readBatchHeader(bytes, 5, 70_005)).toThrow(
    expect.objectContaining({
      code: 'CORRUPT_BATCH',
      details: { position: 70_005, offset: 1000n },
    }),
  );
});

test.each([0, 1])('message format %i is not tiered', (magic) => {
  const bytes = handMade();
  bytes.writeInt8(magic, 16);
  expect(() => readBatchHeader(bytes, 0)).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED_FORMAT' }),
  );
});

test.each<[string, (bytes: Buffer) => void]>([
  ['a negative base offset', (bytes) => bytes.writeBigInt64BE(-1n, 0)],
  ['a length of zero', (bytes) => bytes.writeInt32BE(0, 8)],
  ['a negative length', (bytes) => bytes.writeInt32BE(-5, 8)],
  ['a length below the header', (bytes) => bytes.writeInt32BE(48, 8)],
  ['magic 3', (bytes) => bytes.writeInt8(3, 16)],
  ['a negative magic', (bytes) => bytes.writeInt8(-2, 16)],
  ['a negative last offset delta', (bytes) => bytes.writeInt32BE(-1, 23)],
  ['an offset past int64', (bytes) => bytes.writeBigInt64BE(2n ** 63n - 2n, 0)],
  ['a negative count', (bytes) => bytes.writeInt32BE(-1, 57)],
  ['a leader epoch of -2', (bytes) => bytes.writeInt32BE(-2, 12)],
])('%s is corrupt', (_, damage) => {
  const bytes = handMade();
  damage(bytes);
  expect(() => readBatchHeader(bytes, 0)).toThrow(
    expect.objectContaining({ code: 'CORRUPT_BATCH' }),
  );
});

test.each([0, 7, 8, 60])('%i bytes are a truncated header', (length) => {
  expect(() => readBatchHeader(handMade().subarray(0, length), 0)).toThrow(
    expect.objectContaining({ code: 'TRUNCATED_FILE' }),
  );
});

test('the CRC covers everything behind it and nothing before', async () => {
  const records = [{ key: 'k', value: 'v', timestampMs: 5 }];
  const batch = await buildBatch({ epoch: 1, records }, 3n);
  checkBatchCrc(batch, 0, readBatchHeader(batch, 0));
  for (let position = 21; position < batch.length; position += 1) {
    const flipped = Buffer.from(batch);
    flipped[position]! ^= 0x10;
    const check = () => checkBatchCrc(flipped, 0, { ...readBatchHeader(batch, 0) });
    expect(check, `byte ${position}`).toThrow(expect.objectContaining({ code: 'CORRUPT_BATCH' }));
  }
});

test('a batch that is not all there has no CRC to check', async () => {
  const batch = await buildBatch({ epoch: 1, records: [{ timestampMs: 5 }] }, 3n);
  const header = readBatchHeader(batch, 0);
  expect(() => checkBatchCrc(batch.subarray(0, -1), 0, header)).toThrow(
    expect.objectContaining({ code: 'TRUNCATED_FILE' }),
  );
});
