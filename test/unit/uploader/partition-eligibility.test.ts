import { expect, test } from 'vitest';
import { topicSettings } from '../../../src/uploader/settings.ts';
import {
  whyIneligible,
  type EligibilityInput,
} from '../../../src/uploader/partition-eligibility.ts';

const config = {
  cleanupPolicy: 'delete',
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 1,
  segmentMs: 1,
  remoteStorageEnabled: false,
};
const belief = { topicId: 'id', internal: false, leaderEpoch: 1, isLeader: true, config };
const eligible: EligibilityInput = {
  rule: topicSettings.parse({ match: '*', store: 'main' }),
  belief,
  topicId: 'id',
  brokerUnreachable: undefined,
};

test('a led partition of a matched, plain topic is eligible', () => {
  expect(whyIneligible(eligible)).toBeUndefined();
  const empty = { ...belief, config: { ...config, cleanupPolicy: '' } };
  expect(whyIneligible({ ...eligible, belief: empty })).toBeUndefined();
});

const cases: [string, Partial<EligibilityInput>, string][] = [
  ['no rule', { rule: undefined }, 'TOPIC_NOT_MATCHED'],
  ['not listed by the broker', { belief: undefined }, 'NOT_LEADER'],
  [
    'not listed, and the broker is silent',
    { belief: undefined, brokerUnreachable: 'silent' },
    'BROKER_UNREACHABLE',
  ],
  ['internal', { belief: { ...belief, internal: true } }, 'TOPIC_INTERNAL'],
  ['settings not told', { belief: { ...belief, config: undefined } }, 'TOPIC_CONFIG_UNKNOWN'],
  [
    'compacted',
    { belief: { ...belief, config: { ...config, cleanupPolicy: 'compact' } } },
    'TOPIC_COMPACTED',
  ],
  [
    'compacted and deleted',
    { belief: { ...belief, config: { ...config, cleanupPolicy: 'delete,compact' } } },
    'TOPIC_COMPACTED',
  ],
  [
    'tiered by the broker itself',
    { belief: { ...belief, config: { ...config, remoteStorageEnabled: true } } },
    'TOPIC_TIERED_BY_BROKER',
  ],
  ['topic id not on disk yet', { topicId: undefined }, 'TOPIC_ID_UNKNOWN'],
  ['another topic id on disk', { topicId: 'other' }, 'TOPIC_ID_UNKNOWN'],
  ['a silent broker', { brokerUnreachable: 'silent' }, 'BROKER_UNREACHABLE'],
  ['led elsewhere', { belief: { ...belief, isLeader: false } }, 'NOT_LEADER'],
];

test.each(cases)('%s is told as %s', (_what, changed, reason) => {
  expect(whyIneligible({ ...eligible, ...changed })?.reason).toBe(reason);
});
