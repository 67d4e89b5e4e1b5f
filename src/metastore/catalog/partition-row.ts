import {
  ClaimRow,
  type PartitionRow,
  RemoteStartRow,
  StoredLineage,
  TopicRow,
  TopicTombstone,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { KvReader } from '../engine/kv-engine.ts';
import type { Soon } from './draft.ts';
import type { PartitionAddress } from './keys.ts';
import { claimKey, lineageKey, remoteStartKey, tombstoneKey, topicKey } from './keys.ts';
import { decodeRow, type RowCodec } from './row.ts';

interface RowSource {
  row<Row>(codec: RowCodec<Row>, key: Uint8Array): Soon<Row | undefined>;
}

/** Rows of an engine as a draft gives them. */
export function rowsOf(reader: Pick<KvReader, 'get'>): RowSource {
  return {
    row: async (codec, key) => {
      const bytes = await reader.get(key);
      return bytes === undefined ? undefined : decodeRow(codec, bytes);
    },
  };
}

/** Everything but the segments; undefined for a partition that was never claimed. */
export async function partitionRow(
  source: RowSource,
  address: PartitionAddress,
): Promise<PartitionRow | undefined> {
  const claim = await source.row(ClaimRow, claimKey(address));
  if (claim === undefined) return undefined;
  const { cluster, topicId, partition } = address;
  const topic = await source.row(TopicRow, topicKey(cluster, topicId));
  const lineage = await source.row(StoredLineage, lineageKey(address));
  const start = await source.row(RemoteStartRow, remoteStartKey(address));
  const tombstone = await source.row(TopicTombstone, tombstoneKey(cluster, topicId));
  return {
    partition: { topicId, partition },
    topic: topic?.name ?? '',
    claim,
    lineage: lineage?.entries ?? [],
    remoteStart: start?.remoteStart ?? 0n,
    deleted: tombstone !== undefined,
  };
}
