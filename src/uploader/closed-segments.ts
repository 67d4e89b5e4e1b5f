// Which local segments are closed, from the names in a partition's directory alone (pure).
import { parsePartitionDirectory } from '../kafka/partition-directory.ts';
import { parseSegmentFileName } from '../kafka/segment-files.ts';

export interface LocalFile {
  readonly name: string;
  /** Undefined: only the name was listed; the size is looked at when the file is opened. */
  readonly sizeBytes: number | undefined;
}

/** A candidate: the next file's name bounds it, the `.log` itself is checked when it is copied. */
export interface ClosedSegment {
  readonly startOffset: bigint;
  /** Exclusive: base offset of the next segment file, which may be the active one. */
  readonly nextOffset: bigint;
  readonly logBytes: number | undefined;
}

export interface LocalSegments {
  /** Ascending. */
  readonly closed: readonly ClosedSegment[];
  /** Base offset of the segment that is written to; undefined when there is no log at all. */
  readonly activeOffset: bigint | undefined;
}

/**
 * Every live `.log` but the last one is closed: Kafka rolls by creating the next. `.deleted`, `.cleaned` and
 * `.swap` files are not segments, empty ones hold nothing, and the directories of moves, deletes and strays
 * are not the partition's.
 */
export function closedSegments(directoryName: string, files: readonly LocalFile[]): LocalSegments {
  if (parsePartitionDirectory(directoryName)?.state !== 'live') {
    return { closed: [], activeOffset: undefined };
  }
  const logs = files.flatMap(logOf).toSorted((left, right) => compare(left.offset, right.offset));
  const closed = logs.flatMap(({ offset, sizeBytes }, index) => {
    const next = logs[index + 1];
    return next === undefined || sizeBytes === 0
      ? []
      : [{ startOffset: offset, nextOffset: next.offset, logBytes: sizeBytes }];
  });
  return { closed, activeOffset: logs.at(-1)?.offset };
}

interface Log {
  readonly offset: bigint;
  readonly sizeBytes: number | undefined;
}

function logOf({ name, sizeBytes }: LocalFile): Log[] {
  const parsed = parseSegmentFileName(name);
  const isLiveLog = parsed?.kind === 'log' && parsed.suffix === '';
  return isLiveLog ? [{ offset: parsed.baseOffset, sizeBytes }] : [];
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
