// Where the local broker says that partitions begin and end, within a bound: what it does not tell stays unknown.
import { LogtierError } from '../base/errors.ts';
import type { BrokerView, OffsetSpec } from '../broker/broker-view.ts';
import type { Clock } from '../platform/clock.ts';
import { throwIfAborted } from '../platform/clock.ts';

export interface ToldOffsets {
  readonly localStart: bigint | undefined;
  readonly logEnd: bigint | undefined;
  readonly highWatermark: bigint | undefined;
  readonly lastStableOffset: bigint | undefined;
}

export type OffsetKind = keyof ToldOffsets;

export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

export interface ToldByBroker {
  of(name: PartitionName): ToldOffsets;
  /** Why the broker told nothing, in words; undefined when it answered. */
  readonly silence: string | undefined;
}

export interface BrokerOffsetsDeps {
  readonly broker: Pick<BrokerView, 'offsets'>;
  readonly clock: Clock;
}

const QUESTIONS: Record<OffsetKind, { readonly spec: OffsetSpec; readonly committed: boolean }> = {
  localStart: { spec: 'earliestLocal', committed: false },
  logEnd: { spec: 'logEnd', committed: false },
  highWatermark: { spec: 'latest', committed: false },
  lastStableOffset: { spec: 'latest', committed: true },
};

export const unknownOffsets: ToldOffsets = {
  localStart: undefined,
  logEnd: undefined,
  highWatermark: undefined,
  lastStableOffset: undefined,
};

export async function askOffsets(
  { broker, clock }: BrokerOffsetsDeps,
  { waitMs, kinds }: { readonly waitMs: number; readonly kinds: readonly OffsetKind[] },
  names: readonly PartitionName[],
  signal: AbortSignal,
): Promise<ToldByBroker> {
  const told = new Map<string, { -readonly [Kind in OffsetKind]: ToldOffsets[Kind] }>();
  for (const name of names) told.set(keyOf(name), { ...unknownOffsets });
  const queries = names.map((name) => ({ ...name, leaderEpoch: undefined }));
  const deadline = clock.deadline(waitMs, signal);
  let silence: string | undefined;
  const ask = async (kind: OffsetKind): Promise<void> => {
    const { spec, committed } = QUESTIONS[kind];
    try {
      const answers = await broker.offsets(queries, spec, committed, deadline.signal);
      answers.forEach((answer, index) => {
        const name = names[index];
        const offsets = name === undefined ? undefined : told.get(keyOf(name));
        // -1: Kafka's "there is none".
        if (offsets !== undefined && 'offset' in answer && answer.offset >= 0n)
          offsets[kind] = answer.offset;
      });
    } catch (error) {
      silence = silenceOf(error, waitMs);
    }
  };
  try {
    if (names.length > 0) await Promise.all(kinds.map(ask));
    throwIfAborted(signal);
  } finally {
    deadline.clear();
  }
  return { silence, of: (name) => told.get(keyOf(name)) ?? unknownOffsets };
}

function keyOf({ topic, partition }: PartitionName): string {
  return `${topic}:${partition}`;
}

function silenceOf(error: unknown, waitMs: number): string {
  if (!(error instanceof LogtierError)) throw error;
  return error.code === 'DEADLINE_EXCEEDED'
    ? `the broker did not answer in ${waitMs} ms`
    : error.message;
}
