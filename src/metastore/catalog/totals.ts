// Counts per partition and of the whole catalog, kept with every change so that nobody has to scan.
import { PartitionTotals, type SegmentRecord } from '../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from './context.ts';
import { type PartitionAddress, totalsKey } from './keys.ts';

export interface TotalsChange {
  readonly segments?: number;
  readonly openIntents?: number;
  /** A record that becomes finished (1) or stops being it (-1). */
  readonly finished?: { readonly by: 1 | -1; readonly record: SegmentRecord };
}

const NONE: PartitionTotals = {
  segments: 0n,
  finishedSegments: 0n,
  finishedLogBytes: 0n,
  openIntents: 0,
  prefixes: [],
};

export async function readTotals(
  context: CommandContext,
  address: PartitionAddress,
): Promise<PartitionTotals> {
  return (await context.draft.row(PartitionTotals, totalsKey(address))) ?? NONE;
}

export async function changeTotals(
  context: CommandContext,
  address: PartitionAddress,
  change: TotalsChange,
): Promise<void> {
  const totals = await readTotals(context, address);
  writeTotals(context, address, totals, change);
}

export function writeTotals(
  context: CommandContext,
  address: PartitionAddress,
  totals: PartitionTotals,
  change: TotalsChange,
): void {
  const segments = BigInt(change.segments ?? 0);
  const finished = BigInt(change.finished?.by ?? 0);
  const logBytes = finished * (change.finished?.record.logBytes ?? 0n);
  context.state.segments += segments;
  context.draft.put(PartitionTotals, totalsKey(address), {
    ...totals,
    segments: totals.segments + segments,
    finishedSegments: totals.finishedSegments + finished,
    finishedLogBytes: totals.finishedLogBytes + logBytes,
    openIntents: totals.openIntents + (change.openIntents ?? 0),
  });
}
