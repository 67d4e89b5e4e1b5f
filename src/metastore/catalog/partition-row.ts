import {
  ClaimRow,
  type PartitionRow,
  RemoteStartRow,
  StoredLineage,
  TopicRow,
  TopicTombstone,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { PartitionAddress } from './keys.ts';
import { claimKey, lineageKey, remoteStartKey, tombstoneKey, topicKey } from './keys.ts';
import type { Soon } from './draft.ts';
import { decodeRow, type RowCodec } from './row.ts';

interface RowSource {
  get(key: Uint8Array): Soon<Uint8Array | undefined>;
}

async function row<Row>(
  source: RowSource,
  codec: RowCodec<Row>,
  key: Uint8Array,
): Promise<Row | undefined> {
  const bytes = await source.get(key);
  return bytes === undefined ? undefined : decodeRow(codec, bytes);
}

/** Everything but the segments; undefined for a partition that was never claimed. */
export async function partitionRow(
  source: RowSource,
  address: PartitionAddress,
): Promise<PartitionRow | undefined> {
  const claim = await row(source, ClaimRow, claimKey(address));
  if (claim === undefined) return undefined;
  const { cluster, topicId, partition } = address;
  const topic = await row(source, TopicRow, topicKey(cluster, topicId));
  const lineage = await row(source, StoredLineage, lineageKey(address));
  const start = await row(source, RemoteStartRow, remoteStartKey(address));
  const tombstone = await row(source, TopicTombstone, tombstoneKey(cluster, topicId));
  return {
    partition: { topicId, partition },
    topic: topic?.name ?? '',
    claim,
    lineage: lineage?.entries ?? [],
    remoteStart: start?.remoteStart ?? 0n,
    deleted: tombstone !== undefined,
  };
}
