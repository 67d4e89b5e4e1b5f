import { expect, test } from 'vitest';
import {
  parsePartitionMetadata,
  printPartitionMetadata,
} from '../../../src/kafka/partition-metadata.ts';

const ID = 'Xz_-AAAAQACAAAAAAAAAAA';

test('the topic id is read with and without a newline at the end', () => {
  expect(parsePartitionMetadata(printPartitionMetadata(ID))).toBe(ID);
  expect(parsePartitionMetadata(`version: 0\ntopic_id: ${ID}\n`)).toBe(ID);
});

test('a file cut anywhere is truncated or corrupt, never another id', () => {
  const text = printPartitionMetadata(ID);
  for (let length = 0; length < text.length; length += 1) {
    expect(() => parsePartitionMetadata(text.slice(0, length)), `${length}`).toThrow(
      expect.objectContaining({ code: 'TRUNCATED_FILE' }),
    );
  }
});

test.each<[string, string, string]>([
  ['another version', `version: 1\ntopic_id: ${ID}`, 'UNSUPPORTED_FORMAT'],
  ['no version', `topic_id: ${ID}\nversion: 0`, 'CORRUPT_FILE'],
  ['an id of other characters', `version: 0\ntopic_id: ${'*'.repeat(22)}`, 'CORRUPT_FILE'],
  ['an id that is too long', `version: 0\ntopic_id: ${ID}A`, 'CORRUPT_FILE'],
  ['another key', `version: 0\ntopic: ${ID}`, 'CORRUPT_FILE'],
  ['a third line', `version: 0\ntopic_id: ${ID}\nmore`, 'CORRUPT_FILE'],
])('%s is an error of the right kind', (_, text, code) => {
  expect(() => parsePartitionMetadata(text)).toThrow(expect.objectContaining({ code }));
});
