// Keys of the catalog's engine: one table byte, then fixed-width big-endian fields, so that byte order is
// the order wanted. Changing a layout here changes the state machine: raise STATE_VERSION.
import type { PartitionId, Revision, SegmentId, TopicId } from '../../segment/ids.ts';

export const TABLE = {
  state: 0x01,
  cluster: 0x02,
  segment: 0x10,
  epochStart: 0x11,
  openIntent: 0x12,
  epoch: 0x13,
  byOffset: 0x14,
  byTime: 0x15,
  transactions: 0x16,
  totals: 0x17,
  lineage: 0x18,
  remoteStart: 0x19,
  unreferenced: 0x1a,
  tombstone: 0x20,
  erase: 0x21,
  claim: 0x22,
  lease: 0x23,
  answer: 0x24,
  prefix: 0x25,
  session: 0x26,
  sessionAge: 0x27,
  instances: 0x28,
  eraseDue: 0x29,
  prefixDue: 0x2a,
  feed: 0x30,
  topic: 0x31,
  topicName: 0x32,
} as const;

/** Rows that follow from segment records and their order: index-keys.ts. */
export const TABLES_OF_INDEX = [
  TABLE.epochStart,
  TABLE.epoch,
  TABLE.byTime,
  TABLE.transactions,
  TABLE.unreferenced,
] as const;

/** Rows that go with a deleted topic; claim, tombstone and both queues stay (rule 23). */
const TABLES_OF_TOPIC_DATA = [
  TABLE.segment,
  TABLE.openIntent,
  TABLE.byOffset,
  TABLE.totals,
  TABLE.lineage,
  TABLE.remoteStart,
  ...TABLES_OF_INDEX,
] as const;

/** A partition of one Kafka cluster; `cluster` is the number this catalog gave to the cluster id. */
export interface PartitionAddress extends PartitionId {
  readonly cluster: number;
}

/** Keys in [from, to). */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

const UUID_BYTES = 16;
const NUL = Uint8Array.of(0);
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** A number is a u32, a bigint a u64. */
export type Field = number | bigint | string | Uint8Array;

/** Ids decoded lately: a command asks for a dozen keys of the same two. */
const knownIds = new Map<string, Uint8Array>();
const MAX_KNOWN_IDS = 4096;

export function uuid(id: TopicId | SegmentId): Uint8Array {
  const known = knownIds.get(id);
  if (known !== undefined) return known;
  const bytes = Buffer.from(id, 'base64url');
  if (knownIds.size >= MAX_KNOWN_IDS) knownIds.clear();
  knownIds.set(id, bytes);
  return bytes;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

function fieldBytes(field: Field): number {
  switch (typeof field) {
    case 'number':
      return 4;
    case 'bigint':
      return 8;
    case 'string':
      return Buffer.byteLength(field);
    default:
      return field.length;
  }
}

export function key(table: number, ...fields: readonly Field[]): Uint8Array {
  let size = 1;
  for (const field of fields) size += fieldBytes(field);
  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = table;
  let at = 1;
  for (const field of fields) at = writeField(bytes, field, at);
  return bytes;
}

/** Where the next one goes. */
function writeField(bytes: Buffer, field: Field, at: number): number {
  switch (typeof field) {
    case 'number':
      return bytes.writeUInt32BE(field, at);
    case 'bigint':
      return bytes.writeBigUInt64BE(field, at);
    case 'string':
      return at + bytes.write(field, at);
    default:
      bytes.set(field, at);
      return at + field.length;
  }
}

/** All keys that start with `prefix`. */
export function under(prefix: Uint8Array): KeyRange {
  return { from: prefix, to: following(prefix) };
}

/** The first key after all that start with `prefix`; the table byte keeps it from overflowing. */
export function following(prefix: Uint8Array): Uint8Array {
  const next = Uint8Array.from(prefix);
  for (let at = next.length - 1; at >= 0; at -= 1) {
    const byte = next[at] ?? 0;
    if (byte < 0xff) {
      next[at] = byte + 1;
      return next.subarray(0, at + 1);
    }
  }
  return next;
}

function topicFields(cluster: number, topicId: TopicId): readonly Field[] {
  return [cluster, uuid(topicId)];
}

/** Cluster, topic and partition of addresses seen lately, as keys hold them. */
const knownFields = new WeakMap<PartitionAddress, readonly [Uint8Array]>();

export function partitionFields(address: PartitionAddress): readonly [Uint8Array] {
  const known = knownFields.get(address);
  if (known !== undefined) return known;
  const { cluster, topicId, partition } = address;
  // The table byte of a key goes before them.
  const fields = [key(0, cluster, uuid(topicId), partition).subarray(1)] as const;
  knownFields.set(address, fields);
  return fields;
}

export const stateKey = (): Uint8Array => key(TABLE.state);

export const clusterKey = (clusterId: string): Uint8Array => key(TABLE.cluster, clusterId);

export const allClusters = (): KeyRange => under(key(TABLE.cluster));

export function clusterIdOf(clusterRowKey: Uint8Array): string {
  return Buffer.from(clusterRowKey.subarray(1)).toString('utf8');
}

export function segmentKey(address: PartitionAddress, id: SegmentId): Uint8Array {
  return key(TABLE.segment, ...partitionFields(address), uuid(id));
}

export const allSegments = (): KeyRange => under(key(TABLE.segment));

/** Segments in COPY_SEGMENT_STARTED, by id. */
export function openIntentKey(address: PartitionAddress, id: SegmentId): Uint8Array {
  return key(TABLE.openIntent, ...partitionFields(address), uuid(id));
}

export function openIntentsOf(address: PartitionAddress): KeyRange {
  return under(key(TABLE.openIntent, ...partitionFields(address)));
}

export function openIntentsOfTopic(cluster: number, topicId: TopicId): KeyRange {
  return under(key(TABLE.openIntent, ...topicFields(cluster, topicId)));
}

export function byOffsetKey(
  address: PartitionAddress,
  startOffset: bigint,
  id: SegmentId,
): Uint8Array {
  return key(TABLE.byOffset, ...partitionFields(address), startOffset, uuid(id));
}

export function byOffset(address: PartitionAddress): KeyRange {
  return under(key(TABLE.byOffset, ...partitionFields(address)));
}

/** An open intent's or an offset's key names the segment in its last 16 bytes. */
export function segmentKeyFromIndex(indexKey: Uint8Array): Uint8Array {
  const fields = indexKey.subarray(1, 1 + 4 + UUID_BYTES + 4);
  return key(TABLE.segment, fields, indexKey.subarray(indexKey.length - UUID_BYTES));
}

export const totalsKey = (address: PartitionAddress): Uint8Array =>
  key(TABLE.totals, ...partitionFields(address));

export const lineageKey = (address: PartitionAddress): Uint8Array =>
  key(TABLE.lineage, ...partitionFields(address));

export const remoteStartKey = (address: PartitionAddress): Uint8Array =>
  key(TABLE.remoteStart, ...partitionFields(address));

export const claimKey = (address: PartitionAddress): Uint8Array =>
  key(TABLE.claim, ...partitionFields(address));

export const tombstoneKey = (cluster: number, topicId: TopicId): Uint8Array =>
  key(TABLE.tombstone, ...topicFields(cluster, topicId));

export const topicKey = (cluster: number, topicId: TopicId): Uint8Array =>
  key(TABLE.topic, ...topicFields(cluster, topicId));

/** Claim rows of one cluster in (topic id, partition) order: every partition ever claimed. */
export function claimsOfCluster(cluster: number, after: PartitionId | undefined): KeyRange {
  const all = under(key(TABLE.claim, cluster));
  if (after === undefined) return all;
  return { from: following(claimKey({ ...after, cluster })), to: all.to };
}

export function claimsOfTopic(cluster: number, topicId: TopicId): KeyRange {
  return under(key(TABLE.claim, ...topicFields(cluster, topicId)));
}

/** Names hold no NUL (Kafka's Topic.java), so no name is the prefix of another's key. */
export function topicNameKey(cluster: number, name: string, topicId: TopicId): Uint8Array {
  return key(TABLE.topicName, cluster, name, NUL, uuid(topicId));
}

export function topicsNamed(cluster: number, name: string): KeyRange {
  return under(key(TABLE.topicName, cluster, name, NUL));
}

export function dataOfTopic(cluster: number, topicId: TopicId): readonly KeyRange[] {
  return TABLES_OF_TOPIC_DATA.map((table) => under(key(table, ...topicFields(cluster, topicId))));
}

export function eraseKey(address: PartitionAddress, id: SegmentId): Uint8Array {
  return key(TABLE.erase, ...partitionFields(address), uuid(id));
}

export function prefixKey(address: PartitionAddress, place: string): Uint8Array {
  return key(TABLE.prefix, ...partitionFields(address), place);
}

const DUE_TABLES: ReadonlyMap<number, number> = new Map([
  [TABLE.erase, TABLE.eraseDue],
  [TABLE.prefix, TABLE.prefixDue],
]);

const CLUSTER_END = 1 + 4;
const DUE_END = CLUSTER_END + 8;

/** Where a row of a queue stands in the order of due times within its cluster. */
export function dueKey(queueKey: Uint8Array, dueMs: bigint): Uint8Array {
  const table = DUE_TABLES.get(queueKey[0] ?? 0) ?? 0;
  return key(table, queueKey.subarray(1, CLUSTER_END), dueMs, queueKey.subarray(CLUSTER_END));
}

export function queueKeyOf(due: Uint8Array): Uint8Array {
  const table = due[0] === TABLE.eraseDue ? TABLE.erase : TABLE.prefix;
  return key(table, due.subarray(1, CLUSTER_END), due.subarray(DUE_END));
}

function dueUpTo(table: number, cluster: number, dueMs: bigint): KeyRange {
  const all = under(key(table, cluster));
  return dueMs >= U64_MAX ? all : { from: all.from, to: key(table, cluster, dueMs + 1n) };
}

export function objectsDue(cluster: number, dueMs: bigint): KeyRange {
  return dueUpTo(TABLE.eraseDue, cluster, dueMs);
}

export function prefixesDue(cluster: number, dueMs: bigint): KeyRange {
  return dueUpTo(TABLE.prefixDue, cluster, dueMs);
}

export const leaseKey = (cluster: number, lease: string): Uint8Array =>
  key(TABLE.lease, cluster, lease);

export const sessionKey = (clientId: bigint): Uint8Array => key(TABLE.session, clientId);

/** Sessions by when they were last heard of: the first is dropped when there are too many. */
export function sessionAgeKey(touchedMs: bigint, clientId: bigint): Uint8Array {
  return key(TABLE.sessionAge, touchedMs, clientId);
}

export const sessionsByAge = (): KeyRange => under(key(TABLE.sessionAge));

export function clientIdOf(sessionAgeRowKey: Uint8Array): bigint {
  return Buffer.from(sessionAgeRowKey).readBigUInt64BE(1 + 8);
}

export const answerKey = (clientId: bigint, seq: bigint): Uint8Array =>
  key(TABLE.answer, clientId, seq);

export const answersOf = (clientId: bigint): KeyRange => under(key(TABLE.answer, clientId));

export const instancesKey = (cluster: number, brokerId: number): Uint8Array =>
  key(TABLE.instances, cluster, brokerId);

/** What is bound to indexes of one log: gone with it. */
export const rowsOfOneLog = (): readonly KeyRange[] =>
  [TABLE.lease, TABLE.answer, TABLE.session, TABLE.sessionAge, TABLE.instances, TABLE.feed].map(
    (table) => under(key(table)),
  );

export const allClaims = (): KeyRange => under(key(TABLE.claim));

export function feedKey(revision: Revision, ordinal: number): Uint8Array {
  return key(TABLE.feed, revision.incarnation, revision.index, u16(ordinal));
}

/** The feed of revisions after `after`, up to and with `upTo`. */
export function feedBetween(after: Revision, upTo: Revision): KeyRange {
  return { from: feedKeyAfter(after), to: feedKeyAfter(upTo) };
}

export function feedUpTo(upTo: Revision): KeyRange {
  return { from: key(TABLE.feed), to: feedKeyAfter(upTo) };
}

function feedKeyAfter(revision: Revision): Uint8Array {
  return following(key(TABLE.feed, revision.incarnation, revision.index));
}

export function feedRevisionOf(feedRowKey: Uint8Array): Revision {
  const bytes = Buffer.from(feedRowKey);
  return { incarnation: bytes.readUInt32BE(1), index: bytes.readBigUInt64BE(5) };
}
