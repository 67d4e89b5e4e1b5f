// Checks a whole stored segment object against itself: what adoption, the scrubber and an operator's `verify` rest on.
import { crc32 } from '../base/checksum.ts';
import { LogtierError, hasCode } from '../base/errors.ts';
import { BatchScanner } from '../kafka/batch-scanner.ts';
import { parseLeaderEpochCheckpoint } from '../kafka/leader-epoch-checkpoint.ts';
import { parseOffsetIndex } from '../kafka/offset-index.ts';
import { parseProducerSnapshot } from '../kafka/producer-snapshot.ts';
import { SegmentSummarizer, type SegmentSummary } from '../kafka/segment-summary.ts';
import { parseTimeIndex } from '../kafka/time-index.ts';
import { parseTransactionIndex } from '../kafka/transaction-index.ts';
import { OffsetIndexWalk, TimeIndexWalk, type IndexWalk } from './index-walk.ts';
import { sameLineage } from './manifest-record.ts';
import {
  checkSection,
  chunkRange,
  readManifest,
  requireSection,
  type ReadRange,
} from './segment-object-reader.ts';
import { storedTimestampMs, type ObjectManifest, type SectionKind } from './segment-object.ts';

export interface SegmentFinding {
  readonly where: 'manifest' | SectionKind;
  /** One sentence an operator reads. */
  readonly what: string;
}

export interface VerifiedObject {
  /** Undefined when the object is none of ours, or its end is damaged. */
  readonly manifest: ObjectManifest | undefined;
  /** Empty: every byte is as it was written, and Kafka's own files agree with each other. */
  readonly findings: readonly SegmentFinding[];
}

/** Ends a log that is damaged all over. */
const MOST_FINDINGS = 100;
/** No synchronous step over more. */
const SCAN_BYTES = 2 ** 20;

/** Reads the object once. Errors of `readRange` are thrown: a store that does not answer proves nothing. */
export async function verifySegmentObject(
  objectBytes: number,
  readRange: ReadRange,
  signal: AbortSignal,
): Promise<VerifiedObject> {
  const manifest = await manifestOrFault(objectBytes, readRange, signal);
  if (manifest instanceof LogtierError) {
    return { manifest: undefined, findings: [{ where: 'manifest', what: manifest.message }] };
  }
  const pass: Pass = { manifest, readRange, findings: [] };
  const walks = await checkSections(pass, signal);
  const summary = await scanLog(pass, walks, signal);
  if (summary !== undefined) compareFacts(pass, summary);
  return { manifest, findings: pass.findings };
}

interface Pass {
  readonly manifest: ObjectManifest;
  readonly readRange: ReadRange;
  readonly findings: SegmentFinding[];
}

interface Walks {
  readonly offsetIndex: IndexWalk | undefined;
  readonly timeIndex: IndexWalk | undefined;
}

async function manifestOrFault(
  objectBytes: number,
  readRange: ReadRange,
  signal: AbortSignal,
): Promise<ObjectManifest | LogtierError> {
  try {
    return await readManifest(objectBytes, readRange, signal);
  } catch (error) {
    if (hasCode(error, 'OBJECT_CORRUPT', 'UNSUPPORTED_FORMAT')) return error;
    throw error;
  }
}

function note({ findings }: Pass, where: SegmentFinding['where'], what: string): void {
  if (findings.length < MOST_FINDINGS) findings.push({ where, what });
}

/** Runs a parser of one section; a fault of the data becomes a finding. */
function guarded<T>(pass: Pass, where: SegmentFinding['where'], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof LogtierError)) throw error;
    note(pass, where, error.message);
    return undefined;
  }
}

async function checkSections(pass: Pass, signal: AbortSignal): Promise<Walks> {
  const { manifest } = pass;
  const bytesOf = new Map<SectionKind, Uint8Array>();
  for (const section of manifest.sections.filter(({ kind }) => kind !== 'log')) {
    const bytes = await pass.readRange(section.range, signal);
    const isSound = guarded(pass, section.kind, () => {
      checkSection(section, bytes);
      return true;
    });
    if (isSound === true) bytesOf.set(section.kind, bytes);
  }
  const parse = <T>(kind: SectionKind, parser: (bytes: Uint8Array) => T): T | undefined => {
    const bytes = bytesOf.get(kind);
    return bytes === undefined ? undefined : guarded(pass, kind, () => parser(bytes));
  };
  const bounds = {
    baseOffset: manifest.startOffset,
    nextOffset: manifest.nextOffset,
    logBytes: requireSection(manifest, 'log').range.end,
  };
  parse('transactionIndex', parseTransactionIndex);
  parse('producerSnapshot', parseProducerSnapshot);
  parse('leaderEpochCheckpoint', (bytes) =>
    parseLeaderEpochCheckpoint(Buffer.from(bytes).toString('utf8')),
  );
  const positions = parse('offsetIndex', (bytes) => parseOffsetIndex(bytes, bounds));
  const times = parse('timeIndex', (bytes) => parseTimeIndex(bytes, bounds));
  return {
    offsetIndex: positions === undefined ? undefined : new OffsetIndexWalk(positions),
    timeIndex: times === undefined ? undefined : new TimeIndexWalk(times),
  };
}

/** Undefined when the batches end in a fault: then they say nothing of the whole. */
async function scanLog(
  pass: Pass,
  walks: Walks,
  signal: AbortSignal,
): Promise<SegmentSummary | undefined> {
  const { manifest } = pass;
  const scanner = new BatchScanner({ segmentBaseOffset: manifest.startOffset });
  const summarizer = new SegmentSummarizer(manifest.startOffset);
  const scan = (piece: Uint8Array): true => {
    for (const batch of scanner.push(piece)) {
      summarizer.add(batch);
      walks.offsetIndex?.add(batch);
      walks.timeIndex?.add(batch);
    }
    return true;
  };
  let isSound: boolean | undefined = true;
  let crc = 0;
  for (const [index, chunkCrc] of manifest.chunkCrcs.entries()) {
    const bytes = await pass.readRange(chunkRange(manifest, index), signal);
    if (crc32(bytes) !== chunkCrc) note(pass, 'log', `chunk ${index} fails its checksum`);
    for (let at = 0; at < bytes.length; at += SCAN_BYTES) {
      const piece = bytes.subarray(at, at + SCAN_BYTES);
      crc = crc32(piece, crc);
      if (isSound === true) isSound = guarded(pass, 'log', () => scan(piece));
    }
  }
  if (crc !== requireSection(manifest, 'log').crc) note(pass, 'log', 'it fails its checksum');
  if (isSound === true) isSound = guarded(pass, 'log', () => scanner.end()) !== undefined;
  if (isSound !== true) return undefined;
  finishWalks(pass, walks);
  return summarizer.summary();
}

function finishWalks(pass: Pass, walks: Walks): void {
  for (const kind of ['offsetIndex', 'timeIndex'] as const) {
    walks[kind]?.finish();
    const fault = walks[kind]?.fault;
    if (fault !== undefined) note(pass, kind, fault);
  }
}

function compareFacts(pass: Pass, summary: SegmentSummary): void {
  const { manifest } = pass;
  if (summary.nextOffset > manifest.nextOffset) {
    note(pass, 'log', `it ends at offset ${summary.nextOffset}, after ${manifest.nextOffset}`);
  }
  if (storedTimestampMs(summary.maxTimestampMs) !== manifest.maxTimestampMs) {
    note(pass, 'log', `its largest timestamp is ${summary.maxTimestampMs}`);
  }
  if (!sameLineage(summary.epochs, manifest.epochs)) {
    note(pass, 'log', 'its leader epochs are not those of the manifest');
  }
}
