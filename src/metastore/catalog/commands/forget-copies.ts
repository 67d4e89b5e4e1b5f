import { EpochRow, type ForgetCopies } from '../../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from '../context.ts';
import { epochsOf } from '../index-keys.ts';
import { done, isRefusal, type Outcome, refused } from '../outcome.ts';
import { holdPartition } from '../partition.ts';
import { decodeRow } from '../row.ts';

/**
 * Before all remote data of a living partition is deleted: what was copied once must not count as copied when
 * tiering begins again (rule 7). Segments end one by one after it.
 */
export async function forgetCopies(
  context: CommandContext,
  command: ForgetCopies,
): Promise<Outcome> {
  const held = await holdPartition(context, command);
  if (isRefusal(held)) return refused(held);
  for (const { key, value } of await context.draft.entries(epochsOf(held.address))) {
    context.draft.put(EpochRow, key, { ...decodeRow(EpochRow, value), copied: [] });
  }
  return done();
}
