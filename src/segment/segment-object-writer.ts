// What follows the log in a segment object. A pure function: the same segment gives the same bytes (rule 20).
import { assert } from '../base/assert.ts';
import { combineCrc32, crc32 } from '../base/checksum.ts';
import {
  SegmentManifest,
  SegmentTransform,
  type Section as WireSection,
} from '../gen/logtier/v1/segment_manifest.ts';
import {
  FORMAT_VERSION,
  LARGEST_MANIFEST_BYTES,
  LARGEST_SECTION_BYTES,
  LOG_CHUNK_BYTES,
  TRAILER_BYTES,
  TRAILER_MAGIC,
  sectionKinds,
  wireKinds,
  type LogSummary,
  type ObjectSection,
  type SectionBytes,
  type SectionKind,
  type SegmentFacts,
} from './segment-object.ts';

export interface ObjectTail {
  /** Everything after the log. */
  readonly bytes: Uint8Array;
  readonly objectBytes: number;
}

export function writeObjectTail(
  facts: SegmentFacts,
  log: LogSummary,
  sections: SectionBytes,
): ObjectTail {
  const placed = placeSections(log, sections);
  const manifest = encodeManifest(facts, log, placed);
  assert(manifest.length <= LARGEST_MANIFEST_BYTES, 'a manifest within its limit');
  const bodies = bodiesOf(sections).map(({ bytes }) => bytes);
  const bytes = Buffer.concat([...bodies, manifest, encodeTrailer(manifest)]);
  return { bytes, objectBytes: log.bytes + bytes.length };
}

interface Body {
  readonly kind: SectionKind;
  readonly bytes: Uint8Array;
}

/** Those that are present, in object order, without the log. */
function bodiesOf(sections: SectionBytes): Body[] {
  return sectionKinds.flatMap((kind) => {
    const bytes = kind === 'log' ? undefined : sections[kind];
    return bytes === undefined ? [] : [{ kind, bytes }];
  });
}

function placeSections(log: LogSummary, sections: SectionBytes): ObjectSection[] {
  const placed: ObjectSection[] = [
    { kind: 'log', range: { start: 0, end: log.bytes }, crc: logCrc(log) },
  ];
  let position = log.bytes;
  for (const { kind, bytes } of bodiesOf(sections)) {
    assert(bytes.length <= LARGEST_SECTION_BYTES, `section ${kind} within its limit`);
    const end = position + bytes.length;
    placed.push({ kind, range: { start: position, end }, crc: crc32(bytes) });
    position = end;
  }
  return placed;
}

/** CRC-32 of the whole log out of those of its chunks. */
export function logCrc(log: LogSummary): number {
  const chunks = Math.ceil(log.bytes / LOG_CHUNK_BYTES);
  assert(log.chunkCrcs.length === chunks, 'one checksum for each chunk of the log');
  return log.chunkCrcs.reduce((crc, chunkCrc, index) => {
    const chunkBytes = Math.min(LOG_CHUNK_BYTES, log.bytes - index * LOG_CHUNK_BYTES);
    return combineCrc32(crc, chunkCrc, chunkBytes);
  }, 0);
}

function encodeSection(section: ObjectSection): WireSection {
  return {
    kind: wireKinds[section.kind],
    position: BigInt(section.range.start),
    bytes: BigInt(section.range.end - section.range.start),
    crc: section.crc,
  };
}

function encodeManifest(
  facts: SegmentFacts,
  log: LogSummary,
  sections: readonly ObjectSection[],
): Uint8Array {
  const message: SegmentManifest = {
    version: FORMAT_VERSION,
    clusterId: facts.clusterId,
    topic: facts.topic,
    topicId: facts.topicId,
    partition: facts.partition,
    segmentId: facts.segmentId,
    firstToken: { incarnation: facts.firstToken.incarnation, index: facts.firstToken.index },
    brokerId: facts.brokerId,
    intentMs: BigInt(facts.intentMs),
    startOffset: facts.startOffset,
    nextOffset: facts.nextOffset,
    maxTimestampMs: BigInt(facts.maxTimestampMs),
    epochs: facts.epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
    sections: sections.map(encodeSection),
    transform: SegmentTransform.NONE,
    chunkBytes: LOG_CHUNK_BYTES,
    chunkCrcs: [...log.chunkCrcs],
    rebuilt: facts.rebuilt,
    noProducerSnapshot: facts.noProducerSnapshot,
  };
  return SegmentManifest.encode(message).finish();
}

/** 0 magic, 8 bytes   8 version u32   12 manifest bytes u32   16 manifest CRC-32   20 CRC-32 of [0, 20). */
function encodeTrailer(manifest: Uint8Array): Uint8Array {
  const trailer = Buffer.alloc(TRAILER_BYTES);
  trailer.set(TRAILER_MAGIC, 0);
  trailer.writeUInt32BE(FORMAT_VERSION, 8);
  trailer.writeUInt32BE(manifest.length, 12);
  trailer.writeUInt32BE(crc32(manifest), 16);
  trailer.writeUInt32BE(crc32(trailer.subarray(0, 20)), 20);
  return trailer;
}
