import { array, assert, integer, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import {
  collectAborted,
  parseTransactionIndex,
  printTransactionIndex,
  type AbortedTransaction,
} from '../../../src/kafka/transaction-index.ts';
import {
  buildSegment,
  encodeAborted,
  endTransaction,
  plainBatches,
} from '../../support/kafka-files.ts';

function aborted(first: number, last: number, stable: number, producer = 7): AbortedTransaction {
  return {
    producerId: BigInt(producer),
    firstOffset: BigInt(first),
    lastOffset: BigInt(last),
    lastStableOffset: BigInt(stable),
  };
}

function codeOf(bytes: Uint8Array): unknown {
  try {
    return parseTransactionIndex(bytes);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('a hand-made entry is read', () => {
  const hex = [
    '0000',
    '0000000000000007',
    '000000000000000a',
    '0000000000000014',
    '0000000000000015',
  ].join('');
  expect(parseTransactionIndex(Buffer.from(hex, 'hex'))).toEqual([aborted(10, 20, 21)]);
});

const of = (producerId: bigint) => ({ transactional: true, producerId, producerEpoch: 0 });

test('the index of a built segment names its aborted transactions and where the rest still stood', async () => {
  const end = { epoch: 0, producerEpoch: 0, timestampMs: 1 };
  const built = await buildSegment({
    baseOffset: 100n,
    batches: [
      { ...plainBatches(3)[0]!, ...of(1n) }, // 100..102
      { ...plainBatches(2)[0]!, ...of(2n) }, // 103..104
      endTransaction('abort', { ...end, producerId: 2n }), // 105
      endTransaction('commit', { ...end, producerId: 1n }), // 106
      { ...plainBatches(1)[0]!, ...of(2n) }, // 107
      endTransaction('abort', { ...end, producerId: 2n }), // 108
    ],
  });
  expect(parseTransactionIndex(built.txnindex!)).toEqual([
    aborted(103, 105, 100, 2),
    aborted(107, 108, 109, 2),
  ]);
});

test.each<[string, Buffer, string]>([
  ['a cut entry', encodeAborted(aborted(1, 2, 3)).subarray(0, 33), 'TRUNCATED_FILE'],
  ['another version', Buffer.from(`0001${'00'.repeat(32)}`, 'hex'), 'UNSUPPORTED_FORMAT'],
  ['an end before the start', encodeAborted(aborted(3, 2, 3)), 'CORRUPT_FILE'],
  ['a negative producer', encodeAborted(aborted(1, 2, 3, -1)), 'CORRUPT_FILE'],
  ['a negative stable offset', encodeAborted(aborted(1, 2, -3)), 'CORRUPT_FILE'],
  [
    'ends that do not ascend',
    Buffer.concat([encodeAborted(aborted(1, 9, 3)), encodeAborted(aborted(2, 9, 3))]),
    'CORRUPT_FILE',
  ],
])('%s is an error of the right kind', (_, bytes, code) => {
  expect(codeOf(bytes)).toBe(code);
});

test('collecting stops at the entry whose last stable offset reaches the end', () => {
  const entries = [aborted(10, 20, 15), aborted(15, 30, 31), aborted(40, 50, 51)];
  expect(collectAborted(entries, 12n, 31n)).toEqual({
    aborted: [entries[0], entries[1]],
    isComplete: true,
  });
  expect(collectAborted(entries.slice(0, 2), 12n, 31n).isComplete).toBe(true);
  expect(collectAborted(entries.slice(0, 2), 12n, 32n).isComplete).toBe(false);
  expect(collectAborted(entries, 12n, 60n)).toEqual({ aborted: entries, isComplete: false });
  expect(collectAborted(entries, 21n, 40n)).toEqual({ aborted: [entries[1]], isComplete: true });
  expect(collectAborted([], 0n, 1n)).toEqual({ aborted: [], isComplete: false });
});

test('borders: the marker at the first offset counts, a start at the end does not', () => {
  const entries = [aborted(10, 20, 100)];
  expect(collectAborted(entries, 20n, 30n).aborted).toEqual(entries);
  expect(collectAborted(entries, 21n, 30n).aborted).toEqual([]);
  expect(collectAborted(entries, 0n, 11n).aborted).toEqual(entries);
  expect(collectAborted(entries, 0n, 10n).aborted).toEqual([]);
});

const lists = array(
  record({
    gap: integer({ min: 1, max: 9 }),
    length: integer({ min: 0, max: 9 }),
    more: integer({ min: 0, max: 5 }),
  }),
  { maxLength: 20 },
).map((steps) => {
  let last = 10;
  return steps.map(({ gap, length, more }) => {
    last += gap;
    return aborted(Math.max(0, last - length), last, last + more);
  });
});

test('entries survive the way to bytes and back', () => {
  assert(
    property(lists, (entries) => {
      expect(parseTransactionIndex(printTransactionIndex(entries))).toEqual(entries);
      const built = Buffer.concat(entries.map(encodeAborted));
      expect(Buffer.from(printTransactionIndex(entries))).toEqual(built);
    }),
  );
});

test('a flipped bit or a cut gives a typed error or a list', () => {
  const bytes = Buffer.concat([encodeAborted(aborted(1, 9, 3)), encodeAborted(aborted(2, 12, 13))]);
  const known = ['CORRUPT_FILE', 'TRUNCATED_FILE', 'UNSUPPORTED_FORMAT'];
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const [flipped, cut] = [codeOf(damaged), codeOf(bytes.subarray(0, bit >> 3))];
    expect(Array.isArray(flipped) || known.includes(String(flipped))).toBe(true);
    expect(Array.isArray(cut) || cut === 'TRUNCATED_FILE').toBe(true);
  }
});
