import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  integer,
  option,
  record,
  string,
} from 'fast-check';
import { uint8Array } from 'fast-check';
import { expect, test } from 'vitest';
import { decompress, type Codec } from '../../../src/base/decompress.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { readBatchHeader } from '../../../src/kafka/record-batch.ts';
import { controlMarkerKind, decodeRecords, type KafkaRecord } from '../../../src/kafka/records.ts';
import {
  buildBatch,
  endTransaction,
  plainBatches,
  repairCrc,
  type BatchSpec,
} from '../../support/kafka-files.ts';

function decode(bytes: Buffer): Promise<KafkaRecord[]> {
  return decodeRecords(decompress, { header: readBatchHeader(bytes, 0), bytes });
}

/** A batch of hand-made record bytes. */
async function batchOf(recordsHex: string, recordsCount: number): Promise<Buffer> {
  const empty = await buildBatch({ epoch: 0, records: [], lastOffsetDelta: 100 }, 1000n);
  const bytes = Buffer.concat([empty, Buffer.from(recordsHex, 'hex')]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(recordsCount, 57);
  bytes.writeBigInt64BE(5000n, 27);
  return repairCrc(bytes);
}

test('a hand-made record is read field by field', async () => {
  // length 13: attributes 0, timestamp +300 (d804), offset +2, key "k", value "vv", 1 header "h" → null
  const batch = await batchOf(
    ['1a', '00', 'd804', '04', '026b', '047676', '02', '0268', '01'].join(''),
    1,
  );
  const [only] = await decode(batch);
  expect({ ...only, key: String(only?.key), value: String(only?.value) }).toEqual({
    offset: 1002n,
    timestampMs: 5300,
    key: String(Buffer.from('k')),
    value: String(Buffer.from('vv')),
    headers: [{ key: 'h', value: undefined }],
  });
});

test.each([
  ['a record longer than it says', '0a000000010100', 1],
  ['a record shorter than it says', '0e00000001010000', 1],
  ['bytes behind the last record', '0c00000001010000', 1],
  ['fewer records than counted', '0c000000010100', 2],
  ['a negative length', '0c000000030100', 1],
  ['a field past the end', '0c000000ff7f00', 1],
  ['a negative header count', '0c000000010101', 1],
  ['a header without a key', '1000000001010201', 1],
  ['an offset below the base', '0c000001010100', 1],
  ['an offset above the last', '0e0000ca01010100', 1],
  ['offsets that do not ascend', '0c000000010100'.repeat(2), 2],
  ['a number of more than 32 bits', '140000808080808001010100', 1],
  ['a number of more than 64 bits', '1e00ffffffffffffffffff7f00010100', 1],
  ['a number without an end', '1e00ffffffffffffffffffffffff', 1],
])('%s is corrupt', async (_, hex, count) => {
  await expect(decode(await batchOf(hex, count))).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
});

const specs = record({
  codec: constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  records: array(
    record({
      key: option(uint8Array({ maxLength: 40 }), { nil: undefined }),
      value: option(uint8Array({ maxLength: 200 }), { nil: undefined }),
      timestampMs: integer({ min: 0, max: 2 ** 31 }).map((ms) => ms * 1000),
      headers: array(
        record({ key: string({ maxLength: 10 }), value: option(string(), { nil: undefined }) }),
        { maxLength: 3 },
      ),
    }),
    { minLength: 1, maxLength: 20 },
  ),
});

test('records survive the way into a batch and back', async () => {
  await assert(
    asyncProperty(specs, async (spec) => {
      const got = await decode(await buildBatch({ epoch: 0, ...spec }, 77n));
      const plain = got.map((one, index) => ({
        index: Number(one.offset - 77n) - index,
        timestampMs: one.timestampMs,
        key: one.key === undefined ? undefined : new Uint8Array(one.key),
        value: one.value === undefined ? undefined : new Uint8Array(one.value),
        headers: one.headers.map(({ key, value }) => ({
          key,
          value: value === undefined ? undefined : new TextDecoder().decode(value),
        })),
      }));
      expect(plain).toEqual(spec.records.map((one) => ({ index: 0, ...one })));
    }),
  );
});

test('log append time overrides every timestamp', async () => {
  const [spec] = plainBatches(3);
  const records = await decode(await buildBatch({ ...spec!, logAppendTimeMs: 42 }, 0n));
  expect(records.map((one) => one.timestampMs)).toEqual([42, 42, 42]);
});

test('a batch without records is empty, whatever its codec', async () => {
  expect(await decode(await buildBatch({ epoch: 0, codec: 'zstd', records: [] }, 5n))).toEqual([]);
});

test('an unknown codec is an unsupported format', async () => {
  const batch = await buildBatch(plainBatches(1)[0]!, 0n);
  batch.writeInt16BE(6, 21);
  await expect(decode(repairCrc(batch))).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' });
});

test('records beyond the limit are refused', async () => {
  const bytes = await buildBatch({ ...plainBatches(10)[0]!, codec: 'gzip' }, 0n);
  const batch = { header: readBatchHeader(bytes, 0), bytes };
  await expect(decodeRecords(decompress, batch, 500)).rejects.toMatchObject({
    code: 'CORRUPT_BATCH',
  });
});

const kindOf = async (spec: BatchSpec) =>
  (await decode(await buildBatch(spec, 0n))).map(controlMarkerKind);

test('transaction markers are told apart', async () => {
  const end = { epoch: 0, producerId: 9n, timestampMs: 1 };
  const leaderChange = { epoch: 0, isControl: true };
  const key = Buffer.from([0, 0, 0, 2]);
  expect(await kindOf(endTransaction('abort', end))).toEqual(['abort']);
  expect(await kindOf(endTransaction('commit', end))).toEqual(['commit']);
  expect(await kindOf({ ...leaderChange, records: [{ key, timestampMs: 1 }] })).toEqual(['other']);
  await expect(
    kindOf({ ...leaderChange, records: [{ key: 'abc', timestampMs: 1 }] }),
  ).rejects.toMatchObject({ code: 'CORRUPT_BATCH' });
});

test('damaged record bytes give an error of ours or records, never another exception', async () => {
  const good = await buildBatch(plainBatches(10)[0]!, 0n);
  await assert(
    asyncProperty(integer({ min: 61 * 8, max: good.length * 8 - 1 }), async (bit) => {
      const damaged = Buffer.from(good);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const outcome: unknown = await decode(damaged).catch((error: unknown) => error);
      expect(Array.isArray(outcome) || hasCode(outcome, 'CORRUPT_BATCH')).toBe(true);
    }),
    { numRuns: 200 },
  );
});
