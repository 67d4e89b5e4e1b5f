import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  byOffset,
  byOffsetKey,
  claimKey,
  claimsOfCluster,
  clientIdOf,
  clusterIdOf,
  clusterKey,
  dataOfTopic,
  dueKey,
  eraseKey,
  feedBetween,
  feedKey,
  feedRevisionOf,
  type KeyRange,
  objectsDue,
  openIntentKey,
  openIntentsOf,
  prefixesDue,
  prefixKey,
  queueKeyOf,
  segmentKey,
  segmentKeyFromIndex,
  sessionAgeKey,
  topicNameKey,
  topicsNamed,
} from '../../../../src/metastore/catalog/keys.ts';
import { segmentId, topicId } from '../../../../src/segment/ids.ts';

const uuid = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((b) => Buffer.from(b).toString('base64url'));
const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const address = fc.record({
  cluster: u32,
  topicId: uuid.map(topicId),
  partition: fc.nat(2 ** 31 - 1),
});

function isIn(range: KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(range.from, key) <= 0 && Buffer.compare(key, range.to) < 0;
}

test('offsets of one partition sort as numbers do and lie in its range alone', () => {
  fc.assert(
    fc.property(
      fc.tuple(address, address),
      fc.tuple(u64, u64),
      uuid,
      ([one, other], [low, high], id) => {
        const [left, right] = [low, high].map((offset) => byOffsetKey(one, offset, segmentId(id)));
        expect(Math.sign(Buffer.compare(left!, right!))).toBe(
          low === high ? 0 : low < high ? -1 : 1,
        );
        expect(isIn(byOffset(one), left!)).toBe(true);
        const isSame = Buffer.compare(claimKey(one), claimKey(other)) === 0;
        expect(isIn(byOffset(other), left!)).toBe(isSame);
      },
    ),
  );
});

test('an index key leads back to the segment it names', () => {
  fc.assert(
    fc.property(address, u64, uuid, (at, offset, id) => {
      const wanted = segmentKey(at, segmentId(id));
      expect(segmentKeyFromIndex(byOffsetKey(at, offset, segmentId(id)))).toEqual(wanted);
      const intent = openIntentKey(at, segmentId(id));
      expect(segmentKeyFromIndex(intent)).toEqual(wanted);
      expect(isIn(openIntentsOf(at), intent)).toBe(true);
    }),
  );
});

test('a queue is read in the order of due times and leads back to its rows', () => {
  fc.assert(
    fc.property(address, uuid, fc.tuple(u64, u64), fc.string(), (at, id, [due, asked], place) => {
      const object = eraseKey(at, segmentId(id));
      expect(queueKeyOf(dueKey(object, due))).toEqual(object);
      expect(isIn(objectsDue(at.cluster, asked), dueKey(object, due))).toBe(due <= asked);
      const prefix = prefixKey(at, place);
      expect(queueKeyOf(dueKey(prefix, due))).toEqual(prefix);
      expect(isIn(prefixesDue(at.cluster, asked), dueKey(prefix, due))).toBe(due <= asked);
      expect(isIn(objectsDue(at.cluster, asked), dueKey(prefix, due))).toBe(false);
    }),
  );
});

test('the feed sorts by incarnation, index and ordinal, and a range ends with its last revision', () => {
  fc.assert(
    fc.property(
      fc.tuple(u32, u64),
      fc.tuple(u32, u64),
      fc.nat(0xffff),
      ([incarnation, index], [inc2, index2], ordinal) => {
        const revision = { incarnation, index };
        const after = { incarnation: inc2, index: index2 };
        const key = feedKey(revision, ordinal);
        expect(feedRevisionOf(key)).toEqual(revision);
        const isAfter = incarnation > inc2 || (incarnation === inc2 && index > index2);
        const top = { incarnation: 0xffff_ffff, index: 0xffff_ffff_ffff_ffffn };
        expect(isIn(feedBetween(after, top), key)).toBe(isAfter);
        expect(isIn(feedBetween({ incarnation: 0, index: 0n }, after), key)).toBe(
          !isAfter && !(incarnation === 0 && index === 0n),
        );
      },
    ),
  );
});

test('claims are listed from the one after the last that was seen', () => {
  fc.assert(
    fc.property(address, address, (one, other) => {
      const rest = claimsOfCluster(one.cluster, one);
      expect(isIn(rest, claimKey(one))).toBe(false);
      const isLater =
        other.cluster === one.cluster && Buffer.compare(claimKey(other), claimKey(one)) > 0;
      expect(isIn(rest, claimKey(other))).toBe(isLater);
      expect(isIn(claimsOfCluster(one.cluster, undefined), claimKey(one))).toBe(true);
    }),
  );
});

test('a topic name finds its own ids and not those of longer names', () => {
  const id = topicId('AAAAAAAAAAAAAAAAAAAAAQ');
  expect(isIn(topicsNamed(1, 'orders'), topicNameKey(1, 'orders', id))).toBe(true);
  expect(isIn(topicsNamed(1, 'orders'), topicNameKey(1, 'orders2', id))).toBe(false);
  expect(isIn(topicsNamed(2, 'orders'), topicNameKey(1, 'orders', id))).toBe(false);
});

test('the data of a topic ends where the next topic begins', () => {
  const ofTopic = dataOfTopic(7, topicId('____________________-w'));
  const next = segmentKey(
    { cluster: 8, topicId: topicId('AAAAAAAAAAAAAAAAAAAAAA'), partition: 0 },
    segmentId('AAAAAAAAAAAAAAAAAAAAAA'),
  );
  expect(ofTopic.some((range) => isIn(range, next))).toBe(false);
  const own = segmentKey(
    { cluster: 7, topicId: topicId('____________________-w'), partition: 2 ** 31 - 1 },
    segmentId('____________________-w'),
  );
  expect(ofTopic.filter((range) => isIn(range, own))).toHaveLength(1);
});

test('names that are part of keys come back from them', () => {
  expect(clusterIdOf(clusterKey('Some-Cluster_1'))).toBe('Some-Cluster_1');
  expect(clientIdOf(sessionAgeKey(9n, 77n))).toBe(77n);
});
