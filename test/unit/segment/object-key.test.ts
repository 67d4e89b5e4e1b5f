import {
  assert,
  constantFrom,
  nat,
  property,
  record,
  stringMatching,
  uint8Array,
} from 'fast-check';
import { expect, test } from 'vitest';
import { segmentId, topicId } from '../../../src/segment/ids.ts';
import {
  buildObjectKey,
  parseObjectKey,
  partitionPrefix,
  type ObjectKeyParts,
} from '../../../src/segment/object-key.ts';

const parts: ObjectKeyParts = {
  clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
  topic: 'orders-eu',
  id: { topicId: topicId('--NXW4P_MSfSWcZnwHAkGA'), partition: 12 },
  startOffset: 1234n,
  token: { incarnation: 1, index: 255n },
  segmentId: segmentId('-Ar4-tnfS1Ku0e6iwfuVyw'),
};

test('a key names cluster, topic, partition, offset, token and segment', () => {
  const key = buildObjectKey(parts);
  expect(key).toBe(
    'MkU3OEVBNTcwNTJENDM2Qg/orders-eu---NXW4P_MSfSWcZnwHAkGA/12/00000000000000001234-0000000100000000000000ff--Ar4-tnfS1Ku0e6iwfuVyw.segment',
  );
  expect(parseObjectKey(key)).toEqual(parts);
  expect(key.startsWith(partitionPrefix(parts))).toBe(true);
});

test('the prefix of partition 1 does not hold partition 12', () => {
  const one = partitionPrefix({ ...parts, id: { ...parts.id, partition: 1 } });
  expect(buildObjectKey(parts).startsWith(one)).toBe(false);
});

test('a topic longer than 200 characters is cut, its id still decides', () => {
  const topic = 't'.repeat(249);
  const parsed = parseObjectKey(buildObjectKey({ ...parts, topic }));
  expect(parsed).toEqual({ ...parts, topic: 't'.repeat(200) });
});

test('every key reads back, holds no colon, and sorts by offset within a partition', () => {
  const uuid = uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) =>
    Buffer.from(bytes).toString('base64url'),
  );
  const anyParts = record({
    clusterId: constantFrom('c', parts.clusterId, 'old.cluster_1'),
    topic: stringMatching(/^[A-Za-z0-9._-]{1,200}$/),
    id: record({ topicId: uuid.map(topicId), partition: nat() }),
    startOffset: nat().map(BigInt),
    token: record({ incarnation: nat(), index: nat().map(BigInt) }),
    segmentId: uuid.map(segmentId),
  });
  assert(
    property(anyParts, nat(), (some, more) => {
      const key = buildObjectKey(some);
      const later = buildObjectKey({ ...some, startOffset: some.startOffset + BigInt(more) + 1n });
      expect(parseObjectKey(key)).toEqual(some);
      expect(key).not.toContain(':');
      expect(key < later).toBe(true);
    }),
  );
});

test.each([
  'orders/0.segment',
  '.logtier-probe/7',
  'c/orders-zNXW4P_MSfSWcZnwHAkGbA/07/00000000000000001234-0000000100000000000000ff-Ar4-tnfS1Ku0e6iwfuVywA.segment',
  'c/orders-zNXW4P_MSfSWcZnwHAkGbA/7/99999999999999999999-0000000100000000000000ff-Ar4-tnfS1Ku0e6iwfuVywA.segment',
  'c/orders-zNXW4P_MSfSWcZnwHAkGbA/2147483648/00000000000000001234-0000000100000000000000ff-Ar4-tnfS1Ku0e6iwfuVywA.segment',
  'a/c/orders-zNXW4P_MSfSWcZnwHAkGbA/7/00000000000000001234-0000000100000000000000ff-Ar4-tnfS1Ku0e6iwfuVywA.segment',
])('%s is not a key of ours', (key) => {
  expect(parseObjectKey(key)).toBeUndefined();
});

test.each(['', '..', 'a/b', 'a:b'])('cluster id %j cannot stand in a key', (clusterId) => {
  expect(() => buildObjectKey({ ...parts, clusterId })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  );
});
