// A catalog of an older state version becomes one of this version when it is opened, partition by partition:
// a batch carries the rows of one partition and how far the work has come, so that it goes on after a crash.
import {
  CatalogState,
  EraseEntry,
  SegmentRecord,
  SegmentState,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { KvEngine, KvWrite } from '../engine/kv-engine.ts';
import { Draft } from './draft.ts';
import { EngineBase } from './engine-base.ts';
import { allIndexRows } from './index-keys.ts';
import { allSegments, eraseKey, following, type PartitionAddress, stateKey } from './keys.ts';
import { parseAddress } from './names.ts';
import { decodeRow, encodeRow } from './row.ts';
import {
  indexedSegment,
  type IndexedSegment,
  indexFinished,
  indexIntent,
  indexOnceFinished,
  isLostWith,
} from './segment-index.ts';
import { readState, STATE_VERSION } from './state.ts';

/** Cluster, topic id and partition behind the table byte. */
const PARTITION_KEY_BYTES = 1 + 4 + 16 + 4;

/** The state of a catalog that this version can go on with. Refuses what `readState` refuses. */
export async function openState(engine: KvEngine, metastoreId: string): Promise<CatalogState> {
  const state = await readState(engine, metastoreId);
  return state.stateVersion < STATE_VERSION ? await indexSegments(engine, state) : state;
}

/** Version 1 had no look-ups by epoch, by time and by transactions. */
async function indexSegments(engine: KvEngine, before: CatalogState): Promise<CatalogState> {
  let done = before.upgradedTo;
  if (done.length === 0) {
    await engine.batch(allIndexRows().map((range): KvWrite => ({ kind: 'deleteRange', ...range })));
  }
  for (;;) {
    const partition = await nextPartition(engine, done);
    if (partition === undefined) break;
    done = Buffer.from(partition.key);
    const draft = new Draft(new EngineBase(engine));
    await indexPartition(draft, partition);
    await engine.batch([...draft.writes, stateRow({ ...before, upgradedTo: done })]);
  }
  const state = { ...before, stateVersion: STATE_VERSION, upgradedTo: Buffer.alloc(0) };
  await engine.batch([stateRow(state)]);
  return state;
}

function stateRow(state: CatalogState): KvWrite {
  return { kind: 'put', key: stateKey(), value: encodeRow(CatalogState, state) };
}

interface Partition {
  /** What all keys of its segments start with. */
  readonly key: Uint8Array;
  readonly cluster: number;
  readonly records: readonly SegmentRecord[];
}

async function nextPartition(engine: KvEngine, done: Uint8Array): Promise<Partition | undefined> {
  const all = allSegments();
  const from = done.length === 0 ? all.from : following(done);
  let first: Uint8Array | undefined;
  for await (const { key } of engine.range({ from, to: all.to, limit: 1 })) first = key;
  if (first === undefined) return undefined;
  const key = first.subarray(0, PARTITION_KEY_BYTES);
  const records: SegmentRecord[] = [];
  for await (const { value } of engine.range({ from: key, to: following(key) })) {
    records.push(decodeRow(SegmentRecord, value));
  }
  return { key, cluster: Buffer.from(key).readUInt32BE(1), records };
}

async function indexPartition(draft: Draft, { cluster, records }: Partition): Promise<void> {
  const segments = records.flatMap((record): IndexedSegment[] => {
    const address: PartitionAddress | undefined = parseAddress(cluster, record);
    const segment = address === undefined ? undefined : indexedSegment(address, record);
    return segment === undefined ? [] : [segment];
  });
  for (const segment of segments) {
    await indexIntent(draft, segment);
    if (await wasCopied(draft, segment)) await indexOnceFinished(draft, segment);
  }
  for (const segment of segments.filter(isFinished).toSorted(byCommit)) {
    await indexFinished(draft, segment);
  }
}

function isFinished({ record }: IndexedSegment): boolean {
  return record.state === SegmentState.COPY_SEGMENT_FINISHED;
}

/** A record that is being deleted says no more whether it was finished; its entry in the queue does. */
async function wasCopied(draft: Draft, { address, id, record }: IndexedSegment): Promise<boolean> {
  if (record.state !== SegmentState.DELETE_SEGMENT_STARTED) return false;
  const entry = await draft.row(EraseEntry, eraseKey(address, id));
  return entry !== undefined && entry.everFinished && !isLostWith(entry.reason);
}

/** In the order in which they were finished, as far as it is known. */
function byCommit({ record: left }: IndexedSegment, { record: right }: IndexedSegment): number {
  const byTime = left.eventTimestampMs - right.eventTimestampMs;
  const order = byTime === 0n ? left.startOffset - right.startOffset : byTime;
  if (order !== 0n) return order < 0n ? -1 : 1;
  return left.segmentId < right.segmentId ? -1 : 1;
}
