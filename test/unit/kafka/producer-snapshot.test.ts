import { expect, test } from 'vitest';
import {
  oldestOpenTransaction,
  parseProducerSnapshot,
} from '../../../src/kafka/producer-snapshot.ts';
import { buildProducerSnapshot } from '../../support/kafka-files.ts';

const TWO = [
  {
    producerId: 4000n,
    producerEpoch: 3,
    lastSequence: 17,
    lastOffset: 120n,
    offsetDelta: 4,
    timestampMs: 1_700_000_000_000,
    coordinatorEpoch: 2,
    openTransactionStart: 110n,
  },
  { producerId: 4001n, lastOffset: 99n },
];

function codeOf(bytes: Uint8Array): unknown {
  try {
    return parseProducerSnapshot(bytes);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('producers are read with their open transaction', () => {
  expect(parseProducerSnapshot(buildProducerSnapshot(TWO))).toEqual([
    TWO[0],
    {
      producerId: 4001n,
      producerEpoch: 0,
      lastSequence: 0,
      lastOffset: 99n,
      offsetDelta: 0,
      timestampMs: 0,
      coordinatorEpoch: 0,
      openTransactionStart: undefined,
    },
  ]);
});

test('a snapshot of no producers is legal', () => {
  expect(parseProducerSnapshot(buildProducerSnapshot([]))).toEqual([]);
});

const open = (openTransactionStart: bigint) => ({
  producerId: 1n,
  lastOffset: 9n,
  openTransactionStart,
});

const oldest = (...starts: bigint[]) =>
  oldestOpenTransaction(parseProducerSnapshot(buildProducerSnapshot(starts.map(open))));

test('the oldest open transaction is found, if there is one', () => {
  expect(oldest()).toBeUndefined();
  expect(oldest(-1n, -1n)).toBeUndefined();
  expect(oldest(-1n, 30n, 20n, -1n, 25n)).toBe(20n);
  expect(oldest(0n)).toBe(0n);
});

test('another version is unsupported', () => {
  const bytes = buildProducerSnapshot([]);
  bytes.writeInt16BE(2, 0);
  expect(codeOf(bytes)).toBe('UNSUPPORTED_FORMAT');
});

test('a file cut anywhere is truncated', () => {
  const bytes = buildProducerSnapshot(TWO);
  for (let length = 0; length < bytes.length; length += 1) {
    expect(codeOf(bytes.subarray(0, length)), `${length} bytes`).toBe('TRUNCATED_FILE');
  }
});

test('bytes behind the last producer are corrupt', () => {
  expect(codeOf(Buffer.concat([buildProducerSnapshot(TWO), Buffer.alloc(1)]))).toBe('CORRUPT_FILE');
});

test('every flipped bit is caught', () => {
  const bytes = buildProducerSnapshot(TWO);
  const known = ['CORRUPT_FILE', 'TRUNCATED_FILE', 'UNSUPPORTED_FORMAT'];
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(known).toContain(codeOf(damaged));
  }
});
