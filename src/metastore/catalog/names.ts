// Names that come in commands, checked without a throw.
import type { FenceToken, PartitionRef } from '../../gen/logtier/v1/catalog_command.ts';
import { type SegmentId, segmentId, type TopicId, topicId } from '../../segment/ids.ts';
import type { PartitionAddress } from './keys.ts';

/** Kafka's Topic.java: at most 249 of these, and neither `.` nor `..`. */
const TOPIC_NAME = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;

/** Kafka numbers partitions by a positive int32. */
const PARTITIONS = 2 ** 31;

const OFFSETS = 2n ** 63n;

function unlessThrown<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

export function parseTopicId(text: string): TopicId | undefined {
  return unlessThrown(() => topicId(text));
}

export function parseSegmentId(text: string): SegmentId | undefined {
  return unlessThrown(() => segmentId(text));
}

/** Partitions named lately, one object each: what is known of a partition is kept by it. */
const knownAddresses = new Map<string, PartitionAddress>();
const MAX_KNOWN_ADDRESSES = 8192;

export function parseAddress(
  cluster: number,
  ref: PartitionRef | undefined,
): PartitionAddress | undefined {
  if (ref === undefined || ref.partition >= PARTITIONS) return undefined;
  const { partition } = ref;
  const name = `${ref.topicId}/${partition}/${cluster}`;
  const known = knownAddresses.get(name);
  if (known !== undefined) return known;
  const id = parseTopicId(ref.topicId);
  if (id === undefined) return undefined;
  const address = { cluster, topicId: id, partition };
  if (knownAddresses.size >= MAX_KNOWN_ADDRESSES) knownAddresses.clear();
  knownAddresses.set(name, address);
  return address;
}

export function isTopicName(name: string): boolean {
  return TOPIC_NAME.test(name);
}

export function isOffset(offset: bigint): boolean {
  return offset >= 0n && offset < OFFSETS;
}

/** A token that no claim ever had stands for one that was left out. */
export function tokenOf(token: FenceToken | undefined): FenceToken {
  return token ?? { incarnation: 0, index: 0n };
}
