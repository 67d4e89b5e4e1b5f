// A manifest from bytes: nothing is believed before it was checked against its own bounds.
import { LogtierError } from '../base/errors.ts';
import {
  SegmentManifest as WireManifest,
  SegmentTransform,
  type ManifestEpoch,
  type Section as WireSection,
} from '../gen/logtier/v1/segment_manifest.ts';
import type { Lineage } from '../kafka/lineage.ts';
import { segmentId, topicId } from './ids.ts';
import {
  FORMAT_VERSION,
  LARGEST_LOG_BYTES,
  LARGEST_SECTION_BYTES,
  LOG_CHUNK_BYTES,
  sectionKinds,
  wireKinds,
  type ObjectManifest,
  type ObjectSection,
  type SectionKind,
} from './segment-object.ts';

const REQUIRED: readonly SectionKind[] = [
  'log',
  'offsetIndex',
  'timeIndex',
  'leaderEpochCheckpoint',
];
const LARGEST_OFFSET = 2n ** 63n - 1n;
const LARGEST_INT32 = 2 ** 31 - 1;

export function corruptObject(what: string, cause?: unknown): LogtierError {
  return new LogtierError('OBJECT_CORRUPT', `segment object: ${what}`, { cause });
}

/**
 * OBJECT_CORRUPT unless every field is sound and the sections fill [0, `manifestStart`) without a hole.
 * UNSUPPORTED_FORMAT for a version or a transform that this release does not know.
 */
export function decodeManifest(bytes: Uint8Array, manifestStart: number): ObjectManifest {
  const wire = decodeWire(bytes);
  if (wire.version !== FORMAT_VERSION) throw unknownFormat(`manifest version ${wire.version}`);
  if (wire.transform !== SegmentTransform.NONE) throw unknownFormat(`transform ${wire.transform}`);
  requireText(wire.clusterId, 'cluster id');
  requireText(wire.topic, 'topic');
  requireOffsets(wire);
  const sections = decodeSections(wire.sections, manifestStart);
  requireChunks(wire, sections);
  if (wire.noProducerSnapshot === sections.some(({ kind }) => kind === 'producerSnapshot')) {
    throw corruptObject('it says both that it has a producer snapshot and that it has none');
  }
  return {
    clusterId: wire.clusterId,
    topic: wire.topic,
    ...decodeIds(wire),
    partition: requireInt32(wire.partition, 'partition'),
    brokerId: requireInt32(wire.brokerId, 'broker id'),
    intentMs: safeNumber(wire.intentMs, 'intent time'),
    startOffset: wire.startOffset,
    nextOffset: wire.nextOffset,
    maxTimestampMs: decodeTimestamp(wire.maxTimestampMs),
    epochs: decodeEpochs(wire),
    rebuilt: wire.rebuilt,
    noProducerSnapshot: wire.noProducerSnapshot,
    sections,
    chunkCrcs: wire.chunkCrcs,
  };
}

function unknownFormat(what: string): LogtierError {
  return new LogtierError('UNSUPPORTED_FORMAT', `segment object: ${what} is not known`, {
    hint: 'written by a newer release of Logtier?',
  });
}

function decodeWire(bytes: Uint8Array): WireManifest {
  try {
    return WireManifest.decode(bytes);
  } catch (error) {
    throw corruptObject('the manifest does not decode', error);
  }
}

function requireText(text: string, what: string): void {
  if (text === '') throw corruptObject(`the ${what} is empty`);
}

function decodeIds(
  wire: WireManifest,
): Pick<ObjectManifest, 'topicId' | 'segmentId' | 'firstToken'> {
  const { firstToken } = wire;
  if (firstToken === undefined) throw corruptObject('it names no token');
  try {
    return {
      topicId: topicId(wire.topicId),
      segmentId: segmentId(wire.segmentId),
      firstToken: { incarnation: firstToken.incarnation, index: firstToken.index },
    };
  } catch (error) {
    throw corruptObject('it names no ids', error);
  }
}

function requireInt32(value: number, what: string): number {
  if (value > LARGEST_INT32) throw corruptObject(`${what} ${value}`);
  return value;
}

function safeNumber(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw corruptObject(`${what} ${value}`);
  return Number(value);
}

function decodeTimestamp(value: bigint): number {
  if (value < -1n) throw corruptObject(`largest timestamp ${value}`);
  return safeNumber(value, 'largest timestamp');
}

function requireOffsets({ startOffset, nextOffset }: WireManifest): void {
  if (startOffset >= nextOffset || nextOffset > LARGEST_OFFSET) {
    throw corruptObject(`offsets ${startOffset} to ${nextOffset}`);
  }
}

function decodeEpochs({ epochs, startOffset, nextOffset }: WireManifest): Lineage {
  let last: ManifestEpoch | undefined;
  for (const entry of epochs) {
    const ascends =
      last === undefined
        ? entry.startOffset === startOffset
        : entry.startOffset > last.startOffset && entry.epoch > last.epoch;
    if (!ascends || entry.startOffset >= nextOffset || entry.epoch > LARGEST_INT32) {
      throw corruptObject(`leader epoch ${entry.epoch} at ${entry.startOffset}`);
    }
    last = entry;
  }
  if (last === undefined) throw corruptObject('it names no leader epoch');
  return epochs.map(({ epoch, startOffset: start }) => ({ epoch, startOffset: start }));
}

function kindOf(wire: WireSection): SectionKind {
  const kind = sectionKinds.find((name) => wireKinds[name] === wire.kind);
  if (kind === undefined) throw unknownFormat(`section kind ${wire.kind}`);
  return kind;
}

function decodeSections(wires: readonly WireSection[], manifestStart: number): ObjectSection[] {
  const sections: ObjectSection[] = [];
  let [position, order] = [0, -1];
  for (const wire of wires) {
    const kind = kindOf(wire);
    const limitBytes = kind === 'log' ? LARGEST_LOG_BYTES : LARGEST_SECTION_BYTES;
    if (wire.position !== BigInt(position) || sectionKinds.indexOf(kind) <= order) {
      throw corruptObject(`section ${kind} stands at ${wire.position}, not at ${position}`);
    }
    if (wire.bytes > BigInt(limitBytes)) {
      throw corruptObject(`section ${kind} has ${wire.bytes} bytes`);
    }
    const end = position + Number(wire.bytes);
    sections.push({ kind, range: { start: position, end }, crc: wire.crc });
    [position, order] = [end, sectionKinds.indexOf(kind)];
  }
  requireAll(sections);
  if (position !== manifestStart) {
    throw corruptObject(`the sections end at ${position}, the manifest begins at ${manifestStart}`);
  }
  return sections;
}

function requireAll(sections: readonly ObjectSection[]): void {
  for (const kind of REQUIRED) {
    if (!sections.some((section) => section.kind === kind)) {
      throw corruptObject(`section ${kind} is missing`);
    }
  }
}

function requireChunks(wire: WireManifest, sections: readonly ObjectSection[]): void {
  const logBytes = sections[0]?.range.end ?? 0;
  if (logBytes === 0) throw corruptObject('the log is empty');
  if (wire.chunkBytes !== LOG_CHUNK_BYTES) throw unknownFormat(`chunks of ${wire.chunkBytes}`);
  if (wire.chunkCrcs.length !== Math.ceil(logBytes / LOG_CHUNK_BYTES)) {
    throw corruptObject(`${wire.chunkCrcs.length} chunk checksums for ${logBytes} bytes of log`);
  }
}
