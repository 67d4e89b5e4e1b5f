// The delete queue (rules 23–25): rows by name, and their order by due time.
import { EraseEntry, ErasePrefix } from '../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from './context.ts';
import { dueKey, eraseKey, type PartitionAddress, prefixKey } from './keys.ts';
import type { SegmentId } from '../../segment/ids.ts';

export type EraseFacts = Omit<
  EraseEntry,
  'clusterId' | 'partition' | 'dueMs' | 'passes' | 'queuedMs'
>;

/** Due at once: whoever comes first erases it. */
export function queueObject(
  context: CommandContext,
  address: PartitionAddress,
  id: SegmentId,
  facts: EraseFacts,
): void {
  const nowMs = context.state.clockMs;
  const { topicId, partition } = address;
  const key = eraseKey(address, id);
  context.state.eraseQueue += 1n;
  context.draft.put(EraseEntry, key, {
    ...facts,
    clusterId: context.clusterId,
    partition: { topicId, partition },
    dueMs: nowMs,
    passes: 0,
    queuedMs: nowMs,
  });
  context.draft.putBytes(dueKey(key, nowMs), new Uint8Array(0));
}

export function postponeObject(context: CommandContext, key: Uint8Array, entry: EraseEntry): void {
  context.draft.put(EraseEntry, key, entry);
  context.draft.putBytes(dueKey(key, entry.dueMs), new Uint8Array(0));
}

/** Ends a row of either queue at its old due time. */
export function dequeue(context: CommandContext, key: Uint8Array, dueMs: bigint): void {
  context.draft.delete(dueKey(key, dueMs));
  context.draft.delete(key);
}

/** A partition has one row for each place that its objects were ever put to. */
export function prefixRowKey(
  address: PartitionAddress,
  place: { readonly store: string; readonly keyPrefix: string },
): Uint8Array {
  return prefixKey(address, `${place.store}\n${place.keyPrefix}`);
}

export function queuePrefix(
  context: CommandContext,
  address: PartitionAddress,
  row: ErasePrefix,
): void {
  const key = prefixRowKey(address, row);
  context.draft.put(ErasePrefix, key, row);
  context.draft.putBytes(dueKey(key, row.dueMs), new Uint8Array(0));
}
