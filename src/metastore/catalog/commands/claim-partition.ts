import {
  ClaimRow,
  type ClaimPartition,
  RemoteStartMover,
  RemoteStartRow,
  SegmentRecord,
  TopicMode,
  TopicRow,
  type Refusal,
} from '../../../gen/logtier/v1/catalog_command.ts';
import { sameToken } from '../../../segment/ids.ts';
import type { CommandContext } from '../context.ts';
import {
  claimKey,
  openIntentsOf,
  type PartitionAddress,
  remoteStartKey,
  segmentKeyFromIndex,
  tombstoneKey,
  topicKey,
  topicNameKey,
} from '../keys.ts';
import { isOffset, isTopicName, parseAddress, tokenOf } from '../names.ts';
import { isRefusal, type Outcome, refusal, refused } from '../outcome.ts';
import { isYoungerInstance, topicDeleted } from '../partition.ts';
import { isToldLineage, mergeForClaim } from '../stored-lineage.ts';

interface Claimant {
  readonly address: PartitionAddress;
  readonly before: ClaimRow | undefined;
  readonly instanceAge: bigint;
}

/** One broker per leader epoch (rules 1, 11, 13, 26, 27). The token is this entry's revision. */
export async function claimPartition(
  context: CommandContext,
  command: ClaimPartition,
): Promise<Outcome> {
  const claimant = await admitClaim(context, command);
  if (isRefusal(claimant)) return refused(claimant);
  const { address, before, instanceAge } = claimant;
  const token = context.revision;
  if (before !== undefined && !before.released && before.brokerId === command.brokerId) {
    await restampIntents(context, address, before);
  }
  const lineage = await mergeForClaim(context, address, command, before);
  const remoteStart = await ensureRemoteStart(context, address, command.initialRemoteStart);
  context.draft.put(ClaimRow, claimKey(address), {
    partition: { topicId: address.topicId, partition: address.partition },
    leaderEpoch: command.leaderEpoch,
    brokerId: command.brokerId,
    brokerEpoch: command.brokerEpoch,
    instanceAge,
    fenceToken: token,
    lastIntentNumber: before?.lastIntentNumber ?? 0n,
    mode: command.mode,
    released: false,
    reset: false,
  });
  context.touched.partition(address);
  return {
    $case: 'partitionClaimed',
    value: {
      fenceToken: token,
      lineage: lineage.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
      remoteStart,
      lastIntentNumber: before?.lastIntentNumber ?? 0n,
    },
  };
}

async function admitClaim(
  context: CommandContext,
  command: ClaimPartition,
): Promise<Claimant | Refusal> {
  const { draft, cluster, session } = context;
  const address = parseAddress(cluster, command.partition);
  if (address === undefined || !isSoundClaim(command)) {
    return refusal('INVALID_ARGUMENT', 'the claim names something impossible');
  }
  if (session?.brokerId !== command.brokerId) {
    return refusal('INVALID_ARGUMENT', 'a broker is claimed for by its own sidecar only');
  }
  if (await draft.has(tombstoneKey(cluster, address.topicId))) return topicDeleted(address);
  const conflict = await recordTopic(context, address, command);
  if (conflict !== undefined) return conflict;
  const before = await draft.row(ClaimRow, claimKey(address));
  const overtaken = before === undefined ? undefined : whyOvertaken(context, command, before);
  return overtaken ?? { address, before, instanceAge: session.instanceAge };
}

function isSoundClaim(command: ClaimPartition): boolean {
  return (
    isTopicName(command.topic) &&
    isOffset(command.initialRemoteStart) &&
    command.leaderEpoch < 2 ** 31 &&
    (command.mode === TopicMode.WATCH || command.mode === TopicMode.PLUGIN) &&
    isToldLineage(command)
  );
}

/** Mode and name are fixed by the first claim of any partition of the topic (rule 13). */
async function recordTopic(
  context: CommandContext,
  address: PartitionAddress,
  command: ClaimPartition,
): Promise<Refusal | undefined> {
  const { draft, cluster } = context;
  const { topicId } = address;
  const known = await draft.row(TopicRow, topicKey(cluster, topicId));
  if (known === undefined) {
    const topic = { topicId, name: command.topic, mode: command.mode };
    draft.put(TopicRow, topicKey(cluster, topicId), topic);
    draft.putBytes(topicNameKey(cluster, command.topic, topicId), new Uint8Array(0));
    return undefined;
  }
  if (known.name !== command.topic) {
    return refusal('INVALID_ARGUMENT', `topic ${topicId} is named ${known.name}`);
  }
  return known.mode === command.mode
    ? undefined
    : refusal('MODE_CONFLICT', `topic ${known.name} is tiered in the other mode`);
}

function whyOvertaken(
  context: CommandContext,
  command: ClaimPartition,
  before: ClaimRow,
): Refusal | undefined {
  const place = `partition ${command.topic}-${command.partition?.partition ?? 0}`;
  if (sameToken(tokenOf(before.fenceToken), context.revision)) {
    return refusal('INVALID_ARGUMENT', `${place} is claimed or released twice in one command`);
  }
  if (before.reset || command.leaderEpoch > before.leaderEpoch) return undefined;
  if (command.leaderEpoch < before.leaderEpoch) {
    return refusal('FENCED_LEADER_EPOCH', `${place} was claimed at epoch ${before.leaderEpoch}`);
  }
  if (isYoungerInstance(context, before)) {
    return refusal('FENCED_INSTANCE', `a younger process of this broker owns ${place}`);
  }
  return before.released || before.brokerId === command.brokerId
    ? undefined
    : refusal(
        'FENCED_LEADER_EPOCH',
        `broker ${before.brokerId} claimed ${place} at this very epoch ${before.leaderEpoch}`,
      );
}

/** No other claim came between: the broker's own open copies stay its own, under the same keys (rule 11). */
async function restampIntents(
  context: CommandContext,
  address: PartitionAddress,
  before: ClaimRow,
): Promise<void> {
  for (const { key } of await context.draft.entries(openIntentsOf(address))) {
    const rowKey = segmentKeyFromIndex(key);
    const record = await context.draft.row(SegmentRecord, rowKey);
    const isOwn =
      record !== undefined && sameToken(tokenOf(record.fenceToken), tokenOf(before.fenceToken));
    if (isOwn) {
      const restamped = { ...record, fenceToken: context.revision };
      context.draft.put(SegmentRecord, rowKey, restamped);
      context.touched.segment(restamped);
    }
  }
}

/** The first claimant knows where tiering begins; later only MoveRemoteStart. */
async function ensureRemoteStart(
  context: CommandContext,
  address: PartitionAddress,
  initial: bigint,
): Promise<bigint> {
  const key = remoteStartKey(address);
  const known = await context.draft.row(RemoteStartRow, key);
  if (known !== undefined) return known.remoteStart;
  context.draft.put(RemoteStartRow, key, {
    remoteStart: initial,
    by: RemoteStartMover.UNSPECIFIED,
    revision: context.revision,
  });
  return initial;
}
