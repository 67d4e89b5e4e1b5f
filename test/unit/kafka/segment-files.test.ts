import { assert, bigInt, constantFrom, property } from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseSegmentFileName,
  segmentFileKinds,
  segmentFileName,
} from '../../../src/kafka/segment-files.ts';

test('a name survives the way to text and back', () => {
  const offsets = bigInt({ min: 0n, max: 2n ** 63n - 1n });
  assert(
    property(offsets, constantFrom(...segmentFileKinds), (baseOffset, kind) => {
      const name = segmentFileName(baseOffset, kind);
      expect(parseSegmentFileName(name)).toEqual({ baseOffset, kind, suffix: '' });
    }),
  );
  expect(segmentFileName(42n, 'log')).toBe('00000000000000000042.log');
});

test.each(['.deleted', '.cleaned', '.swap'])('the suffix %s is told', (suffix) => {
  expect(parseSegmentFileName(`00000000000000000007.timeindex${suffix}`)).toEqual({
    baseOffset: 7n,
    kind: 'timeindex',
    suffix,
  });
});

test.each([
  '',
  'leader-epoch-checkpoint',
  'partition.metadata',
  '0000000000000000007.log',
  '000000000000000000007.log',
  '00000000000000000007.txt',
  '00000000000000000007.log.tmp',
  '00000000000000000007.log.deleted.deleted',
  '00000000000000000007',
  '99999999999999999999.log',
  '-0000000000000000007.log',
  '00000000000000000007-0000000001.checkpoint',
])('%j is no file of a segment', (name) => {
  expect(parseSegmentFileName(name)).toBeUndefined();
});
