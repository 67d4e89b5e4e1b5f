import { assert, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { keyOfPath, pathOfKey } from '../../../../src/store/hdfs/file-name.ts';
import { compareKeys } from '../../../../src/store/object-key.ts';

/** Any code points, no halves of pairs. */
const anyKey = string({ unit: 'binary', maxLength: 20 });

test.each([
  ['orders-7/000000000001.segment', 'orders-7/000000000001.segment'],
  ['A_z.0', 'A_z.0'],
  ['a:b', 'a=3ab'],
  ['a b+c', 'a,20b,2bc'],
  ['50%', '50,25'],
  ['[x]^', '^5bx^5d^5e'],
  ['é~', '~c3~a9~7e'],
])('the key %j is the path %j', (key, path) => {
  expect([pathOfKey(key), keyOfPath(path)]).toEqual([path, key]);
});

test('every key comes back, in characters that HDFS takes', () => {
  assert(
    property(anyKey, (key) => {
      const path = pathOfKey(key);
      expect(path).toMatch(/^[-./0-9A-Za-z_`,=^~]*$/);
      expect(keyOfPath(path)).toBe(key);
    }),
  );
});

test('paths sort as the bytes of their keys do', () => {
  assert(
    property(anyKey, anyKey, (left, right) => {
      const [a, b] = [pathOfKey(left), pathOfKey(right)];
      const order = a < b ? -1 : Number(a > b);
      expect(order).toBe(Math.sign(compareKeys(left, right)));
    }),
  );
});

test('the beginning of a key is the beginning of its path', () => {
  assert(
    property(anyKey, anyKey, (start, rest) => {
      expect(pathOfKey(start + rest).startsWith(pathOfKey(start))).toBe(true);
    }),
  );
});

test.each(['a b', 'a=3A', 'a=41', 'a,3a', 'x~', '~ff', '=3'])(
  'the path %j of somebody else is no key',
  (path) => {
    expect(keyOfPath(path)).toBeUndefined();
  },
);
