import { LogtierError } from '../base/errors.ts';

/** What decides how long local data lives and whether it may be tiered. */
export interface TopicConfig {
  /** `delete`, `compact`, both with a comma, or empty (Kafka 4.2). */
  readonly cleanupPolicy: string;
  /** -1: without bound. */
  readonly retentionMs: number;
  /** -1: without bound. Of one partition. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** KIP-405 is on for the topic: the broker itself tiers it. */
  readonly remoteStorageEnabled: boolean;
}

/** Names of the settings as Kafka spells them (apache/kafka TopicConfig.java). */
export const CONFIG_KEYS = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'segment.bytes',
  'segment.ms',
  'remote.storage.enable',
] as const;

function numberOf(values: ReadonlyMap<string, string>, key: (typeof CONFIG_KEYS)[number]): number {
  const value = Number(values.get(key));
  if (Number.isSafeInteger(value)) return value;
  // Long.MAX_VALUE stands for "never".
  if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  throw new LogtierError('BROKER_UNAVAILABLE', `the broker gives no number for ${key}`);
}

export function readTopicConfig(values: ReadonlyMap<string, string>): TopicConfig {
  return {
    cleanupPolicy: values.get('cleanup.policy') ?? 'delete',
    retentionMs: numberOf(values, 'retention.ms'),
    retentionBytes: numberOf(values, 'retention.bytes'),
    segmentBytes: numberOf(values, 'segment.bytes'),
    segmentMs: numberOf(values, 'segment.ms'),
    remoteStorageEnabled: values.get('remote.storage.enable') === 'true',
  };
}
