// A segment object, format version 1. docs/segment-object.md describes every byte.
//
//   log │ offset index │ time index │ transaction index? │ producer snapshot? │ leader-epoch checkpoint │ manifest │ trailer
//   0                                                                                                              24 bytes
//
// The log comes first and unchanged: a position in the segment is a position in the object. Sections touch;
// the manifest names each with its CRC-32, and the log's chunks with theirs. All integers big-endian.
import type { ByteRange } from '../base/byte-range.ts';
import { SectionKind as WireKind } from '../gen/logtier/v1/segment_manifest.ts';
import type { Lineage } from '../kafka/lineage.ts';
import type { FenceToken, SegmentId, TopicId } from './ids.ts';

export const FORMAT_VERSION = 1;

/** Checksummed and fetched as one: the store's CHUNK_BYTES (a test holds them equal). */
export const LOG_CHUNK_BYTES = 4 * 2 ** 20;

/** The last bytes of every object. */
export const TRAILER_BYTES = 24;
export const TRAILER_MAGIC = Buffer.from('LOGTIERS', 'latin1');

/** A log of 2 GiB has 512 chunks; the rest is epochs. Keeps a damaged length from allocating. */
export const LARGEST_MANIFEST_BYTES = 2 ** 20;

/** Kafka's positions in a segment are int32. */
export const LARGEST_LOG_BYTES = 2 ** 31 - 1;

/** Of each other section: 6 times Kafka's default index, 1.4 million producers. Held in memory while copied. */
export const LARGEST_SECTION_BYTES = 64 * 2 ** 20;

/** In the order in which they stand in the object. */
export const sectionKinds = [
  'log',
  'offsetIndex',
  'timeIndex',
  'transactionIndex',
  'producerSnapshot',
  'leaderEpochCheckpoint',
] as const;
export type SectionKind = (typeof sectionKinds)[number];

export const wireKinds: Record<SectionKind, WireKind> = {
  log: WireKind.LOG,
  offsetIndex: WireKind.OFFSET_INDEX,
  timeIndex: WireKind.TIME_INDEX,
  transactionIndex: WireKind.TRANSACTION_INDEX,
  producerSnapshot: WireKind.PRODUCER_SNAPSHOT,
  leaderEpochCheckpoint: WireKind.LEADER_EPOCH_CHECKPOINT,
};

/** What is known of a segment apart from its bytes; all of it stands in the manifest. */
export interface SegmentFacts {
  readonly clusterId: string;
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  readonly segmentId: SegmentId;
  /** Of the claim that started the copy; part of the object's key. */
  readonly firstToken: FenceToken;
  readonly brokerId: number;
  /** Fixed with the intent, so that a repeated put sends the same bytes (safety rule 20). */
  readonly intentMs: number;
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly nextOffset: bigint;
  /** -1 when no batch has a timestamp. */
  readonly maxTimestampMs: number;
  /** Of the batches; the first entry begins at `startOffset`. */
  readonly epochs: Lineage;
  readonly rebuilt: boolean;
  readonly noProducerSnapshot: boolean;
}

/** What follows the log, each as Kafka writes the file. */
export interface SectionBytes {
  readonly offsetIndex: Uint8Array;
  readonly timeIndex: Uint8Array;
  /** Undefined when no transaction is aborted in the segment. */
  readonly transactionIndex: Uint8Array | undefined;
  readonly producerSnapshot: Uint8Array | undefined;
  readonly leaderEpochCheckpoint: Uint8Array;
}

/** The log section, whose bytes are never held at once. */
export interface LogSummary {
  readonly bytes: number;
  /** CRC-32 of each LOG_CHUNK_BYTES chunk, the last one shorter. */
  readonly chunkCrcs: readonly number[];
}

export interface ObjectSection {
  readonly kind: SectionKind;
  /** In the object. */
  readonly range: ByteRange;
  /** CRC-32. */
  readonly crc: number;
}

export interface ObjectManifest extends SegmentFacts {
  /** In object order, the log first. */
  readonly sections: readonly ObjectSection[];
  /** CRC-32 of each LOG_CHUNK_BYTES chunk of the log, the last one shorter. */
  readonly chunkCrcs: readonly number[];
}

export function findSection(
  manifest: ObjectManifest,
  kind: SectionKind,
): ObjectSection | undefined {
  return manifest.sections.find((section) => section.kind === kind);
}

/** A batch may claim any int64 as its time; what JavaScript cannot count is "far in the future" all the same. */
export function storedTimestampMs(timestampMs: number): number {
  return Math.max(-1, Math.min(timestampMs, Number.MAX_SAFE_INTEGER));
}
