import { expect, test } from 'vitest';
import {
  batchOf,
  booleanOf,
  fewestReplicas,
  locationOf,
  statusOf,
} from '../../../../src/store/hdfs/webhdfs-answers.ts';

/** As NameNode 3.5.0 answered. */
const FILE =
  '{"accessTime":1795492413891,"blockSize":1048576,"childrenNum":0,"fileId":16388,"group":"supergroup","length":3000000,"modificationTime":1795492414347,"owner":"logtier","pathSuffix":"f1","permission":"640","replication":1,"storagePolicy":0,"type":"FILE"}';

const PARSED = {
  type: 'FILE',
  name: 'f1',
  sizeBytes: 3_000_000,
  modifiedMs: 1_795_492_414_347,
  replication: 1,
};

function blocks(...replicas: readonly (readonly string[])[]): string {
  const all = replicas.map((names) => ({ names, corrupt: false, offset: 0, length: 1 }));
  return JSON.stringify({ BlockLocations: { BlockLocation: all } });
}

test('a file status is read', () => {
  expect(statusOf(`{"FileStatus":${FILE}}`)).toEqual(PARSED);
});

test('a page of a listing is read, without links', () => {
  const link = FILE.replace('"FILE"', '"SYMLINK"');
  const page = `{"DirectoryListing":{"partialListing":{"FileStatuses":{"FileStatus":[${FILE},${link}]}},"remainingEntries":7}}`;
  expect(batchOf(page)).toEqual({ entries: [PARSED], remaining: 7 });
});

test.each(['', '{}', '<html>', '{"FileStatus":{}}', '{"FileStatus":{"type":"FILE","length":-1}}'])(
  'what is no answer (%s) is refused',
  (text) => {
    expect(() => statusOf(text)).toThrow(expect.objectContaining({ code: 'STORE_REFUSED' }));
    expect(() => batchOf(text)).toThrow(expect.objectContaining({ code: 'STORE_REFUSED' }));
    expect(() => fewestReplicas(text)).toThrow(expect.objectContaining({ code: 'STORE_REFUSED' }));
  },
);

test('a file has as many replicas as its poorest block', () => {
  expect(fewestReplicas(blocks(['a:1', 'b:1', 'c:1'], ['a:1', 'b:1'], ['a:1', 'b:1', 'd:1']))).toBe(
    2,
  );
  expect(fewestReplicas(blocks(['a:1', 'a:1']))).toBe(1);
  expect(fewestReplicas(blocks(['a:1'], []))).toBe(0);
  expect(fewestReplicas(blocks(['a:1']).replace('false', 'true'))).toBe(0);
});

test('an empty file has no block that lacks replicas', () => {
  expect(fewestReplicas('{"BlockLocations":{"BlockLocation":[]}}')).toBeUndefined();
});

test('a DataNode is named in the header of a redirect or in the body', () => {
  const url = 'http://10.0.0.7:9864/webhdfs/v1/a?op=CREATE';
  expect(locationOf(url, '').href).toBe(url);
  expect(locationOf(undefined, `{"Location":"${url}"}`).href).toBe(url);
  for (const wrong of ['', 'ftp://x/', '/webhdfs/v1/a', 'http://']) {
    expect(() => locationOf(wrong, '')).toThrow(expect.objectContaining({ code: 'STORE_REFUSED' }));
  }
});

test('a boolean is read, and nothing else for one', () => {
  expect(['{"boolean":true}', '{"boolean":false}', '', '{"boolean":1}'].map(booleanOf)).toEqual([
    true,
    false,
    undefined,
    undefined,
  ]);
});
