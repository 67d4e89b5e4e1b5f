// The key of a segment object, below the store's own prefix:
//
//   <cluster id>/<topic, first 200 characters>-<topic id>/<partition>/<start offset>-<token>-<segment id>.segment
//                                              22                      20            24      22
//
// Topic and segment ids may hold '-': parsed by length from the right, never split. The topic's id decides,
// its name is for people. A key is stored in the record, never derived again from what may change.
import { LogtierError } from '../base/errors.ts';
import {
  parseToken,
  printToken,
  segmentId,
  topicId,
  type FenceToken,
  type PartitionId,
  type SegmentId,
} from './ids.ts';

export interface ObjectKeyParts {
  readonly clusterId: string;
  /** Whole when building; cut to TOPIC_CHARACTERS when parsed. */
  readonly topic: string;
  readonly id: PartitionId;
  readonly startOffset: bigint;
  /** Of the claim that started the copy: each owner's attempt has its own key (safety rule 20). */
  readonly token: FenceToken;
  readonly segmentId: SegmentId;
}

/** A topic has up to 249 characters; a file name on HDFS and most file systems up to 255 bytes. */
export const TOPIC_CHARACTERS = 200;

const SUFFIX = '.segment';
/** Kafka's own are 22 characters of base64url; old clusters may have others. ':' is illegal on HDFS. */
const CLUSTER_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/;

/** Every field but the topic has a fixed length or ends at a '/', so that only one cut is possible. */
const KEY = new RegExp(
  [
    String.raw`^(?<clusterId>[A-Za-z0-9_-][A-Za-z0-9._-]{0,99})`,
    String.raw`/(?<topic>[A-Za-z0-9._-]{1,200})-(?<topicId>[A-Za-z0-9_-]{21}[AQgw])`,
    String.raw`/(?<partition>0|[1-9]\d{0,9})`,
    String.raw`/(?<offset>\d{20})-(?<token>[0-9a-f]{24})-(?<segmentId>[A-Za-z0-9_-]{21}[AQgw])\.segment$`,
  ].join(''),
);
const LARGEST_PARTITION = 2 ** 31 - 1;
const LARGEST_OFFSET = 2n ** 63n - 1n;

/** Everything of one partition stands under it. Ends with '/', so that partition 1 does not hold 10. */
export function partitionPrefix(parts: Pick<ObjectKeyParts, 'clusterId' | 'topic' | 'id'>): string {
  const { clusterId, topic, id } = parts;
  if (!CLUSTER_ID.test(clusterId)) throw unfit('cluster id', clusterId);
  if (!TOPIC.test(topic)) throw unfit('topic', topic);
  return `${clusterId}/${topic.slice(0, TOPIC_CHARACTERS)}-${id.topicId}/${id.partition}/`;
}

export function buildObjectKey(parts: ObjectKeyParts): string {
  const offset = String(parts.startOffset).padStart(20, '0');
  return `${partitionPrefix(parts)}${offset}-${printToken(parts.token)}-${parts.segmentId}${SUFFIX}`;
}

/** Undefined for every other name: who lists a store meets objects that are not ours. */
export function parseObjectKey(key: string): ObjectKeyParts | undefined {
  const fields = KEY.exec(key)?.groups;
  if (fields === undefined) return undefined;
  const text = (name: string): string => fields[name] ?? '';
  const partition = Number(text('partition'));
  const startOffset = BigInt(text('offset'));
  if (partition > LARGEST_PARTITION || startOffset > LARGEST_OFFSET) return undefined;
  return {
    clusterId: text('clusterId'),
    topic: text('topic'),
    id: { topicId: topicId(text('topicId')), partition },
    startOffset,
    token: parseToken(text('token')),
    segmentId: segmentId(text('segmentId')),
  };
}

function unfit(what: string, text: string): LogtierError {
  return new LogtierError('INVALID_ARGUMENT', `${what} '${text}' cannot stand in an object key`);
}
