import { expect, test } from 'vitest';
import {
  parseLeaderEpochCheckpoint,
  printLeaderEpochCheckpoint,
} from '../../../src/kafka/leader-epoch-checkpoint.ts';

const LINEAGE = [
  { epoch: 0, startOffset: 0n },
  { epoch: 3, startOffset: 2n ** 40n },
];

function codeOf(text: string): unknown {
  try {
    return parseLeaderEpochCheckpoint(text);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('a lineage survives the way to text and back', () => {
  const text = printLeaderEpochCheckpoint(LINEAGE);
  expect(text).toBe('0\n2\n0 0\n3 1099511627776\n');
  expect(parseLeaderEpochCheckpoint(text)).toEqual(LINEAGE);
  expect(parseLeaderEpochCheckpoint(printLeaderEpochCheckpoint([]))).toEqual([]);
});

test.each([
  ['equal epochs', '0\n2\n1 0\n1 5\n'],
  ['falling epochs', '0\n2\n2 0\n1 5\n'],
  ['equal starts', '0\n2\n1 5\n2 5\n'],
  ['falling starts', '0\n2\n1 5\n2 4\n'],
  ['a negative epoch', '0\n1\n-1 5\n'],
  ['an epoch past int32', '0\n1\n2147483648 5\n'],
  ['an offset past int64', '0\n1\n1 9223372036854775808\n'],
])('%s are corrupt', (_, text) => {
  expect(codeOf(text)).toBe('CORRUPT_FILE');
});

test('a file cut anywhere is truncated', () => {
  const text = printLeaderEpochCheckpoint(LINEAGE);
  for (let length = 0; length < text.length; length += 1) {
    expect(codeOf(text.slice(0, length)), `${length} characters`).toBe('TRUNCATED_FILE');
  }
});
