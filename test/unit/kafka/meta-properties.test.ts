import { expect, test } from 'vitest';
import { parseMetaProperties } from '../../../src/kafka/meta-properties.ts';

const KRAFT = `#
#Tue Nov 24 04:00:00 UTC 2026
node.id=1
directory.id=Xz_-AAAAQACAAAAAAAAAAA
version=1
cluster.id=some\\:cluster\\u0041
`;

test('a KRaft directory tells cluster, node and directory', () => {
  expect(parseMetaProperties(KRAFT)).toEqual({
    clusterId: 'some:clusterA',
    nodeId: 1,
    directoryId: 'Xz_-AAAAQACAAAAAAAAAAA',
  });
});

test('a version 0 directory tells the broker id, and maybe the cluster', () => {
  expect(parseMetaProperties('version=0\nbroker.id = 7\n')).toEqual({
    clusterId: undefined,
    nodeId: 7,
    directoryId: undefined,
  });
  expect(parseMetaProperties('broker.id: 7\r\ncluster.id abc\n')).toMatchObject({
    clusterId: 'abc',
  });
});

test.each<[string, string, string]>([
  ['no text', '', 'TRUNCATED_FILE'],
  ['a last line without an end', 'version=1\ncluster.id=a\nnode.id=1', 'TRUNCATED_FILE'],
  ['no node', 'version=1\ncluster.id=a\n', 'TRUNCATED_FILE'],
  ['no cluster', 'version=1\nnode.id=1\n', 'TRUNCATED_FILE'],
  ['another version', 'version=2\ncluster.id=a\nnode.id=1\n', 'UNSUPPORTED_FORMAT'],
  ['a node that is no number', 'version=1\ncluster.id=a\nnode.id=-1\n', 'CORRUPT_FILE'],
  [
    'a directory that is no id',
    'version=1\ncluster.id=a\nnode.id=1\ndirectory.id=x\n',
    'CORRUPT_FILE',
  ],
  ['a line without a key', '=1\n', 'CORRUPT_FILE'],
])('%s is an error of the right kind', (_, text, code) => {
  expect(() => parseMetaProperties(text)).toThrow(expect.objectContaining({ code }));
});
