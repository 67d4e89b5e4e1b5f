// The catalog's record of a segment, out of its object alone: how a lost metastore is rebuilt (docs/segment-object.md).
import { LogtierError } from '../base/errors.ts';
import type { Lineage } from '../kafka/lineage.ts';
import { buildObjectKey } from './object-key.ts';
import { requireSection } from './segment-object-reader.ts';
import { findSection, type ObjectManifest } from './segment-object.ts';
import type { SegmentRecord } from './segment-record.ts';

/** Where an object was found. */
export interface FoundObject {
  /** Name of the configured store. */
  readonly store: string;
  readonly objectKey: string;
  readonly objectBytes: number;
}

/**
 * A candidate only: whether it was deleted, adopted or re-stamped later stands nowhere in the object, and
 * the event time is that of the intent.
 */
export function recordOf(manifest: ObjectManifest, found: FoundObject): SegmentRecord {
  return {
    topicId: manifest.topicId,
    partition: manifest.partition,
    segmentId: manifest.segmentId,
    state: 'COPY_SEGMENT_FINISHED',
    fenceToken: manifest.firstToken,
    store: found.store,
    objectKey: found.objectKey,
    uploadIds: [],
    startOffset: manifest.startOffset,
    nextOffset: manifest.nextOffset,
    maxTimestampMs: manifest.maxTimestampMs,
    eventTimestampMs: manifest.intentMs,
    brokerId: manifest.brokerId,
    logBytes: requireSection(manifest, 'log').range.end,
    objectBytes: found.objectBytes,
    epochs: manifest.epochs,
    txnIndexEmpty: findSection(manifest, 'transactionIndex') === undefined,
    rebuilt: manifest.rebuilt,
    noProducerSnapshot: manifest.noProducerSnapshot,
    adopted: false,
  };
}

/** The key under which the object was first put. */
export function keyOf(manifest: ObjectManifest): string {
  return buildObjectKey({
    clusterId: manifest.clusterId,
    topic: manifest.topic,
    id: { topicId: manifest.topicId, partition: manifest.partition },
    startOffset: manifest.startOffset,
    token: manifest.firstToken,
    segmentId: manifest.segmentId,
  });
}

/** What life after the put changes; the object cannot know it. */
type LaterField = 'state' | 'fenceToken' | 'uploadIds' | 'eventTimestampMs' | 'adopted';
export type FrozenRecord = Omit<SegmentRecord, LaterField>;

/** Names of the fields in which a record and the object it names differ; empty when they agree. */
export function differences(record: FrozenRecord, manifest: ObjectManifest): string[] {
  const { store, objectKey, objectBytes } = record;
  const told = recordOf(manifest, { store, objectKey, objectBytes });
  const fields: readonly (keyof FrozenRecord)[] = [
    'topicId',
    'partition',
    'segmentId',
    'startOffset',
    'nextOffset',
    'maxTimestampMs',
    'brokerId',
    'logBytes',
    'txnIndexEmpty',
    'rebuilt',
    'noProducerSnapshot',
  ];
  const differing: string[] = fields.filter((field) => record[field] !== told[field]);
  if (!sameLineage(record.epochs, told.epochs)) differing.push('epochs');
  if (objectKey !== keyOf(manifest)) differing.push('objectKey');
  return differing;
}

/** OBJECT_CORRUPT unless the object is the one that the record names. */
export function requireSameFacts(record: FrozenRecord, manifest: ObjectManifest): void {
  const differing = differences(record, manifest);
  if (differing.length > 0) {
    throw new LogtierError('OBJECT_CORRUPT', 'record and object disagree', {
      details: { objectKey: record.objectKey, fields: differing.join(', ') },
    });
  }
}

export function sameLineage(left: Lineage, right: Lineage): boolean {
  return (
    left.length === right.length &&
    left.every(
      (entry, index) =>
        entry.epoch === right[index]?.epoch && entry.startOffset === right[index].startOffset,
    )
  );
}
