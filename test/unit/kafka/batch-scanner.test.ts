import { array, assert, asyncProperty, integer } from 'fast-check';
import { expect, test } from 'vitest';
import { BatchScanner, type ScannedBatch } from '../../../src/kafka/batch-scanner.ts';
import { readBatchHeader } from '../../../src/kafka/record-batch.ts';
import { buildBatch, buildSegment, plainBatches, repairCrc } from '../../support/kafka-files.ts';

function scan(log: Uint8Array, baseOffset: bigint, pieces: readonly number[] = []) {
  const scanner = new BatchScanner({ segmentBaseOffset: baseOffset });
  const batches: ScannedBatch[] = [];
  let at = 0;
  for (const size of [...pieces, log.length]) {
    batches.push(...scanner.push(log.subarray(at, at + size)));
    at += size;
  }
  return { batches, end: scanner.end() };
}

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
  return 'accepted';
}

const SEGMENT = {
  baseOffset: 500n,
  batches: [
    ...plainBatches(40, { epoch: 1 }),
    ...plainBatches(25, { epoch: 4, codec: 'gzip', batchRecords: 5 }),
  ],
};

test('a segment is read the same however it is cut into pieces', async () => {
  const built = await buildSegment(SEGMENT);
  const expected = built.batches.map((batch) => ({
    ...readBatchHeader(batch.bytes, 0),
    position: batch.position,
  }));
  await assert(
    asyncProperty(array(integer({ min: 0, max: 300 }), { maxLength: 100 }), async (pieces) => {
      const { batches, end } = scan(built.log, 500n, pieces);
      expect(batches).toEqual(expected);
      expect(end).toEqual({ nextOffset: 565n, endPosition: built.log.length });
    }),
  );
});

test('a segment of single bytes is read', async () => {
  const built = await buildSegment(SEGMENT);
  const ones = Array.from({ length: built.log.length }, () => 1);
  expect(scan(built.log, 500n, ones).batches).toHaveLength(9);
});

test('an empty segment ends where it begins', () => {
  expect(scan(new Uint8Array(0), 7n)).toEqual({
    batches: [],
    end: { nextOffset: 7n, endPosition: 0 },
  });
});

test('a scan may begin at a later batch', async () => {
  const built = await buildSegment(SEGMENT);
  const second = built.batches[1]!;
  const scanner = new BatchScanner({ segmentBaseOffset: 500n, position: second.position });
  const batches = scanner.push(built.log.subarray(second.position));
  expect(batches.map((batch) => batch.position)).toEqual(
    built.batches.slice(1).map((batch) => batch.position),
  );
  expect(scanner.end().endPosition).toBe(built.log.length);
});

test('an empty batch, as compaction leaves it, is a batch', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: [{ epoch: 0, records: [], lastOffsetDelta: 9 }, ...plainBatches(1)],
  });
  const { batches, end } = scan(built.log, 0n);
  expect(batches.map((batch) => batch.recordsCount)).toEqual([0, 1]);
  expect(end.nextOffset).toBe(11n);
});

test('a file cut anywhere but between batches is truncated', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: plainBatches(6, { batchRecords: 2 }),
  });
  const borders = new Set([
    0,
    ...built.batches.map((batch) => batch.position + batch.bytes.length),
  ]);
  for (let length = 0; length <= built.log.length; length += 1) {
    const expected = borders.has(length) ? 'accepted' : 'TRUNCATED_FILE';
    expect(
      codeOf(() => scan(built.log.subarray(0, length), 0n)),
      `${length}`,
    ).toBe(expected);
  }
});

test('truncation names the batch it cuts', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: plainBatches(4, { batchRecords: 2 }),
  });
  const second = built.batches[1]!;
  expect(() => scan(built.log.subarray(0, second.position + 70), 0n)).toThrow(
    expect.objectContaining({
      code: 'TRUNCATED_FILE',
      details: { position: second.position, offset: 2n },
    }),
  );
});

test('a flipped bit under the CRC is always caught', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: plainBatches(4, { batchRecords: 2 }),
  });
  for (const batch of built.batches) {
    for (let at = 17; at < batch.bytes.length; at += 1) {
      const damaged = Buffer.from(built.log);
      damaged[batch.position + at]! ^= 1 << (at % 8);
      expect(
        codeOf(() => scan(damaged, 0n)),
        `byte ${batch.position + at}`,
      ).toBe('CORRUPT_BATCH');
    }
  }
});

test('a flipped bit in offset, length or magic never passes for the same batches', async () => {
  const built = await buildSegment({
    baseOffset: 5n,
    batches: plainBatches(6, { batchRecords: 2 }),
  });
  const known = ['CORRUPT_BATCH', 'TRUNCATED_FILE', 'UNSUPPORTED_FORMAT'];
  for (const batch of built.batches) {
    for (let bit = 0; bit < 17 * 8; bit += 1) {
      const damaged = Buffer.from(built.log);
      damaged[batch.position + (bit >> 3)]! ^= 1 << (bit & 7);
      const code = codeOf(() => {
        const { batches, end } = scan(damaged, 5n);
        expect({ batches, end }).not.toEqual(scan(built.log, 5n));
      });
      // Offset and leader epoch lie outside the CRC: the caller compares the end and the lineage.
      expect([...known, 'accepted']).toContain(code);
    }
  }
});

test('offsets that overlap are corrupt', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: [...plainBatches(10), { ...plainBatches(1)[0]!, baseOffset: 9n }],
  });
  expect(codeOf(() => scan(built.log, 0n))).toBe('CORRUPT_BATCH');
});

test('a hole between offsets is legal', async () => {
  const built = await buildSegment({
    baseOffset: 0n,
    batches: [...plainBatches(10), { ...plainBatches(1)[0]!, baseOffset: 50n }],
  });
  expect(scan(built.log, 0n).end.nextOffset).toBe(51n);
});

test('a first batch below the base of its segment is corrupt', async () => {
  const built = await buildSegment({ baseOffset: 5n, batches: plainBatches(1) });
  expect(codeOf(() => scan(built.log, 6n))).toBe('CORRUPT_BATCH');
});

test('a batch more than 2^31-1 offsets above its base is corrupt', async () => {
  const last = await buildBatch(plainBatches(1)[0]!, 10n + 2n ** 31n - 1n);
  const beyond = await buildBatch(plainBatches(1)[0]!, 10n + 2n ** 31n);
  expect(codeOf(() => scan(last, 10n))).toBe('accepted');
  expect(codeOf(() => scan(beyond, 10n))).toBe('CORRUPT_BATCH');
});

const epochs = (...list: number[]) =>
  buildSegment({ baseOffset: 0n, batches: list.flatMap((epoch) => plainBatches(1, { epoch })) });

test('a falling leader epoch is corrupt; an unknown one says nothing', async () => {
  const codes = await Promise.all(
    [epochs(1, 2, 2, 5), epochs(2, 1), epochs(-1, 3, -1, 3), epochs(3, -1, 2)].map(
      async (built) => {
        const { log } = await built;
        return codeOf(() => scan(log, 0n));
      },
    ),
  );
  expect(codes).toEqual(['accepted', 'CORRUPT_BATCH', 'accepted', 'CORRUPT_BATCH']);
});

test('an unknown codec is passed over: its bytes are opaque', async () => {
  const built = await buildSegment({ baseOffset: 0n, batches: plainBatches(1) });
  const log = Buffer.from(built.log);
  log.writeInt16BE(7, 21);
  expect(scan(repairCrc(log), 0n).batches[0]?.codec).toBe('unknown');
});

test('a preallocated tail of zeros is corrupt', async () => {
  const built = await buildSegment({ baseOffset: 0n, batches: plainBatches(1) });
  const log = Buffer.concat([built.log, Buffer.alloc(4096)]);
  expect(codeOf(() => scan(log, 0n))).toBe('CORRUPT_BATCH');
});

test('after an error the scanner stays failed', async () => {
  const built = await buildSegment({ baseOffset: 0n, batches: plainBatches(1) });
  const scanner = new BatchScanner({ segmentBaseOffset: 0n });
  const bad = Buffer.from(built.log);
  bad[70]! ^= 1;
  expect(codeOf(() => scanner.push(bad))).toBe('CORRUPT_BATCH');
  expect(codeOf(() => scanner.push(built.log))).toBe('CORRUPT_BATCH');
  expect(codeOf(() => scanner.end())).toBe('CORRUPT_BATCH');
});
