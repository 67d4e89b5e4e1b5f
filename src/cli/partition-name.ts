import { LogtierError } from '../base/errors.ts';

/** `orders` or `orders:3`; Kafka's topic names hold no colon. */
export interface PartitionName {
  readonly topic: string;
  readonly partition: number | undefined;
}

export function parsePartitionName(text: string): PartitionName {
  const [, topic, digits] = /^([a-zA-Z0-9._-]{1,249})(?::(\d{1,10}))?$/.exec(text) ?? [];
  if (topic === undefined) {
    throw new LogtierError('INVALID_ARGUMENT', `'${text}' is no TOPIC or TOPIC:PARTITION`);
  }
  return { topic, partition: digits === undefined ? undefined : Number(digits) };
}

/** For commands that need one partition. */
export function parseOnePartition(text: string): { topic: string; partition: number } {
  const { topic, partition } = parsePartitionName(text);
  if (partition === undefined) {
    throw new LogtierError('INVALID_ARGUMENT', `'${text}' names no partition`, {
      hint: `write it as ${topic}:0`,
    });
  }
  return { topic, partition };
}
