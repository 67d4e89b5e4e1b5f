import { expect, test } from 'vitest';
import { hdfsStoreSettings } from '../../../../src/store/hdfs/settings.ts';

const least = { kind: 'hdfs', nameNodes: ['http://nn1:9870'], directory: '/tiered/kafka' };

test('what is not said has safe defaults', () => {
  expect(hdfsStoreSettings.parse(least)).toEqual({
    ...least,
    user: 'logtier',
    replication: 3,
    minReplicas: 2,
    replicaWaitMs: 30_000,
    filePermission: '640',
    directoryPermission: '750',
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 30_000,
  });
});

test.each([
  ['an unknown key', { nameNode: 'http://nn1' }],
  ['more replicas required than asked', { replication: 1 }],
  ['no NameNode', { nameNodes: [] }],
  ['a NameNode of another protocol', { nameNodes: ['hdfs://nn1:8020'] }],
  ['the root as directory', { directory: '/' }],
  ['a directory that leaves its place', { directory: '/a/../b' }],
  ['a directory with a colon', { directory: '/a:b' }],
  ['a directory that is not absolute', { directory: 'a' }],
  ['a block size that no checksum divides', { blockBytes: '1000B' }],
  ['a permission that is not octal', { filePermission: '888' }],
  ['a user that is two parameters', { user: 'a&op=DELETE' }],
])('%s is refused', (_what, wrong) => {
  expect(hdfsStoreSettings.safeParse({ ...least, ...wrong }).success).toBe(false);
});

test('every setting says what it is', () => {
  const shape = hdfsStoreSettings.shape;
  expect(Object.values(shape).every(({ description }) => (description ?? '').length > 10)).toBe(
    true,
  );
});
