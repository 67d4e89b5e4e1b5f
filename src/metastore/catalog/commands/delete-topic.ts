import {
  ClaimRow,
  type DeleteTopic,
  DeleteReason,
  type PartitionTotals,
  SegmentRecord,
  TopicRow,
  TopicTombstone,
} from '../../../gen/logtier/v1/catalog_command.ts';
import type { TopicId } from '../../../segment/ids.ts';
import type { CommandContext } from '../context.ts';
import { queueObject, queuePrefix } from '../erase-queue.ts';
import {
  claimsOfTopic,
  dataOfTopic,
  openIntentsOfTopic,
  type PartitionAddress,
  segmentKeyFromIndex,
  tombstoneKey,
  topicKey,
  topicNameKey,
} from '../keys.ts';
import { MAX_TEXT_BYTES } from '../limits.ts';
import { parseAddress, parseSegmentId, parseTopicId } from '../names.ts';
import { done, type Outcome, refuse } from '../outcome.ts';
import { decodeRow } from '../row.ts';
import { readTotals } from '../totals.ts';

/**
 * On positive evidence only (rule 5). Rows go by range in the batch that queues every prefix they were put
 * under; tombstone and claims stay, so that nothing of this topic comes back (rule 23).
 */
export async function deleteTopic(context: CommandContext, command: DeleteTopic): Promise<Outcome> {
  const { cluster, draft } = context;
  const topicId = parseTopicId(command.topicId);
  const { evidence } = command;
  if (topicId === undefined || evidence === '' || Buffer.byteLength(evidence) > MAX_TEXT_BYTES) {
    return refuse('INVALID_ARGUMENT', 'a topic is deleted by its id and with evidence');
  }
  const tombstone = tombstoneKey(cluster, topicId);
  if (await draft.has(tombstone)) return done();
  await queueOpenIntents(context, topicId);
  for (const { value } of await draft.entries(claimsOfTopic(cluster, topicId))) {
    const address = parseAddress(cluster, decodeRow(ClaimRow, value).partition);
    if (address !== undefined) await queuePrefixes(context, address, evidence);
  }
  for (const range of dataOfTopic(cluster, topicId)) draft.deleteRange(range);
  const topic = await draft.row(TopicRow, topicKey(cluster, topicId));
  if (topic !== undefined) draft.delete(topicNameKey(cluster, topic.name, topicId));
  draft.put(TopicTombstone, tombstone, { evidence, revision: context.revision });
  context.touched.topicDeleted(topicId);
  return done();
}

/** A listing does not show unfinished uploads: they are queued by name. */
async function queueOpenIntents(context: CommandContext, topicId: TopicId): Promise<void> {
  for (const { key } of await context.draft.entries(openIntentsOfTopic(context.cluster, topicId))) {
    const record = await context.draft.row(SegmentRecord, segmentKeyFromIndex(key));
    const address = parseAddress(context.cluster, record);
    const id = parseSegmentId(record?.segmentId ?? '');
    if (record === undefined || address === undefined || id === undefined) continue;
    queueObject(context, address, id, {
      segmentId: record.segmentId,
      store: record.store,
      objectKey: record.objectKey,
      uploadIds: record.uploadIds,
      objectBytes: record.objectBytes,
      reason: DeleteReason.ABORTED,
      contradiction: undefined,
      everFinished: false,
    });
  }
}

async function queuePrefixes(
  context: CommandContext,
  address: PartitionAddress,
  reason: string,
): Promise<void> {
  const totals: PartitionTotals = await readTotals(context, address);
  context.state.segments -= totals.segments;
  const { topicId, partition } = address;
  for (const { store, keyPrefix } of totals.prefixes) {
    queuePrefix(context, address, {
      clusterId: context.clusterId,
      partition: { topicId, partition },
      store,
      keyPrefix,
      dueMs: context.state.clockMs,
      emptyListings: 0,
      reason,
    });
  }
}
