// What the demo writes: a compressed topic, and one of transactions of which every fourth is aborted.
import type {
  Isolation,
  KafkaWorkload,
  PartitionName,
  Produced,
} from '../../test/support/testbeds/kafka-workload.ts';
import { mib, Rate, type Narrator } from './narrator.ts';

const PARTITIONS = 3;
/** 1.3 GiB of values; orders shrink to a half of theirs, so that the log is 1.1 GiB on disk. */
const ROUNDS = { orders: 13, payments: 16 } as const;
const ROUND_RECORDS = 8_192;
const VALUE_BYTES = 2_048;
const SEGMENT_BYTES = 16 * 2 ** 20;
/** Records lie in the past, transaction markers in the present: by age alone each marker would begin a segment. */
const SEGMENT_AGE_MS = 10 ** 13;
const ABORTED_EVERY = 4;

const TOTAL_BYTES =
  PARTITIONS * (ROUNDS.orders + ROUNDS.payments + 1) * ROUND_RECORDS * VALUE_BYTES;

/** What lies in one partition. */
export interface WrittenPartition extends PartitionName {
  readonly all: readonly Produced[];
  readonly committed: readonly Produced[];
  /** With which it is to be read back. */
  readonly isolations: readonly Isolation[];
}

export async function writeTopics(
  workload: KafkaWorkload,
  narrator: Narrator,
): Promise<WrittenPartition[]> {
  const configs = { 'segment.bytes': `${SEGMENT_BYTES}`, 'segment.ms': `${SEGMENT_AGE_MS}` };
  for (const topic of ['orders', 'payments']) {
    await workload.createTopic({ topic, partitions: PARTITIONS, configs });
  }
  const rate = new Rate();
  let bytes = 0;
  const wrote = (run: Produced): void => {
    bytes += run.count * VALUE_BYTES;
    narrator.progress(() => `${mib(bytes)} of ${mib(TOTAL_BYTES)} written, ${rate.words(bytes)}`);
  };
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  return Promise.all([
    ...partitions.map((partition) => writeOrders(workload, partition, wrote)),
    ...partitions.map((partition) => writePayments(workload, partition, wrote)),
  ]);
}

type Wrote = (run: Produced) => void;

async function writeOrders(
  workload: KafkaWorkload,
  partition: number,
  wrote: Wrote,
): Promise<WrittenPartition> {
  const name = { topic: 'orders', partition };
  const all: Produced[] = [];
  for (let round = 0; round < ROUNDS.orders; round += 1) {
    const run = await workload.produce({ ...name, ...recordsOf(round), codec: 'lz4' });
    all.push(run);
    wrote(run);
  }
  return { ...name, all, committed: all, isolations: ['read_uncommitted'] };
}

async function writePayments(
  workload: KafkaWorkload,
  partition: number,
  wrote: Wrote,
): Promise<WrittenPartition> {
  const name = { topic: 'payments', partition };
  const [all, committed]: [Produced[], Produced[]] = [[], []];
  for (let round = 0; round < ROUNDS.payments; round += 1) {
    const outcome = round % ABORTED_EVERY === 1 ? 'abort' : 'commit';
    const transactionalId = `payments-${partition}`;
    const job = { ...name, ...recordsOf(round), outcome, transactionalId } as const;
    const run = await workload.produceTransaction(job);
    all.push(run);
    if (outcome === 'commit') committed.push(run);
    wrote(run);
  }
  // Longer than a segment: the remote tier alone knows how each of its transactions ended.
  const tail = await workload.produce({ ...name, ...recordsOf(ROUNDS.payments) });
  all.push(tail);
  wrote(tail);
  committed.push(tail);
  return { ...name, all, committed, isolations: ['read_uncommitted', 'read_committed'] };
}

function recordsOf(round: number): { count: number; valueBytes: number; startIndex: number } {
  return { count: ROUND_RECORDS, valueBytes: VALUE_BYTES, startIndex: round * ROUND_RECORDS };
}
