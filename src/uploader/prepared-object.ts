// From a checked segment to what is promised and what is sent: the intent and the object's bytes.
import { assert } from '../base/assert.ts';
import type { DiskFile } from '../platform/disk.ts';
import { segmentIdMs } from '../segment/ids.ts';
import { sameLineage } from '../segment/manifest-record.ts';
import { parseObjectKey } from '../segment/object-key.ts';
import { writeObjectTail } from '../segment/segment-object-writer.ts';
import { storedTimestampMs, type SegmentFacts } from '../segment/segment-object.ts';
import type { SegmentRecord } from '../segment/segment-record.ts';
import { fileSource } from '../store/byte-source.ts';
import type { ByteSource } from '../store/object-store.ts';
import type { CopyJob, CopySettings } from './copy-segment.ts';
import { onDisk, type LocalSegment } from './local-segment.ts';
import type { CopyIntent } from './segment-ledger.ts';
import type { SegmentSource } from './segment-source.ts';

export interface PreparedObject {
  readonly intent: CopyIntent;
  /** The object's bytes; `sent` is told of each piece handed out. The descriptors stay the caller's. */
  body(sent: (bytes: number) => void): ByteSource;
}

/** A pure function of the segment, the job's id and its key: a repeated put sends the same bytes (rule 20). */
export function prepareObject(
  settings: Pick<CopySettings, 'clusterId' | 'brokerId' | 'store'>,
  job: Pick<CopyJob, 'claim' | 'place' | 'brokerLocalStart' | 'segmentId' | 'objectKey'>,
  local: LocalSegment,
  source: SegmentSource,
): PreparedObject {
  const facts = factsOf(settings, job, source);
  const tail = writeObjectTail(facts, source.log, source.sections);
  const log = guarded(local.log);
  const parts = {
    log,
    logBytes: source.log.bytes,
    logCrcs: source.log.chunkCrcs,
    tail: tail.bytes,
  };
  return {
    intent: {
      topicId: facts.topicId,
      partition: facts.partition,
      segmentId: facts.segmentId,
      store: settings.store,
      objectKey: job.objectKey,
      startOffset: facts.startOffset,
      nextOffset: facts.nextOffset,
      maxTimestampMs: facts.maxTimestampMs,
      brokerId: facts.brokerId,
      logBytes: source.log.bytes,
      objectBytes: tail.objectBytes,
      epochs: facts.epochs,
      txnIndexEmpty: source.sections.transactionIndex === undefined,
      rebuilt: facts.rebuilt,
      noProducerSnapshot: facts.noProducerSnapshot,
      brokerLineage: local.lineage,
      brokerLocalStart: job.brokerLocalStart,
    },
    body: (sent) => counted(fileSource(parts), sent),
  };
}

/** Whether an open intent names what would be sent now. */
export function sameIntent(record: SegmentRecord, intent: CopyIntent): boolean {
  const fields = [
    'objectKey',
    'store',
    'startOffset',
    'nextOffset',
    'maxTimestampMs',
    'brokerId',
    'logBytes',
    'objectBytes',
    'txnIndexEmpty',
    'rebuilt',
    'noProducerSnapshot',
  ] as const;
  return (
    fields.every((field) => record[field] === intent[field]) &&
    sameLineage(record.epochs, intent.epochs)
  );
}

function factsOf(
  settings: Pick<CopySettings, 'clusterId' | 'brokerId'>,
  job: Pick<CopyJob, 'claim' | 'place' | 'segmentId' | 'objectKey'>,
  source: SegmentSource,
): SegmentFacts {
  const key = parseObjectKey(job.objectKey);
  assert(key !== undefined, 'a copy has a key of ours');
  return {
    clusterId: settings.clusterId,
    topic: job.claim.topic,
    topicId: job.claim.id.topicId,
    partition: job.claim.id.partition,
    segmentId: job.segmentId,
    firstToken: key.token,
    brokerId: settings.brokerId,
    intentMs: segmentIdMs(job.segmentId),
    startOffset: job.place.startOffset,
    nextOffset: job.place.nextOffset,
    maxTimestampMs: storedTimestampMs(source.summary.maxTimestampMs),
    epochs: source.summary.epochs,
    rebuilt: source.rebuilt,
    noProducerSnapshot: source.noProducerSnapshot,
  };
}

/** The store knows nothing of log directories: their errors get a code here. */
function guarded(log: DiskFile): DiskFile {
  return { ...log, read: (into, position) => onDisk(log.read(into, position), log.path) };
}

function counted(body: ByteSource, sent: (bytes: number) => void): ByteSource {
  return {
    sizeBytes: body.sizeBytes,
    crc32: (range) => body.crc32(range),
    read: async function* read(range, signal) {
      for await (const bytes of body.read(range, signal)) {
        sent(bytes.length);
        yield bytes;
      }
    },
  };
}
