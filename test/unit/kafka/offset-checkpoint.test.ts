import { expect, test } from 'vitest';
import {
  parseOffsetCheckpoint,
  printOffsetCheckpoint,
} from '../../../src/kafka/offset-checkpoint.ts';

test('offsets are found by the name of the directory', () => {
  const text = '0\n3\nwith-dash-1 2 55\nwith-dash 1 7\n__consumer_offsets 0 0\n';
  const offsets = parseOffsetCheckpoint(text);
  expect([...offsets.keys()]).toEqual(['with-dash-1-2', 'with-dash-1', '__consumer_offsets-0']);
  expect(offsets.get('with-dash-1')).toEqual({ topic: 'with-dash', partition: 1, offset: 7n });
  expect(printOffsetCheckpoint(offsets.values())).toBe(text);
});

test.each([
  ['a partition named twice', '0\n2\nt 0 1\nt 0 2\n'],
  ['a negative offset', '0\n1\nt 0 -1\n'],
  ['a partition that is no number', '0\n1\nt x 1\n'],
])('%s is corrupt', (_, text) => {
  expect(() => parseOffsetCheckpoint(text)).toThrow(
    expect.objectContaining({ code: 'CORRUPT_FILE' }),
  );
});

test('a file cut anywhere is truncated', () => {
  const text = '0\n2\nt 0 1234\nt 1 5678\n';
  for (let length = 0; length < text.length; length += 1) {
    expect(() => parseOffsetCheckpoint(text.slice(0, length))).toThrow(
      expect.objectContaining({ code: 'TRUNCATED_FILE' }),
    );
  }
});
