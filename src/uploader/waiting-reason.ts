// Why a closed local segment is not remote yet: one closed set, told in words. docs/waiting-reasons.md is printed from it.

export const waitingReasons = {
  ACTIVE: 'Kafka still writes to it; it is copied after it rolls.',
  TOPIC_NOT_MATCHED: 'No entry of `topics` matches the topic.',
  TOPIC_INTERNAL: 'An internal topic of Kafka; these are never tiered.',
  TOPIC_COMPACTED: 'The topic is compacted; its segments are rewritten, so they are left alone.',
  TOPIC_TIERED_BY_BROKER: 'remote.storage.enable is on: the broker itself tiers this topic.',
  TOPIC_ID_UNKNOWN:
    'partition.metadata is not written yet, or names another topic id than the broker.',
  TOPIC_CONFIG_UNKNOWN:
    'The broker has not told the topic’s settings; check the ACL DescribeConfigs.',
  BEFORE_FROM: 'It closed before tiering began, and the topic is set to `from: now`.',
  BROKER_UNREACHABLE: 'The broker does not answer; nothing new becomes eligible until it does.',
  NOT_LEADER: 'This broker does not lead the partition; its leader’s sidecar copies it.',
  CLAIM_PENDING: 'The claim on the partition is not answered yet.',
  CLAIM_REFUSED: 'The metastore refuses the claim: a newer leader epoch or another owner holds it.',
  METASTORE_UNREACHABLE: 'The metastore does not answer.',
  VIEW_NOT_READY: 'The local view of the catalog is not complete for this partition.',
  ABOVE_LAST_STABLE_OFFSET:
    'It holds records of an open transaction, or records that are not committed on all in-sync replicas.',
  CHECKPOINT_DISAGREES:
    'leader-epoch-checkpoint and the batches disagree on the epochs; tried again.',
  SNAPSHOT_GRACE:
    'Its producer snapshot or an index is missing; after a grace it is copied without.',
  STILL_CHANGING: 'The file changed while it was read; tried again.',
  QUEUED: 'It waits for its turn.',
  QUEUE_FULL: 'The queue is full; it is offered again as soon as others are done.',
  BEHIND_OLDER: 'An older segment of the partition is copied first.',
  COPYING: 'It is being copied.',
  STORE_UNREACHABLE: 'The object store does not answer; tried again.',
  STORE_REFUSES: 'The object store refuses the write; see the finding.',
  RETRYING: 'The last try failed; tried again.',
  QUARANTINED: 'The log itself is damaged; it is not copied. The partition’s other segments go on.',
  LOG_DIR_FAILED: 'Its log directory cannot be read.',
  STOPPING: 'The sidecar stops.',
} as const satisfies Record<string, string>;

export type WaitingReason = keyof typeof waitingReasons;

export function isWaitingReason(name: unknown): name is WaitingReason {
  return typeof name === 'string' && Object.hasOwn(waitingReasons, name);
}

export interface Waiting {
  readonly reason: WaitingReason;
  /** What is special about this one: the error, the offset, the owner. */
  readonly detail: string | undefined;
  readonly sinceMs: number;
}

/** One sentence or two for a person. */
export function waitingWords(waiting: Pick<Waiting, 'reason' | 'detail'>): string {
  const words = waitingReasons[waiting.reason];
  return waiting.detail === undefined ? words : `${words} (${waiting.detail})`;
}
