import { expect, test } from 'vitest';
import {
  parsePartitionDirectory,
  partitionDirectoryName,
} from '../../../src/kafka/partition-directory.ts';

const HEX = '0123456789abcdef0123456789abcdef';

test.each([
  ['orders-0', { topic: 'orders', partition: 0, state: 'live' }],
  ['with-dash-12', { topic: 'with-dash', partition: 12, state: 'live' }],
  ['x-delete-0', { topic: 'x-delete', partition: 0, state: 'live' }],
  ['x-future-3', { topic: 'x-future', partition: 3, state: 'live' }],
  ['a.b_c-0', { topic: 'a.b_c', partition: 0, state: 'live' }],
  [`orders-3.${HEX}-delete`, { topic: 'orders', partition: 3, state: 'delete' }],
  [`a.b-3.${HEX}-future`, { topic: 'a.b', partition: 3, state: 'future' }],
  [`a-b-3.${HEX}-stray`, { topic: 'a-b', partition: 3, state: 'stray' }],
  [`x-delete-0.${HEX}-delete`, { topic: 'x-delete', partition: 0, state: 'delete' }],
  ['__consumer_offsets-49', { topic: '__consumer_offsets', partition: 49, state: 'live' }],
])('%s is read', (name, directory) => {
  expect(parsePartitionDirectory(name)).toEqual(directory);
});

test.each([
  'lost+found',
  'remote-log-index-cache',
  '__cluster_metadata-0',
  'meta.properties',
  'orders',
  '-0',
  'orders-',
  'orders-x',
  'orders-0-delete',
  `orders.${HEX}-delete`,
  '.-0',
  '..-0',
  'orders-2147483648',
  'or ders-0',
  `${'x'.repeat(250)}-0`,
])('%s is no partition', (name) => {
  expect(parsePartitionDirectory(name)).toBeUndefined();
});

test('a printed name is read back', () => {
  expect(parsePartitionDirectory(partitionDirectoryName('with-dash', 7))).toEqual({
    topic: 'with-dash',
    partition: 7,
    state: 'live',
  });
});
