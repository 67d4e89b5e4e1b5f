import {
  type MoveRemoteStart,
  RemoteStartMover,
  RemoteStartRow,
} from '../../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from '../context.ts';
import { remoteStartKey } from '../keys.ts';
import { isOffset } from '../names.ts';
import { done, isRefusal, type Outcome, refuse, refused } from '../outcome.ts';
import { holdPartition } from '../partition.ts';

/** Moved by our retention or an operator, before objects go; back by an operator only (rule 2). */
export async function moveRemoteStart(
  context: CommandContext,
  command: MoveRemoteStart,
): Promise<Outcome> {
  const held = await holdPartition(context, command);
  if (isRefusal(held)) return refused(held);
  const { remoteStart, by } = command;
  if (!isOffset(remoteStart) || by === RemoteStartMover.UNSPECIFIED) {
    return refuse('INVALID_ARGUMENT', 'a remote start needs an offset and who moves it');
  }
  const key = remoteStartKey(held.address);
  const current = (await context.draft.row(RemoteStartRow, key))?.remoteStart ?? 0n;
  if (remoteStart === current) return done();
  const isRetention = by === RemoteStartMover.RETENTION;
  if (isRetention && context.state.clockHeld) {
    return refuse('CLOCK_SKEW', 'the clock jumped: retention waits until an operator confirms it');
  }
  if (isRetention && remoteStart < current) {
    return refuse('ILLEGAL_TRANSITION', `the remote start is ${current} and never goes back`);
  }
  context.draft.put(RemoteStartRow, key, { remoteStart, by, revision: context.revision });
  context.touched.partition(held.address);
  return done();
}
