// A closed segment, checked and ready to be sent: its facts, its sections, and the bytes of its object.
//
// The `.log` is the truth (safety rule 12): an index that is missing, torn or does not fit it is made anew, a
// missing producer snapshot is done without. Only damage in the log itself sets a segment aside.
import { hasCode, LogtierError } from '../base/errors.ts';
import { decompress } from '../base/decompress.ts';
import type { ScannedBatch } from '../kafka/batch-scanner.ts';
import { IndexRebuilder } from '../kafka/index-rebuild.ts';
import { printLeaderEpochCheckpoint } from '../kafka/leader-epoch-checkpoint.ts';
import { epochAt, lineageBelow, type Lineage } from '../kafka/lineage.ts';
import { parseOffsetIndex } from '../kafka/offset-index.ts';
import { parseProducerSnapshot } from '../kafka/producer-snapshot.ts';
import { controlMarkerKind, decodeRecords } from '../kafka/records.ts';
import { SegmentSummarizer, type SegmentSummary } from '../kafka/segment-summary.ts';
import { parseTimeIndex } from '../kafka/time-index.ts';
import { parseTransactionIndex, printTransactionIndex } from '../kafka/transaction-index.ts';
import type { DiskFile } from '../platform/disk.ts';
import { OffsetIndexWalk, TimeIndexWalk, type IndexWalk } from '../segment/index-walk.ts';
import {
  LARGEST_LOG_BYTES,
  LARGEST_SECTION_BYTES,
  type LogSummary,
  type SectionBytes,
} from '../segment/segment-object.ts';
import { AbortedTransactions } from './aborted-transactions.ts';
import { readWhole, type LocalSegment } from './local-segment.ts';
import { scanLog, type BatchVisitor, type ScannedLog } from './scan-log.ts';

export interface SourceSettings {
  /**
   * The grace is over: go on without what is missing, and believe that a log ends where it ends. False:
   * TRUNCATED_FILE, to be tried again.
   */
  readonly mayRebuild: boolean;
}

export interface SegmentSource {
  readonly summary: SegmentSummary;
  readonly log: LogSummary;
  readonly sections: SectionBytes;
  readonly rebuilt: boolean;
  readonly noProducerSnapshot: boolean;
}

/**
 * Reads the whole log once. Retriable: SOURCE_CHANGED when the leader-epoch-checkpoint contradicts the
 * batches (rule 15), TRUNCATED_FILE within the grace. For good: CORRUPT_BATCH, UNSUPPORTED_FORMAT.
 */
export async function readSegmentSource(
  segment: LocalSegment,
  settings: SourceSettings,
  signal: AbortSignal,
): Promise<SegmentSource> {
  const { logStat } = segment;
  if (logStat.sizeBytes > LARGEST_LOG_BYTES) {
    throw new LogtierError('UNSUPPORTED_FORMAT', `a log of ${logStat.sizeBytes} bytes`);
  }
  const found = await readFiles(segment);
  const visitor = new SourceVisitor(segment, found);
  const log = await scanClosedLog({ segment, visitor }, settings, signal);
  const summary = visitor.summary();
  requireEnd(segment, summary);
  const source: SegmentSource = {
    summary,
    log: { bytes: logStat.sizeBytes, chunkCrcs: log.chunkCrcs },
    ...visitor.chooseSections(),
    noProducerSnapshot: found.producerSnapshot === undefined,
  };
  if (!settings.mayRebuild) requireAll(source, visitor.faults);
  return source;
}

/** A closed log whose last batch is cut may still be on its way to this disk; after the grace it is damaged. */
async function scanClosedLog(
  { segment, visitor }: { readonly segment: LocalSegment; readonly visitor: BatchVisitor },
  { mayRebuild }: SourceSettings,
  signal: AbortSignal,
): Promise<ScannedLog> {
  const { place, logStat } = segment;
  const scan = { baseOffset: place.startOffset, logBytes: logStat.sizeBytes };
  try {
    return await scanLog(segment.log, scan, visitor, signal);
  } catch (error) {
    if (!hasCode(error, 'TRUNCATED_FILE')) throw error;
    throw new LogtierError(mayRebuild ? 'CORRUPT_BATCH' : 'TRUNCATED_FILE', error.message, {
      cause: error,
      details: { ...error.details, ...(mayRebuild ? {} : { waiting: 'STILL_CHANGING' }) },
    });
  }
}

/** The small files whose format holds; undefined when missing or not. */
interface FoundFiles {
  readonly offsetIndex: FoundIndex | undefined;
  readonly timeIndex: FoundIndex | undefined;
  /** `bytes` undefined: there is no file, which is right as long as nothing was aborted. */
  readonly transactionIndex: { readonly bytes: Uint8Array | undefined } | undefined;
  readonly producerSnapshot: Uint8Array | undefined;
  readonly startSnapshot: Uint8Array | undefined;
}

interface FoundIndex {
  readonly bytes: Uint8Array;
  readonly walk: IndexWalk;
}

async function readFiles(segment: LocalSegment): Promise<FoundFiles> {
  const { place, logStat } = segment;
  const bounds = {
    baseOffset: place.startOffset,
    nextOffset: place.nextOffset,
    logBytes: logStat.sizeBytes,
  };
  const { transactionIndex } = segment;
  return {
    offsetIndex: await readSound(segment.offsetIndex, (bytes) => ({
      bytes,
      walk: new OffsetIndexWalk(parseOffsetIndex(bytes, bounds)),
    })),
    timeIndex: await readSound(segment.timeIndex, (bytes) => ({
      bytes,
      walk: new TimeIndexWalk(parseTimeIndex(bytes, bounds)),
    })),
    transactionIndex:
      transactionIndex === undefined
        ? { bytes: undefined }
        : await readSound(transactionIndex, (bytes) => {
            const entries = parseTransactionIndex(bytes);
            return { bytes: entries.length === 0 ? undefined : bytes };
          }),
    producerSnapshot: await readSound(segment.producerSnapshot, checkedSnapshot),
    startSnapshot: await readSound(segment.startSnapshot, checkedSnapshot),
  };
}

function checkedSnapshot(bytes: Uint8Array): Uint8Array {
  parseProducerSnapshot(bytes);
  return bytes;
}

async function readSound<T>(
  file: DiskFile | undefined,
  parse: (bytes: Uint8Array) => T,
): Promise<T | undefined> {
  if (file === undefined) return undefined;
  try {
    return parse(await readWhole(file, LARGEST_SECTION_BYTES));
  } catch (error) {
    if (hasCode(error, 'CORRUPT_FILE', 'TRUNCATED_FILE', 'UNSUPPORTED_FORMAT')) return undefined;
    throw error;
  }
}

/** Everything that is learned from the batches as they pass. */
class SourceVisitor implements BatchVisitor {
  /** What was wrong with the indexes, in words. */
  readonly faults: string[] = [];
  private readonly found: FoundFiles;
  private readonly segment: LocalSegment;
  private readonly summarizer: SegmentSummarizer;
  private readonly rebuilder: IndexRebuilder;
  private readonly aborted: AbortedTransactions | undefined;

  constructor(segment: LocalSegment, found: FoundFiles) {
    const { startOffset } = segment.place;
    this.segment = segment;
    this.found = found;
    this.summarizer = new SegmentSummarizer(startOffset);
    this.rebuilder = new IndexRebuilder(startOffset);
    const isIndexed = found.transactionIndex?.bytes !== undefined;
    const { startSnapshot } = found;
    const producers = startSnapshot === undefined ? [] : parseProducerSnapshot(startSnapshot);
    this.aborted = isIndexed ? undefined : new AbortedTransactions(producers);
  }

  visit(batch: ScannedBatch): void {
    requireKnownEpoch(batch, this.segment.lineage);
    this.summarizer.add(batch);
    this.rebuilder.add(batch);
    this.found.offsetIndex?.walk.add(batch);
    this.found.timeIndex?.walk.add(batch);
    if (batch.isTransactional && !batch.isControl) this.aborted?.addData(batch);
  }

  /** Markers, when there is no transaction index to believe. */
  wantsBytes(batch: ScannedBatch): boolean {
    return this.aborted !== undefined && batch.isTransactional && batch.isControl;
  }

  async visitBytes(batch: ScannedBatch, bytes: Uint8Array): Promise<void> {
    const [marker] = await decodeRecords(decompress, { header: batch, bytes });
    if (marker !== undefined) this.aborted?.addMarker(batch, controlMarkerKind(marker));
  }

  summary(): SegmentSummary {
    return this.summarizer.summary();
  }

  /** Call once, after the last batch. */
  chooseSections(): { sections: SectionBytes; rebuilt: boolean } {
    const made = this.rebuilder.finish();
    const { transactionIndex, producerSnapshot } = this.found;
    const aborted = this.aborted?.result() ?? [];
    if (transactionIndex === undefined || aborted.length > 0) {
      this.faults.push('the transaction index is missing or damaged');
    }
    const { place, lineage } = this.segment;
    const sections: SectionBytes = {
      offsetIndex: this.choose('offsetIndex', made.offsetIndex),
      timeIndex: this.choose('timeIndex', made.timeIndex),
      transactionIndex:
        aborted.length > 0 ? printTransactionIndex(aborted) : transactionIndex?.bytes,
      producerSnapshot,
      leaderEpochCheckpoint: Buffer.from(
        printLeaderEpochCheckpoint(lineageBelow(lineage, place.nextOffset)),
      ),
    };
    return { sections, rebuilt: this.faults.length > 0 };
  }

  private choose(kind: 'offsetIndex' | 'timeIndex', made: Uint8Array): Uint8Array {
    const index = this.found[kind];
    index?.walk.finish();
    if (index !== undefined && index.walk.fault === undefined) return index.bytes;
    this.faults.push(`${kind}: ${index?.walk.fault ?? 'missing or damaged'}`);
    return made;
  }
}

/** Extra entries that no batch has are empty epochs and allowed; offsets below the first are cut. */
function requireKnownEpoch(batch: ScannedBatch, lineage: Lineage): void {
  const { partitionLeaderEpoch: epoch, baseOffset } = batch;
  const told = epochAt(lineage, baseOffset);
  if (epoch === -1 || told === undefined || told === epoch) return;
  throw new LogtierError(
    'SOURCE_CHANGED',
    `leader-epoch-checkpoint says epoch ${told} at offset ${baseOffset}, the batch ${epoch}`,
    { details: { waiting: 'CHECKPOINT_DISAGREES' } },
  );
}

/** The names were checked when the files were opened, so a log that reaches into the next one is damaged. */
function requireEnd({ place }: LocalSegment, summary: SegmentSummary): void {
  if (summary.batchesCount === 0 || summary.nextOffset > place.nextOffset) {
    throw new LogtierError(
      'CORRUPT_BATCH',
      `the log ends at offset ${summary.nextOffset}, the next segment begins at ${place.nextOffset}`,
    );
  }
  if (summary.epochs[0]?.startOffset !== place.startOffset) {
    throw new LogtierError('UNSUPPORTED_FORMAT', 'its first batches carry no leader epoch');
  }
}

function requireAll(source: SegmentSource, faults: readonly string[]): void {
  const missing = source.noProducerSnapshot ? ['no usable producer snapshot', ...faults] : faults;
  if (missing.length > 0) {
    throw new LogtierError('TRUNCATED_FILE', missing.join('; '), {
      details: { waiting: 'SNAPSHOT_GRACE' },
    });
  }
}
