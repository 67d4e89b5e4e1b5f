// Offsets per partition in the root of a log directory: lines "topic partition offset".
//
// One shape, four files, written every few seconds: replication-offset-checkpoint (high watermark),
// log-start-offset-checkpoint, recovery-point-offset-checkpoint and cleaner-offset-checkpoint. They tell where
// things stood, and may be too high after a truncation: nothing is decided by them (safety rule 16).
import { parseCheckpoint, parseInt32, parseOffset, printCheckpoint } from './checkpoint-text.ts';
import { corrupt } from './file-errors.ts';

const FILE = 'offset checkpoint';

export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Offsets by `<topic>-<partition>`, the name of the partition's live directory. */
export type OffsetCheckpoint = ReadonlyMap<string, PartitionOffset>;

export function parseOffsetCheckpoint(text: string): OffsetCheckpoint {
  const offsets = new Map<string, PartitionOffset>();
  for (const { fields, line } of parseCheckpoint(text, FILE, 3)) {
    const [topic = '', partitionText = '', offsetText = ''] = fields;
    const partition = parseInt32(partitionText, FILE, line);
    const key = `${topic}-${partition}`;
    if (offsets.has(key)) throw corrupt(FILE)(`${key} stands there twice`, line);
    offsets.set(key, { topic, partition, offset: parseOffset(offsetText, FILE, line) });
  }
  return offsets;
}

export function printOffsetCheckpoint(offsets: Iterable<PartitionOffset>): string {
  return printCheckpoint(
    Array.from(offsets, ({ topic, partition, offset }) => [topic, partition, offset]),
  );
}
