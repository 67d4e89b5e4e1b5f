// The end of a record: its object enters the delete queue in the same batch (rules 1, 4, 8, 23).
import {
  type AbortCopy,
  DeleteReason,
  type FinishDelete,
  RemoteStartRow,
  type Refusal,
  SegmentRecord,
  SegmentState,
  type StartDelete,
  TopicMode,
} from '../../../gen/logtier/v1/catalog_command.ts';
import { contradiction } from '../../../kafka/lineage.ts';
import type { CommandContext } from '../context.ts';
import { queueObject } from '../erase-queue.ts';
import { byOffsetKey, openIntentKey, remoteStartKey, segmentKey } from '../keys.ts';
import { done, isRefusal, type Outcome, refusal, refuse, refused } from '../outcome.ts';
import { type HeldSegment, holdSegment } from '../partition.ts';
import { indexDeleting, indexEnded, isLostWith } from '../segment-index.ts';
import { readLineage } from '../stored-lineage.ts';
import { changeTotals } from '../totals.ts';

/** Legal only from COPY_SEGMENT_STARTED. On FINISHED it is refused, and the copy counts as done (rule 4). */
export async function abortCopy(context: CommandContext, command: AbortCopy): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return refused(held);
  switch (held.record.state) {
    case SegmentState.COPY_SEGMENT_STARTED:
      await beginDelete(context, held, { reason: DeleteReason.ABORTED });
      return done();
    case SegmentState.COPY_SEGMENT_FINISHED:
      return refuse('ILLEGAL_TRANSITION', `the copy of segment ${held.id} is finished`);
    default:
      return done();
  }
}

export async function startDelete(context: CommandContext, command: StartDelete): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return refused(held);
  const { state } = held.record;
  if (state === SegmentState.DELETE_SEGMENT_STARTED) return done();
  const why = await whyNotDeletable(context, held, command);
  if (why !== undefined) return refused(why);
  const isOpen = state === SegmentState.COPY_SEGMENT_STARTED;
  if (isOpen && command.reason !== DeleteReason.BROKER) {
    return refuse('ILLEGAL_TRANSITION', `segment ${held.id} is being copied: abort it first`);
  }
  await beginDelete(context, held, command);
  return done();
}

type DeleteGround = Pick<StartDelete, 'reason'> & Partial<Pick<StartDelete, 'contradiction'>>;

async function whyNotDeletable(
  context: CommandContext,
  held: HeldSegment,
  ground: StartDelete,
): Promise<Refusal | undefined> {
  switch (ground.reason) {
    case DeleteReason.RETENTION_TIME:
    case DeleteReason.RETENTION_BYTES:
      return await whyRetained(context, held);
    case DeleteReason.DIVERGED:
      return await whyNotDiverged(context, held, ground);
    case DeleteReason.BROKER:
      return held.claim.mode === TopicMode.PLUGIN
        ? undefined
        : refusal('MODE_CONFLICT', 'a broker deletes remote segments in plugin mode only');
    case DeleteReason.OPERATOR:
      return undefined;
    case DeleteReason.ABORTED:
    case DeleteReason.UNSPECIFIED:
      return refusal('INVALID_ARGUMENT', 'a delete needs a reason of its own');
  }
}

/** Retention stands still while the clock is held (rule 8), and moves the remote start first (rule 2). */
async function whyRetained(
  context: CommandContext,
  held: HeldSegment,
): Promise<Refusal | undefined> {
  if (context.state.clockHeld) {
    return refusal('CLOCK_SKEW', 'the clock jumped: retention waits until an operator confirms it');
  }
  const start = await context.draft.row(RemoteStartRow, remoteStartKey(held.address));
  return held.record.nextOffset <= (start?.remoteStart ?? 0n)
    ? undefined
    : refusal('ILLEGAL_TRANSITION', `segment ${held.id} reaches above the remote start`);
}

/** Only an entry of the stored lineage that says another epoch makes a segment divergent (rule 1). */
async function whyNotDiverged(
  context: CommandContext,
  held: HeldSegment,
  ground: StartDelete,
): Promise<Refusal | undefined> {
  const found = contradiction(held.record, await readLineage(context, held.address));
  const named = ground.contradiction;
  const isNamed =
    found !== undefined && found.epoch === named?.epoch && found.startOffset === named.startOffset;
  return isNamed
    ? undefined
    : refusal('ILLEGAL_TRANSITION', `the lineage does not so contradict segment ${held.id}`);
}

async function beginDelete(
  context: CommandContext,
  held: HeldSegment,
  ground: DeleteGround,
): Promise<void> {
  const { address, id, record } = held;
  const everFinished = record.state === SegmentState.COPY_SEGMENT_FINISHED;
  queueObject(context, address, id, {
    segmentId: record.segmentId,
    store: record.store,
    objectKey: record.objectKey,
    uploadIds: record.uploadIds,
    objectBytes: record.objectBytes,
    reason: ground.reason,
    contradiction: ground.contradiction,
    everFinished,
  });
  if (everFinished) await changeTotals(context, address, { finished: { by: -1, record } });
  else {
    context.draft.delete(openIntentKey(address, id));
    await changeTotals(context, address, { openIntents: -1 });
  }
  const deleting: SegmentRecord = {
    ...record,
    state: SegmentState.DELETE_SEGMENT_STARTED,
    eventTimestampMs: context.state.clockMs,
  };
  context.draft.put(SegmentRecord, segmentKey(address, id), deleting);
  const ending = { wasFinished: everFinished, isLost: isLostWith(ground.reason) };
  await indexDeleting(context.draft, held, ending);
  context.touched.segment(deleting);
}

/** Ends the record. The queue entry stays until ObjectErased, so an early end leaves no orphan. */
export async function finishDelete(
  context: CommandContext,
  command: FinishDelete,
): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return held.code === 'NOT_FOUND' ? done() : refused(held);
  const { address, id, record } = held;
  if (record.state !== SegmentState.DELETE_SEGMENT_STARTED) {
    return refuse('ILLEGAL_TRANSITION', `the delete of segment ${id} has not begun`);
  }
  context.draft.delete(segmentKey(address, id));
  context.draft.delete(byOffsetKey(address, record.startOffset, id));
  await indexEnded(context.draft, held);
  await changeTotals(context, address, { segments: -1 });
  context.touched.segment({
    ...record,
    state: SegmentState.DELETE_SEGMENT_FINISHED,
    eventTimestampMs: context.state.clockMs,
  });
  return done();
}
