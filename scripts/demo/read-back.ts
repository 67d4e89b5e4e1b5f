// Reads every record from offset 0 and compares it, offset and content, with what was written.
import { isDeepStrictEqual } from 'node:util';
import type { KafkaWorkload } from '../../test/support/testbeds/kafka-workload.ts';
import { expectedRead, type TieredReader } from '../../test/support/tiered-reader.ts';
import type { Narrator } from './narrator.ts';
import type { WrittenPartition } from './write-topics.ts';

export interface ReadBack {
  /** Each record once, whatever became of its transaction. */
  readonly records: number;
  /** Reads of a partition that differ from what was written. */
  readonly mismatches: number;
}

export async function readBack(
  workload: KafkaWorkload,
  reader: TieredReader,
  written: readonly WrittenPartition[],
  narrator: Narrator,
): Promise<ReadBack> {
  let [records, mismatches] = [0, 0];
  for (const partition of written) {
    for (const isolation of partition.isolations) {
      const { topic, partition: number, all, committed } = partition;
      const runs = isolation === 'read_committed' ? committed : all;
      const job = { topic, partition: number, isolation, fromOffset: 0n };
      const read = await reader.readTiers(workload, job, runs);
      const isEqual = isDeepStrictEqual(read, expectedRead(runs, read.switchedAt));
      const { remote, local } = read;
      if (!isEqual) mismatches += 1;
      if (isolation === 'read_uncommitted') records += remote.count + local.count;
      const words = `${remote.count} records from the store, ${local.count} from the broker`;
      const verdict = isEqual ? 'equal' : 'DIFFERENT from what was written';
      narrator.say(`      ${topic}-${number}, ${isolation}: ${words}: ${verdict}`);
    }
  }
  return { records, mismatches };
}
