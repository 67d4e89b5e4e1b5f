// May anything of this partition be copied by this broker now? From what is believed, without asking anyone (pure).
import type { Belief } from './leadership.ts';
import type { TopicSettings } from './settings.ts';
import type { WaitingReason } from './waiting-reason.ts';

export interface EligibilityInput {
  readonly rule: TopicSettings | undefined;
  readonly belief: Belief | undefined;
  /** As partition.metadata says; undefined: not written yet. */
  readonly topicId: string | undefined;
  /** In words; undefined while the broker answers. */
  readonly brokerUnreachable: string | undefined;
}

export interface Ineligible {
  readonly reason: WaitingReason;
  readonly detail: string | undefined;
}

export function whyIneligible(input: EligibilityInput): Ineligible | undefined {
  return whyNotTiered(input) ?? whyNotLeading(input);
}

function whyNotTiered({
  rule,
  belief,
  topicId,
  brokerUnreachable,
}: EligibilityInput): Ineligible | undefined {
  if (rule === undefined) return { reason: 'TOPIC_NOT_MATCHED', detail: undefined };
  if (belief === undefined) return unknownTopic(brokerUnreachable);
  if (belief.internal) return { reason: 'TOPIC_INTERNAL', detail: undefined };
  if (belief.config === undefined) return { reason: 'TOPIC_CONFIG_UNKNOWN', detail: undefined };
  if (belief.config.cleanupPolicy.includes('compact'))
    return { reason: 'TOPIC_COMPACTED', detail: undefined };
  if (belief.config.remoteStorageEnabled)
    return { reason: 'TOPIC_TIERED_BY_BROKER', detail: undefined };
  if (topicId === undefined) return { reason: 'TOPIC_ID_UNKNOWN', detail: 'not written yet' };
  if (topicId === belief.topicId) return undefined;
  return {
    reason: 'TOPIC_ID_UNKNOWN',
    detail: `on disk ${topicId}, by the broker ${belief.topicId}`,
  };
}

/** What the broker does not list is no proof that it is gone (safety rule 5): it only waits. */
function unknownTopic(brokerUnreachable: string | undefined): Ineligible {
  return brokerUnreachable === undefined
    ? { reason: 'NOT_LEADER', detail: 'the broker does not list the partition' }
    : { reason: 'BROKER_UNREACHABLE', detail: brokerUnreachable };
}

function whyNotLeading({ belief, brokerUnreachable }: EligibilityInput): Ineligible | undefined {
  if (brokerUnreachable !== undefined)
    return { reason: 'BROKER_UNREACHABLE', detail: brokerUnreachable };
  return belief?.isLeader === true ? undefined : { reason: 'NOT_LEADER', detail: undefined };
}
