// Reads of one moment of the engine, which a read barrier went before.
import {
  ClaimRow,
  EraseEntry,
  ErasePrefix,
  type PartitionRow,
  PartitionTotals,
  SegmentRecord,
} from '../../gen/logtier/v1/catalog_command.ts';
import type {
  ClustersAnswer,
  EraseQueueAnswer,
  EraseQueueQuery,
  PartitionAnswer,
  PartitionQuery,
  PartitionsAnswer,
  PartitionsQuery,
  PartitionSummary,
  SegmentAnswer,
  SegmentQuery,
} from '../../gen/logtier/v1/catalog.ts';
import { type TopicId, topicId } from '../../segment/ids.ts';
import { clusterNumberOf } from '../catalog/clusters.ts';
import {
  allClusters,
  claimsOfCluster,
  claimsOfTopic,
  clusterIdOf,
  clusterKey,
  type KeyRange,
  objectsDue,
  prefixesDue,
  queueKeyOf,
  segmentKey,
  topicsNamed,
  totalsKey,
} from '../catalog/keys.ts';
import { parseAddress, parseSegmentId } from '../catalog/names.ts';
import { partitionRow, rowsOf } from '../catalog/partition-row.ts';
import { decodeRow } from '../catalog/row.ts';
import type { KvReader } from '../engine/kv-engine.ts';

const DEFAULT_LIMIT = 1_000;
const MAX_LIMIT = 10_000;

const UUID_BYTES = 16;

export function bounded(limit: number): number {
  return limit === 0 ? DEFAULT_LIMIT : Math.min(limit, MAX_LIMIT);
}

/** Undefined for a cluster that no client ever named: it holds nothing. */
export async function clusterNumber(
  reader: KvReader,
  clusterId: string,
): Promise<number | undefined> {
  const row = await reader.get(clusterKey(clusterId));
  return row === undefined ? undefined : clusterNumberOf(row);
}

export async function answerPartition(
  reader: KvReader,
  cluster: number,
  query: PartitionQuery,
): Promise<PartitionAnswer> {
  const address = parseAddress(cluster, query.partition);
  const partition = address === undefined ? undefined : await partitionRow(rowsOf(reader), address);
  return { partition };
}

export async function answerPartitions(
  reader: KvReader,
  cluster: number,
  query: PartitionsQuery,
): Promise<PartitionsAnswer> {
  const limit = bounded(query.limit);
  const rows: PartitionRow[] = [];
  for (const range of await claimRanges(reader, cluster, query)) {
    for await (const { value } of reader.range({ ...range, limit: limit + 1 - rows.length })) {
      const address = parseAddress(cluster, decodeRow(ClaimRow, value).partition);
      const row = address === undefined ? undefined : await partitionRow(rowsOf(reader), address);
      if (row !== undefined) rows.push(row);
    }
    if (rows.length > limit) break;
  }
  const shown = rows.slice(0, limit);
  const partitions: PartitionSummary[] = [];
  for (const row of shown) partitions.push(await summaryOf(reader, cluster, row));
  return { partitions, more: rows.length > limit };
}

/** By name: the topics of that name that are not deleted; else all, from the last one seen. */
async function claimRanges(
  reader: KvReader,
  cluster: number,
  query: PartitionsQuery,
): Promise<readonly KeyRange[]> {
  const after = parseAddress(cluster, query.after);
  if (query.topic === '') return [claimsOfCluster(cluster, after)];
  const ids: TopicId[] = [];
  for await (const { key } of reader.range(topicsNamed(cluster, query.topic))) {
    ids.push(topicId(Buffer.from(key.subarray(key.length - UUID_BYTES)).toString('base64url')));
  }
  return ids.map((id) => {
    const all = claimsOfTopic(cluster, id);
    return after?.topicId === id ? { ...all, from: claimsOfCluster(cluster, after).from } : all;
  });
}

async function summaryOf(
  reader: KvReader,
  cluster: number,
  partition: PartitionRow,
): Promise<PartitionSummary> {
  const address = parseAddress(cluster, partition.partition);
  const bytes = address === undefined ? undefined : await reader.get(totalsKey(address));
  const totals = bytes === undefined ? undefined : decodeRow(PartitionTotals, bytes);
  return {
    partition,
    finishedSegments: totals?.finishedSegments ?? 0n,
    logBytes: totals?.finishedLogBytes ?? 0n,
    openIntents: BigInt(totals?.openIntents ?? 0),
  };
}

export async function answerEraseQueue(
  reader: KvReader,
  query: EraseQueueQuery,
  at: { readonly cluster: number; readonly clockMs: bigint },
): Promise<EraseQueueAnswer> {
  const dueMs = query.dueBeforeMs === 0n ? 0xffff_ffff_ffff_ffffn : query.dueBeforeMs;
  const limit = bounded(query.limit);
  const isWanted = ({ store }: { readonly store: string }): boolean =>
    query.stores.length === 0 || query.stores.includes(store);
  return {
    objects: await queueRows(reader, objectsDue(at.cluster, dueMs), {
      limit,
      read: (bytes) => decodeRow(EraseEntry, bytes),
      isWanted,
    }),
    prefixes: await queueRows(reader, prefixesDue(at.cluster, dueMs), {
      limit,
      read: (bytes) => decodeRow(ErasePrefix, bytes),
      isWanted,
    }),
    replicatedClockMs: at.clockMs,
  };
}

interface QueueRead<Row> {
  readonly limit: number;
  readonly read: (bytes: Uint8Array) => Row;
  readonly isWanted: (row: Row) => boolean;
}

const QUEUE_PAGE = 256;

async function queueRows<Row>(
  reader: KvReader,
  range: KeyRange,
  { limit, read, isWanted }: QueueRead<Row>,
): Promise<Row[]> {
  const rows: Row[] = [];
  let page: Uint8Array[] = [];
  const take = async (): Promise<void> => {
    for (const bytes of await reader.getMany(page)) {
      const row = bytes === undefined ? undefined : read(bytes);
      if (row !== undefined && isWanted(row)) rows.push(row);
    }
    page = [];
  };
  for await (const { key } of reader.range(range)) {
    page.push(queueKeyOf(key));
    if (page.length >= QUEUE_PAGE) await take();
    if (rows.length >= limit) break;
  }
  await take();
  return rows.slice(0, limit);
}

export async function answerSegment(
  reader: KvReader,
  cluster: number,
  query: SegmentQuery,
): Promise<SegmentAnswer> {
  const address = parseAddress(cluster, query.partition);
  const id = parseSegmentId(query.segmentId);
  if (address === undefined || id === undefined) return { segment: undefined };
  const bytes = await reader.get(segmentKey(address, id));
  return { segment: bytes === undefined ? undefined : decodeRow(SegmentRecord, bytes) };
}

export async function answerClusters(reader: KvReader): Promise<ClustersAnswer> {
  const clusterIds: string[] = [];
  for await (const { key } of reader.range(allClusters())) clusterIds.push(clusterIdOf(key));
  return { clusterIds };
}
