// Size and age of closed segments, for order and display only: what is copied is read from the log itself.
import { join } from 'node:path';
import { segmentFileName } from '../kafka/segment-files.ts';
import { mapAtOnce } from '../base/map-at-once.ts';
import type { Disk } from '../platform/disk.ts';
import type { LocalSegments } from './closed-segments.ts';
import { LISTS_AT_ONCE } from './local-directory.ts';
import type { PartitionState } from './partition-state.ts';

export interface ClosedFacts {
  readonly logBytes: number;
  /** Last entry of its time index, which is the newest record (kafka: LogSegment.onBecomeInactiveSegment). */
  readonly maxTimestampMs: number | undefined;
}

/** One entry of a time index: timestamp int64, relative offset int32. */
const TIME_ENTRY_BYTES = 12;

/** Fills `state.closedFacts`; a segment that is gone meanwhile is left out. */
export async function learnClosedFacts(
  disk: Disk,
  state: PartitionState,
  local: LocalSegments,
): Promise<void> {
  const unknown = local.closed.filter(({ startOffset }) => !state.closedFacts.has(startOffset));
  await mapAtOnce(unknown, LISTS_AT_ONCE, async ({ startOffset }) => {
    const facts = await lookAt(disk, state.directory.path, startOffset).catch(() => undefined);
    if (facts !== undefined) state.closedFacts.set(startOffset, facts);
  });
}

/** Bytes of the segment that is written to; 0 when there is none. */
export async function activeBytes(
  disk: Disk,
  state: PartitionState,
  local: LocalSegments,
): Promise<number> {
  if (local.activeOffset === undefined) return 0;
  const path = join(state.directory.path, segmentFileName(local.activeOffset, 'log'));
  return disk.stat(path).then(
    ({ sizeBytes }) => sizeBytes,
    () => 0,
  );
}

async function lookAt(disk: Disk, directory: string, startOffset: bigint): Promise<ClosedFacts> {
  const { sizeBytes } = await disk.stat(join(directory, segmentFileName(startOffset, 'log')));
  const maxTimestampMs = await newestTimestamp(
    disk,
    join(directory, segmentFileName(startOffset, 'timeindex')),
  );
  return { logBytes: sizeBytes, maxTimestampMs };
}

async function newestTimestamp(disk: Disk, path: string): Promise<number | undefined> {
  const file = await disk.open(path, 'read').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { sizeBytes } = await file.stat();
    const entry = Buffer.alloc(TIME_ENTRY_BYTES);
    if (sizeBytes < TIME_ENTRY_BYTES || sizeBytes % TIME_ENTRY_BYTES !== 0) return undefined;
    await file.read(entry, sizeBytes - TIME_ENTRY_BYTES);
    const timestampMs = Number(entry.readBigInt64BE(0));
    return timestampMs > 0 ? timestampMs : undefined;
  } finally {
    await file.close();
  }
}
