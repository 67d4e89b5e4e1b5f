// A copy from its intent to its commit.
import {
  type AdoptIntent,
  ClaimRow,
  type FinishCopy,
  type PartitionTotals,
  type RecordUpload,
  SegmentRecord,
  SegmentState,
  type StartCopy,
  type StorePrefix,
} from '../../../gen/logtier/v1/catalog_command.ts';
import { sameToken } from '../../../segment/ids.ts';
import type { CommandContext } from '../context.ts';
import { byOffsetKey, claimKey, eraseKey, openIntentKey, segmentKey } from '../keys.ts';
import { MAX_OPEN_INTENTS, MAX_STORE_PREFIXES, MAX_TEXT_BYTES, MAX_UPLOAD_IDS } from '../limits.ts';
import { parseSegmentId, tokenOf } from '../names.ts';
import { indexFinished, indexIntent } from '../segment-index.ts';
import { done, isRefusal, type Outcome, refuse, refused, segmentChanged } from '../outcome.ts';
import { type HeldPartition, type HeldSegment, holdPartition, holdSegment } from '../partition.ts';
import { haveSameFacts, keyPrefixOf, whyUnsound } from '../segment-facts.ts';
import { isToldLineage, mergeStoredLineage } from '../stored-lineage.ts';
import { changeTotals, readTotals, writeTotals } from '../totals.ts';

/** The intent, before the first byte. A known id with equal facts gets the answer it got before. */
export async function startCopy(context: CommandContext, command: StartCopy): Promise<Outcome> {
  const { segment } = command;
  if (segment === undefined) return refuse('INVALID_ARGUMENT', 'an intent without a segment');
  const held = await holdPartition(context, { ...segment, partition: segment });
  if (isRefusal(held)) return refused(held);
  const id = parseSegmentId(segment.segmentId);
  const unsound = whyUnsound(segment);
  if (id === undefined || unsound !== undefined || !isToldLineage(command)) {
    return refuse('INVALID_ARGUMENT', `the intent has ${unsound ?? 'no sound id or lineage'}`);
  }
  const known = await context.draft.row(SegmentRecord, segmentKey(held.address, id));
  if (known !== undefined) return answerAgain(known, segment, held);
  // Single use (rule 22): neither a late intent nor one whose object waits to be erased comes back.
  const isSpent = await context.draft.has(eraseKey(held.address, id));
  if (isSpent || command.intentNumber <= held.claim.lastIntentNumber) {
    return refuse('ILLEGAL_TRANSITION', `the intent of segment ${id} is spent`);
  }
  return await beginCopy(context, held, command, segment);
}

function answerAgain(known: SegmentRecord, asked: SegmentRecord, held: HeldPartition): Outcome {
  const { segmentId } = known;
  if (!sameToken(tokenOf(known.fenceToken), tokenOf(held.claim.fenceToken))) {
    return refuse('FENCED_LEADER_EPOCH', `segment ${segmentId} was started under another claim`);
  }
  const isOpen =
    known.state === SegmentState.COPY_SEGMENT_STARTED ||
    known.state === SegmentState.COPY_SEGMENT_FINISHED;
  return isOpen && haveSameFacts(known, asked)
    ? segmentChanged(known)
    : refuse('ILLEGAL_TRANSITION', `segment ${segmentId} is known with other facts or deleted`);
}

async function beginCopy(
  context: CommandContext,
  held: HeldPartition,
  command: StartCopy,
  asked: SegmentRecord,
): Promise<Outcome> {
  const { address, claim } = held;
  const totals = await readTotals(context, address);
  const prefixes = withPrefix(totals, asked);
  if (totals.openIntents >= MAX_OPEN_INTENTS || prefixes.length > MAX_STORE_PREFIXES) {
    return refuse('OVERLOADED', 'the partition has too many open copies or places of objects');
  }
  const id = parseSegmentId(asked.segmentId);
  if (id === undefined) return refuse('INVALID_ARGUMENT', 'no segment id');
  const record: SegmentRecord = {
    ...asked,
    state: SegmentState.COPY_SEGMENT_STARTED,
    fenceToken: claim.fenceToken,
    uploadIds: [],
    eventTimestampMs: context.state.clockMs,
    adopted: false,
  };
  await mergeStoredLineage(context, address, command);
  const { draft } = context;
  draft.put(SegmentRecord, segmentKey(address, id), record);
  draft.putBytes(openIntentKey(address, id), new Uint8Array(0));
  draft.putBytes(byOffsetKey(address, record.startOffset, id), new Uint8Array(0));
  await indexIntent(draft, { address, id, record });
  draft.put(ClaimRow, claimKey(address), { ...claim, lastIntentNumber: command.intentNumber });
  writeTotals(context, address, { ...totals, prefixes }, { segments: 1, openIntents: 1 });
  context.touched.partition(address);
  context.touched.segment(record);
  return segmentChanged(record);
}

function withPrefix(totals: PartitionTotals, asked: SegmentRecord): StorePrefix[] {
  const { store } = asked;
  const keyPrefix = keyPrefixOf(asked) ?? '';
  const isKnown = totals.prefixes.some((it) => it.store === store && it.keyPrefix === keyPrefix);
  return isKnown ? totals.prefixes : [...totals.prefixes, { store, keyPrefix }];
}

/** Before the first part: an upload that nobody knows could never be aborted (rule 24). */
export async function recordUpload(
  context: CommandContext,
  command: RecordUpload,
): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return refused(held);
  const { record } = held;
  if (!isOwn(held)) return refuse('FENCED_LEADER_EPOCH', 'the copy belongs to an earlier claim');
  if (record.state !== SegmentState.COPY_SEGMENT_STARTED) return illegal(record, 'upload');
  const { uploadId } = command;
  if (uploadId === '' || Buffer.byteLength(uploadId) > MAX_TEXT_BYTES) {
    return refuse('INVALID_ARGUMENT', 'no upload id');
  }
  if (record.uploadIds.includes(uploadId)) return done();
  if (record.uploadIds.length >= MAX_UPLOAD_IDS) {
    return refuse('OVERLOADED', `segment ${record.segmentId} has too many uploads`);
  }
  writeRecord(context, held, { ...record, uploadIds: [...record.uploadIds, uploadId] });
  return done();
}

/** Only under the claim that is stamped in the record (rule 11). */
export async function finishCopy(context: CommandContext, command: FinishCopy): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return refused(held);
  if (!isOwn(held)) return refuse('FENCED_LEADER_EPOCH', 'the copy belongs to an earlier claim');
  return await commitCopy(context, held, held.record);
}

/** An earlier owner's object, verified by its manifest: the key stays, the token is ours (rule 10). */
export async function adoptIntent(context: CommandContext, command: AdoptIntent): Promise<Outcome> {
  const held = await holdSegment(context, command);
  if (isRefusal(held)) return refused(held);
  const fenceToken = held.claim.fenceToken;
  return await commitCopy(context, held, { ...held.record, fenceToken, adopted: true });
}

async function commitCopy(
  context: CommandContext,
  held: HeldSegment,
  record: SegmentRecord,
): Promise<Outcome> {
  if (held.record.state === SegmentState.COPY_SEGMENT_FINISHED) return done();
  if (held.record.state !== SegmentState.COPY_SEGMENT_STARTED) return illegal(record, 'commit');
  const finished: SegmentRecord = {
    ...record,
    state: SegmentState.COPY_SEGMENT_FINISHED,
    uploadIds: [],
    eventTimestampMs: context.state.clockMs,
  };
  context.draft.delete(openIntentKey(held.address, held.id));
  await changeTotals(context, held.address, {
    openIntents: -1,
    finished: { by: 1, record: finished },
  });
  writeRecord(context, held, finished);
  await indexFinished(context.draft, { ...held, record: finished });
  return done();
}

function isOwn({ record, claim }: HeldSegment): boolean {
  return sameToken(tokenOf(record.fenceToken), tokenOf(claim.fenceToken));
}

function writeRecord(context: CommandContext, held: HeldSegment, record: SegmentRecord): void {
  context.draft.put(SegmentRecord, segmentKey(held.address, held.id), record);
  context.touched.segment(record);
}

function illegal(record: SegmentRecord, step: string): Outcome {
  return refuse(
    'ILLEGAL_TRANSITION',
    `no ${step} of segment ${record.segmentId}: it is being deleted or is finished`,
  );
}
