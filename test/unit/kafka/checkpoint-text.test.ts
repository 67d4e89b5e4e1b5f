import { expect, test } from 'vitest';
import { parseCheckpoint, printCheckpoint } from '../../../src/kafka/checkpoint-text.ts';
import { buildCheckpoint } from '../../support/kafka-files.ts';

const FILE = 'offset checkpoint';

test('entries are split on white space and know their line', () => {
  expect(parseCheckpoint('0\n2\na 1 2\nb  3\t4\n', FILE, 3)).toEqual([
    { fields: ['a', '1', '2'], line: 3 },
    { fields: ['b', '3', '4'], line: 4 },
  ]);
});

test('what is printed has the shape a broker writes', () => {
  expect(printCheckpoint([['a', 1, 2n]])).toBe('0\n1\na 1 2\n');
  expect(printCheckpoint([])).toBe(buildCheckpoint([]));
});

test.each<[string, string, string]>([
  ['no text', '', 'TRUNCATED_FILE'],
  ['only a version', '0\n', 'TRUNCATED_FILE'],
  ['fewer entries than counted', '0\n2\na 1 2\n', 'TRUNCATED_FILE'],
  ['a last line without an end', '0\n1\na 1 2', 'TRUNCATED_FILE'],
  ['more entries than counted', '0\n1\na 1 2\nb 1 2\n', 'CORRUPT_FILE'],
  ['another version', '1\n0\n', 'UNSUPPORTED_FORMAT'],
  ['a count that is no number', '0\nx\n', 'CORRUPT_FILE'],
  ['a count beyond all brokers', '0\n99999999\n', 'CORRUPT_FILE'],
  ['a field too few', '0\n1\na 1\n', 'CORRUPT_FILE'],
  ['a field too many', '0\n1\na 1 2 3\n', 'CORRUPT_FILE'],
])('%s is an error of the right kind', (_, text, code) => {
  expect(() => parseCheckpoint(text, FILE, 3)).toThrow(expect.objectContaining({ code }));
});
