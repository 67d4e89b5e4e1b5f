// The fence: every change of a partition goes through here (safety rules 10, 11, 22, 23, 27).
import {
  ClaimRow,
  type FenceToken,
  type PartitionRef,
  type Refusal,
  SegmentRecord,
} from '../../gen/logtier/v1/catalog_command.ts';
import { sameToken, type SegmentId } from '../../segment/ids.ts';
import type { CommandContext } from './context.ts';
import { claimKey, type PartitionAddress, segmentKey, tombstoneKey } from './keys.ts';
import { parseAddress, parseSegmentId, tokenOf } from './names.ts';
import { isRefusal, refusal } from './outcome.ts';

/** A partition whose newest claim is the one the command names. */
export interface HeldPartition {
  readonly address: PartitionAddress;
  readonly claim: ClaimRow;
}

export interface HeldSegment extends HeldPartition {
  readonly id: SegmentId;
  readonly record: SegmentRecord;
}

export interface OfPartition {
  readonly partition: PartitionRef | undefined;
  readonly fenceToken: FenceToken | undefined;
}

export interface OfSegment extends OfPartition {
  readonly segmentId: string;
}

/** Refused for a token that is not the newest, even at an equal epoch; a deleted topic takes nothing. */
export async function holdPartition(
  context: CommandContext,
  command: OfPartition,
): Promise<HeldPartition | Refusal> {
  const address = parseAddress(context.cluster, command.partition);
  if (address === undefined) return refusal('INVALID_ARGUMENT', 'no such partition can be');
  const { draft, cluster } = context;
  if (await draft.has(tombstoneKey(cluster, address.topicId))) return topicDeleted(address);
  const claim = await draft.row(ClaimRow, claimKey(address));
  if (claim === undefined || !sameToken(tokenOf(claim.fenceToken), tokenOf(command.fenceToken))) {
    return fenced(context, address, claim);
  }
  return { address, claim };
}

/** NOT_FOUND when the record is gone or never was. */
export async function holdSegment(
  context: CommandContext,
  command: OfSegment,
): Promise<HeldSegment | Refusal> {
  const held = await holdPartition(context, command);
  if (isRefusal(held)) return held;
  const id = parseSegmentId(command.segmentId);
  if (id === undefined) return refusal('INVALID_ARGUMENT', `no segment id: ${command.segmentId}`);
  const record = await context.draft.row(SegmentRecord, segmentKey(held.address, id));
  return record === undefined
    ? refusal('NOT_FOUND', `no record of segment ${id}`)
    : { ...held, id, record };
}

export function topicDeleted(address: PartitionAddress): Refusal {
  return refusal('TOPIC_DELETED', `topic ${address.topicId} is deleted`);
}

function fenced(
  context: CommandContext,
  address: PartitionAddress,
  claim: ClaimRow | undefined,
): Refusal {
  const place = `partition ${address.topicId}:${address.partition}`;
  if (claim === undefined) return refusal('FENCED_LEADER_EPOCH', `${place} was never claimed`);
  if (isYoungerInstance(context, claim)) {
    return refusal(
      'FENCED_INSTANCE',
      `a younger process of broker ${claim.brokerId} owns ${place}`,
    );
  }
  const owner = claim.released ? 'was released' : `is owned by broker ${claim.brokerId}`;
  return refusal('FENCED_LEADER_EPOCH', `${place} ${owner} at epoch ${claim.leaderEpoch}`);
}

/** The row's owner is another process of the command's own broker, and started later (rule 27). */
export function isYoungerInstance(context: CommandContext, claim: ClaimRow): boolean {
  const { session } = context;
  return (
    session !== undefined &&
    !claim.released &&
    session.brokerId === claim.brokerId &&
    claim.instanceAge > session.instanceAge
  );
}
