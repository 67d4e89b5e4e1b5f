import {
  type ClaimRow,
  type LeaderEpochEntry,
  StoredLineage,
} from '../../gen/logtier/v1/catalog_command.ts';
import { type Lineage, lineageBelow, mergeLineage } from '../../kafka/lineage.ts';
import type { CommandContext } from './context.ts';
import { lineageKey, type PartitionAddress } from './keys.ts';
import { isOffset } from './names.ts';

/** What a broker tells: its checkpoint, which it cuts at its local start. */
export interface ToldLineage {
  readonly lineage: readonly LeaderEpochEntry[];
  readonly brokerLocalStart: bigint;
}

export async function readLineage(
  context: CommandContext,
  address: PartitionAddress,
): Promise<Lineage> {
  return (await context.draft.row(StoredLineage, lineageKey(address)))?.entries ?? [];
}

/** Epochs and offsets both ascend: Kafka's LeaderEpochFileCache never holds anything else. */
export function isToldLineage(told: ToldLineage): boolean {
  if (!isOffset(told.brokerLocalStart)) return false;
  return told.lineage.every((entry, at) => {
    const before = told.lineage[at - 1];
    return (
      isOffset(entry.startOffset) &&
      (before === undefined ||
        (before.epoch < entry.epoch && before.startOffset < entry.startOffset))
    );
  });
}

/** Rule 1: merges what the broker told at and above its local start; says what is stored now. */
export async function mergeStoredLineage(
  context: CommandContext,
  address: PartitionAddress,
  told: ToldLineage,
): Promise<Lineage> {
  const stored = await readLineage(context, address);
  const merged = mergeLineage(stored, told.lineage, told.brokerLocalStart);
  writeLineage(context, address, stored, merged);
  return merged;
}

/** After a reset epochs begin anew (rule 32): the broker's list replaces all from its local start up. */
async function mergeAfterReset(
  context: CommandContext,
  address: PartitionAddress,
  told: ToldLineage,
): Promise<Lineage> {
  const stored = await readLineage(context, address);
  const below = lineageBelow(stored, told.brokerLocalStart);
  const merged = mergeLineage(below, told.lineage, told.brokerLocalStart);
  writeLineage(context, address, stored, merged);
  return merged;
}

export function mergeForClaim(
  context: CommandContext,
  address: PartitionAddress,
  told: ToldLineage,
  before: ClaimRow | undefined,
): Promise<Lineage> {
  const merge = before?.reset === true ? mergeAfterReset : mergeStoredLineage;
  return merge(context, address, told);
}

function writeLineage(
  context: CommandContext,
  address: PartitionAddress,
  stored: Lineage,
  merged: Lineage,
): void {
  if (sameLineage(stored, merged)) return;
  const entries = merged.map(({ epoch, startOffset }) => ({ epoch, startOffset }));
  context.draft.put(StoredLineage, lineageKey(address), { entries });
}

function sameLineage(left: Lineage, right: Lineage): boolean {
  return (
    left.length === right.length &&
    left.every((entry, at) => {
      const other = right[at];
      return entry.epoch === other?.epoch && entry.startOffset === other.startOffset;
    })
  );
}
