// Claims that end without a new owner: given back, or reset by an operator (rules 26, 32).
import {
  ClaimRow,
  type ReleaseClaim,
  type ResetClaim,
} from '../../../gen/logtier/v1/catalog_command.ts';
import { sameToken } from '../../../segment/ids.ts';
import type { CommandContext } from '../context.ts';
import { claimKey, claimsOfTopic, tombstoneKey } from '../keys.ts';
import { parseAddress, parseTopicId, tokenOf } from '../names.ts';
import { done, isRefusal, type Outcome, refuse, refused } from '../outcome.ts';
import { holdPartition } from '../partition.ts';
import { decodeRow } from '../row.ts';

/** The epoch stays, the owner goes, the token rises: what the old owner still sends is refused. */
export async function releaseClaim(
  context: CommandContext,
  command: ReleaseClaim,
): Promise<Outcome> {
  const held = await holdPartition(context, command);
  if (isRefusal(held)) return refused(held);
  const { address, claim } = held;
  if (sameToken(tokenOf(claim.fenceToken), context.revision)) {
    return refuse('INVALID_ARGUMENT', 'the partition is claimed and released in one command');
  }
  const released = { ...claim, released: true, fenceToken: context.revision };
  context.draft.put(ClaimRow, claimKey(address), released);
  context.touched.partition(address);
  return done();
}

/** For epochs that went back with a rebuilt controller: any broker may claim at any epoch. */
export async function resetClaim(context: CommandContext, command: ResetClaim): Promise<Outcome> {
  const { cluster, draft, revision } = context;
  const topicId = parseTopicId(command.topicId);
  if (topicId === undefined || command.operator === '') {
    return refuse('INVALID_ARGUMENT', 'a reset names a topic id and who asks for it');
  }
  if (await draft.has(tombstoneKey(cluster, topicId))) {
    return refuse('TOPIC_DELETED', `topic ${topicId} is deleted`);
  }
  const rows = await draft.entries(claimsOfTopic(cluster, topicId));
  if (rows.length === 0) return refuse('NOT_FOUND', `no partition of topic ${topicId} was claimed`);
  for (const { key, value } of rows) {
    const claim = decodeRow(ClaimRow, value);
    draft.put(ClaimRow, key, { ...claim, released: true, reset: true, fenceToken: revision });
    const address = parseAddress(cluster, claim.partition);
    if (address !== undefined) context.touched.partition(address);
  }
  return done();
}
