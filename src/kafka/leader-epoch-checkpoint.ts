// `leader-epoch-checkpoint` in a partition's directory: lines "epoch startOffset", ascending in both.
//
// A leader adds its own entry before it appends, but truncation is flushed later: the file may hold too
// much (entries at or above the log's end, starts below its start), never too little.
import { parseCheckpoint, parseInt32, parseOffset, printCheckpoint } from './checkpoint-text.ts';
import { corrupt } from './file-errors.ts';
import type { EpochEntry, Lineage } from './lineage.ts';

const FILE = 'leader epoch checkpoint';

export function parseLeaderEpochCheckpoint(text: string): Lineage {
  const entries: EpochEntry[] = [];
  for (const { fields, line } of parseCheckpoint(text, FILE, 2)) {
    const [epochText = '', offsetText = ''] = fields;
    const entry = {
      epoch: parseInt32(epochText, FILE, line),
      startOffset: parseOffset(offsetText, FILE, line),
    };
    const last = entries.at(-1);
    if (
      last !== undefined &&
      (entry.epoch <= last.epoch || entry.startOffset <= last.startOffset)
    ) {
      throw corrupt(FILE)(`epoch ${entry.epoch} does not ascend`, line);
    }
    entries.push(entry);
  }
  return entries;
}

export function printLeaderEpochCheckpoint(lineage: Lineage): string {
  return printCheckpoint(lineage.map((entry) => [entry.epoch, entry.startOffset]));
}
