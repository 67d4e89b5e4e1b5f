// Keys and values of a view on disk: table byte, generation, then what the row is about.
import { SegmentRecord as RecordMessage } from '../../gen/logtier/v1/catalog_command.ts';
import { FenceToken } from '../../gen/logtier/v1/catalog_command.ts';
import { ViewMark } from '../../gen/logtier/v1/local_view.ts';
import type { PartitionId, Revision } from '../../segment/ids.ts';
import type { SegmentRecord } from '../../segment/segment-record.ts';
import type { KvWrite } from '../engine/kv-engine.ts';
import { messageOf } from './records.ts';
import type { KeptPartition, ViewChange } from './view-home.ts';

const TABLE = { head: 0, position: 1, mark: 2, segment: 3, topic: 4 } as const;
const TABLES = [TABLE.position, TABLE.mark, TABLE.segment, TABLE.topic] as const;
const GENERATION_END = 1 + 4;

export const HEAD_KEY = Uint8Array.of(TABLE.head);
export const ALL_ROWS = { from: HEAD_KEY, to: Uint8Array.of(0xff) } as const;

function key(table: number, generation: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(GENERATION_END);
  head[0] = table;
  head.writeUInt32BE(generation, 1);
  return Buffer.concat([head, ...parts]);
}

function partitionBytes({ topicId, partition }: PartitionId): Uint8Array {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(partition);
  return Buffer.concat([Buffer.from(topicId, 'base64url'), number]);
}

interface Range {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

function rangeOf(table: number, generation: number): Range {
  return { from: key(table, generation), to: key(table, generation + 1) };
}

export const marksOf = (generation: number): Range => rangeOf(TABLE.mark, generation);
export const segmentsOf = (generation: number): Range => rangeOf(TABLE.segment, generation);
export const topicsOf = (generation: number): Range => rangeOf(TABLE.topic, generation);
export const positionKey = (generation: number): Uint8Array => key(TABLE.position, generation);

export function topicNameOf(rowKey: Uint8Array): string {
  return Buffer.from(rowKey.subarray(GENERATION_END)).toString();
}

/** Everything of generations other than `generation`. */
export function othersThan(generation: number): KvWrite[] {
  return TABLES.flatMap((table): KvWrite[] => [
    { kind: 'deleteRange', from: key(table, 0), to: key(table, generation) },
    { kind: 'deleteRange', from: key(table, generation + 1), to: Uint8Array.of(table + 1) },
  ]);
}

export function allOf(generation: number): KvWrite[] {
  return TABLES.map((table) => ({ kind: 'deleteRange', ...rangeOf(table, generation) }));
}

export function positionWrite(generation: number, position: Revision): KvWrite {
  const value = FenceToken.encode({ ...position }).finish();
  return { kind: 'put', key: positionKey(generation), value };
}

/** In one batch. */
export function writesOf(generation: number, change: ViewChange): KvWrite[] {
  switch (change.kind) {
    case 'whole':
      return wholeWrites(generation, change.partition);
    case 'row':
      return [markWrite(generation, change.partition)];
    case 'segment':
      return [segmentWrite(generation, change.record)];
    case 'dropped':
      return [
        { kind: 'delete', key: markKey(generation, change.id) },
        segmentsGone(generation, change.id),
      ];
    case 'topic': {
      const rowKey = key(TABLE.topic, generation, Buffer.from(change.name));
      if (change.id === undefined) return [{ kind: 'delete', key: rowKey }];
      return [{ kind: 'put', key: rowKey, value: Buffer.from(change.id) }];
    }
  }
}

function wholeWrites(generation: number, partition: KeptPartition): KvWrite[] {
  return [
    segmentsGone(generation, partition.id),
    ...partition.segments.map((record) => segmentWrite(generation, record)),
    markWrite(generation, partition),
  ];
}

function markKey(generation: number, id: PartitionId): Uint8Array {
  return key(TABLE.mark, generation, partitionBytes(id));
}

function markWrite(generation: number, partition: Omit<KeptPartition, 'segments'>): KvWrite {
  const { id, loadedAt, row } = partition;
  const mark = { partition: { ...id }, loadedAt: { ...loadedAt }, row };
  return { kind: 'put', key: markKey(generation, id), value: ViewMark.encode(mark).finish() };
}

function segmentWrite(generation: number, record: SegmentRecord): KvWrite {
  const id = Buffer.from(record.segmentId, 'base64url');
  const rowKey = key(TABLE.segment, generation, partitionBytes(record), id);
  if (record.state === 'DELETE_SEGMENT_FINISHED') return { kind: 'delete', key: rowKey };
  return { kind: 'put', key: rowKey, value: RecordMessage.encode(messageOf(record)).finish() };
}

function segmentsGone(generation: number, id: PartitionId): KvWrite {
  const prefix = partitionBytes(id);
  const last = Buffer.alloc(17, 0xff);
  return {
    kind: 'deleteRange',
    from: key(TABLE.segment, generation, prefix),
    to: key(TABLE.segment, generation, prefix, last),
  };
}
