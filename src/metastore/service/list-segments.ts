// All segments of one partition in offset order, as of one revision, in messages of bounded size.
import type { ListSegmentsRequest, ListSegmentsResponse } from '../../gen/logtier/v1/catalog.ts';
import { SegmentRecord } from '../../gen/logtier/v1/catalog_command.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import { segmentIdsOfEpoch } from '../catalog/find-segment.ts';
import {
  byOffset,
  type PartitionAddress,
  segmentKey,
  segmentKeyFromIndex,
} from '../catalog/keys.ts';
import { parseAddress } from '../catalog/names.ts';
import { partitionRow, rowsOf } from '../catalog/partition-row.ts';
import { decodeRow } from '../catalog/row.ts';
import { readState, revisionOf } from '../catalog/state.ts';
import type { KvSnapshot } from '../engine/kv-engine.ts';
import type { CatalogMember } from '../member/catalog-member.ts';
import { clusterNumber } from './queries.ts';

/** A record has 300 B to 6 KiB: a message stays below 2 MiB. */
const PAGE_SEGMENTS = 256;

export async function* listSegments(
  member: CatalogMember,
  request: ListSegmentsRequest,
  signal: AbortSignal,
): AsyncGenerator<ListSegmentsResponse, void, undefined> {
  await member.barrier(signal);
  const snapshot = await member.engine.snapshot();
  try {
    const state = await readState(snapshot, member.state.metastoreId);
    const revision = revisionOf(state);
    const cluster = await clusterNumber(snapshot, request.clusterId);
    const address = cluster === undefined ? undefined : parseAddress(cluster, request.partition);
    const partition =
      address === undefined ? undefined : await partitionRow(rowsOf(snapshot), address);
    if (address === undefined || partition === undefined) {
      yield { revision, partition: undefined, segments: [], last: true };
      return;
    }
    let isFirst = true;
    const keys =
      request.epoch === undefined
        ? keysByOffset(snapshot, address)
        : keysOfEpoch(snapshot, address, request.epoch);
    for await (const segments of pagesOf(snapshot, keys)) {
      throwIfAborted(signal);
      yield { revision, partition: isFirst ? partition : undefined, segments, last: false };
      isFirst = false;
    }
    const shown = isFirst ? partition : undefined;
    yield { revision, partition: shown, segments: [], last: true };
  } finally {
    await snapshot.close();
  }
}

async function* keysByOffset(
  snapshot: KvSnapshot,
  address: PartitionAddress,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { key } of snapshot.range(byOffset(address))) yield segmentKeyFromIndex(key);
}

async function* keysOfEpoch(
  snapshot: KvSnapshot,
  address: PartitionAddress,
  epoch: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const id of await segmentIdsOfEpoch(snapshot, address, epoch)) yield segmentKey(address, id);
}

async function* pagesOf(
  snapshot: KvSnapshot,
  all: AsyncIterable<Uint8Array>,
): AsyncGenerator<SegmentRecord[], void, undefined> {
  let keys: Uint8Array[] = [];
  for await (const key of all) {
    keys.push(key);
    if (keys.length < PAGE_SEGMENTS) continue;
    yield await recordsOf(snapshot, keys);
    keys = [];
  }
  if (keys.length > 0) yield await recordsOf(snapshot, keys);
}

async function recordsOf(
  snapshot: KvSnapshot,
  keys: readonly Uint8Array[],
): Promise<SegmentRecord[]> {
  const rows = await snapshot.getMany(keys);
  return rows.flatMap((row) => (row === undefined ? [] : [decodeRow(SegmentRecord, row)]));
}
