// One closed segment on the broker's disk, held by its descriptors: they survive rename and unlink.
//
// What may happen meanwhile, and how it shows:
//   local retention   the name becomes `.deleted`, then goes       same inode and size: the copy goes on (rule 2)
//   truncation        the same inode shrinks, the next file goes   SOURCE_CHANGED
//   compaction        another inode under the name                 SOURCE_CHANGED
//   topic recreated   another topic id in partition.metadata       SOURCE_CHANGED
import { basename, join } from 'node:path';
import { LogtierError, hasCode } from '../base/errors.ts';
import { parseLeaderEpochCheckpoint } from '../kafka/leader-epoch-checkpoint.ts';
import { lineageBelow, lineageFrom, type Lineage } from '../kafka/lineage.ts';
import { parsePartitionMetadata } from '../kafka/partition-metadata.ts';
import { segmentFileName, type SegmentFileKind } from '../kafka/segment-files.ts';
import { errnoOf, type Disk, type DiskFile, type FileStat } from '../platform/disk.ts';
import type { TopicId } from '../segment/ids.ts';

/** Where a closed segment lies. */
export interface LocalSegmentPlace {
  /** Path of the partition's directory. */
  readonly directory: string;
  readonly topicId: TopicId;
  readonly startOffset: bigint;
  /** Base offset of the next segment file. */
  readonly nextOffset: bigint;
}

export interface LocalSegment {
  readonly place: LocalSegmentPlace;
  readonly log: DiskFile;
  readonly logStat: FileStat;
  readonly offsetIndex: DiskFile | undefined;
  readonly timeIndex: DiskFile | undefined;
  readonly transactionIndex: DiskFile | undefined;
  readonly producerSnapshot: DiskFile | undefined;
  /** Of the segment before: producers as they were where this one begins. */
  readonly startSnapshot: DiskFile | undefined;
  /** The broker's leader-epoch-checkpoint, whole, as read after the descriptors were opened. */
  readonly lineage: Lineage;
  close(): Promise<void>;
}

/**
 * Opens every descriptor first, then reads the partition's small files and checks that the names still
 * mean the same. SOURCE_GONE when the log is there under no name, SOURCE_CHANGED when it is another one,
 * TRUNCATED_FILE when a checkpoint is torn, LOG_DIR_FAILED when the disk fails.
 */
export async function openLocalSegment(
  disk: Disk,
  place: LocalSegmentPlace,
): Promise<LocalSegment> {
  const opened: DiskFile[] = [];
  const open = async (kind: SegmentFileKind, offset: bigint): Promise<DiskFile | undefined> => {
    const file = await openFile(disk, place.directory, segmentFileName(offset, kind));
    if (file !== undefined) opened.push(file);
    return file;
  };
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((file) => file.close()));
  };
  try {
    const log = await open('log', place.startOffset);
    if (log === undefined) throw gone(place);
    const segment = {
      place,
      log,
      offsetIndex: await open('index', place.startOffset),
      timeIndex: await open('timeindex', place.startOffset),
      transactionIndex: await open('txnindex', place.startOffset),
      producerSnapshot: await open('snapshot', place.nextOffset),
      startSnapshot: await open('snapshot', place.startOffset),
      logStat: await onDisk(log.stat(), place.directory),
      lineage: await readLineage(disk, place),
      close,
    };
    await requireNames(disk, segment);
    return segment;
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Before the commit: the descriptors, the names, the topic and the leader epochs are what they were.
 * SOURCE_CHANGED when not. That the segment was deleted by local retention is no change.
 */
export async function recheckLocalSegment(disk: Disk, segment: LocalSegment): Promise<void> {
  const { place, logStat } = segment;
  const now = await onDisk(segment.log.stat(), place.directory);
  if (now.sizeBytes !== logStat.sizeBytes) {
    throw changed(place, `its log has ${now.sizeBytes} bytes, it had ${logStat.sizeBytes}`);
  }
  await requireNames(disk, segment);
  if (!isSameHistory(segment.lineage, await readLineage(disk, place), place.nextOffset)) {
    throw changed(place, 'its leader epochs changed');
  }
}

/**
 * Whether an error is positive evidence that the bytes copied are no longer the partition's. That a directory
 * is gone is none: it may have been moved, and its segment deleted by local retention.
 */
export function provesChange(error: unknown): boolean {
  return hasCode(error, 'SOURCE_CHANGED') && error.details['absent'] !== true;
}

/** Local retention deleted it: the open descriptors hold the broker's last copy. */
export async function isDeletedLocally(disk: Disk, { place }: LocalSegment): Promise<boolean> {
  const named = await statOrAbsent(disk, join(place.directory, logName(place.startOffset)));
  return named === undefined;
}

/** Reads a small file of the segment whole; TRUNCATED_FILE when it exceeds `limitBytes`. */
export async function readWhole(file: DiskFile, limitBytes: number): Promise<Uint8Array> {
  const { sizeBytes } = await onDisk(file.stat(), file.path);
  if (sizeBytes > limitBytes) {
    throw new LogtierError('TRUNCATED_FILE', `${file.path} has ${sizeBytes} bytes: is it in use?`);
  }
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  const count = await onDisk(file.read(bytes, 0), file.path);
  return bytes.subarray(0, count);
}

/** Maps errors of a file: absent is SOURCE_CHANGED, anything else LOG_DIR_FAILED. */
export async function onDisk<T>(answer: Promise<T>, path: string): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof LogtierError) throw error;
    const errno = errnoOf(error) ?? String(error);
    const absent = isAbsent(error);
    const code = absent ? 'SOURCE_CHANGED' : 'LOG_DIR_FAILED';
    throw new LogtierError(code, `${path}: ${errno}`, { cause: error, details: { absent } });
  }
}

function isAbsent(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

/** Live, or waiting to be unlinked (file.delete.delay.ms); undefined when there is neither. */
async function openFile(
  disk: Disk,
  directory: string,
  name: string,
): Promise<DiskFile | undefined> {
  for (const path of [join(directory, name), join(directory, `${name}.deleted`)]) {
    try {
      return await disk.open(path, 'read');
    } catch (error) {
      if (!isAbsent(error)) return onDisk(Promise.reject(toError(error)), path);
    }
  }
  return undefined;
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

async function readLineage(disk: Disk, { directory }: LocalSegmentPlace): Promise<Lineage> {
  const path = join(directory, 'leader-epoch-checkpoint');
  const bytes = await onDisk(disk.readFile(path), path);
  return parseLeaderEpochCheckpoint(bytes.toString('utf8'));
}

async function statOrAbsent(disk: Disk, path: string): Promise<FileStat | undefined> {
  try {
    return await disk.stat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    return onDisk(Promise.reject(toError(error)), path);
  }
}

/**
 * The topic is the same, no other file has taken the log's name, and while the log is live so is the next
 * one: truncation takes whole segments away before it cuts this one.
 */
async function requireNames(
  disk: Disk,
  segment: Pick<LocalSegment, 'place' | 'logStat'>,
): Promise<void> {
  const { place, logStat } = segment;
  const metadataPath = join(place.directory, 'partition.metadata');
  const metadata = await onDisk(disk.readFile(metadataPath), metadataPath);
  const topicId = parsePartitionMetadata(metadata.toString('utf8'));
  if (topicId !== place.topicId) throw changed(place, `the topic was recreated as ${topicId}`);
  const named = await statOrAbsent(disk, join(place.directory, logName(place.startOffset)));
  if (named === undefined) return; // deleted by local retention
  if (named.ino !== logStat.ino || named.dev !== logStat.dev) {
    throw changed(place, 'another file has its name');
  }
  const next = await statOrAbsent(disk, join(place.directory, logName(place.nextOffset)));
  if (next === undefined) throw changed(place, 'the segment after it was taken away');
}

function logName(offset: bigint): string {
  return segmentFileName(offset, 'log');
}

/**
 * Entries below `end` as they were. Kafka cuts the list at its log start, from below only: an entry that
 * went at the top was truncated.
 */
export function isSameHistory(before: Lineage, after: Lineage, end: bigint): boolean {
  const told = lineageBelow(after, end);
  const [first] = told;
  const known = lineageBelow(before, end);
  if (first === undefined) return known.length === 0 || after.length > 0;
  const expected = lineageFrom(known, first.startOffset);
  return (
    expected.length === told.length &&
    expected.every(
      ({ epoch, startOffset }, index) =>
        epoch === told[index]?.epoch && startOffset === told[index].startOffset,
    )
  );
}

function printPlace(of: LocalSegmentPlace): string {
  return `${basename(of.directory)} [${of.startOffset}, ${of.nextOffset})`;
}

function changed(of: LocalSegmentPlace, why: string): LogtierError {
  return new LogtierError('SOURCE_CHANGED', `local segment ${printPlace(of)}: ${why}`);
}

function gone(of: LocalSegmentPlace): LogtierError {
  return new LogtierError(
    'SOURCE_GONE',
    `local segment ${printPlace(of)} is not on disk any more`,
    {
      hint: 'if no other replica uploaded it, these records are only in the brokers’ other replicas; give local retention more time',
      details: { startOffset: of.startOffset, nextOffset: of.nextOffset },
    },
  );
}
