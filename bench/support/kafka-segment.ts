// Large closed segments as a broker leaves them, written in seconds: a few batches, repeated under new offsets.
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { segmentFileName } from '../../src/kafka/segment-files.ts';
import { buildBatch, buildProducerSnapshot } from '../../test/support/kafka-files.ts';

export interface BenchSegment {
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly logBytes: number;
  readonly logPath: string;
}

export interface SegmentShape {
  readonly startOffset: bigint;
  /** About; the log ends with a whole batch. */
  readonly logBytes: number;
  readonly leaderEpoch: number;
}

const RECORDS_A_BATCH = 16;
const RECORD_BYTES = 1000;
const TEMPLATES = 64;
const TIMESTAMP_MS = 1_700_000_000_000;

/** Batches of 16 KiB, half of it random, half text: what a producer without compression sends. */
async function templates(leaderEpoch: number): Promise<Buffer[]> {
  return Promise.all(
    Array.from({ length: TEMPLATES }, (_, index) =>
      buildBatch({ epoch: leaderEpoch, records: recordsOf(index) }, 0n),
    ),
  );
}

function recordsOf(index: number) {
  return Array.from({ length: RECORDS_A_BATCH }, (_, at) => ({
    key: `key-${index}-${at}`,
    value: Buffer.concat([
      randomBytes(RECORD_BYTES / 2),
      Buffer.from(`{"order":${index},"line":${at}}`.padEnd(RECORD_BYTES / 2, ' ')),
    ]),
    timestampMs: TIMESTAMP_MS,
  }));
}

/** Writes `.log`, `.index`, `.timeindex` and the next segment's `.snapshot`. Base offsets are outside a batch's CRC. */
export async function writeBenchSegment(
  directory: string,
  shape: SegmentShape,
): Promise<BenchSegment> {
  const batches = await templates(shape.leaderEpoch);
  const logPath = join(directory, segmentFileName(shape.startOffset, 'log'));
  const log = await fs.open(logPath, 'wx');
  const index: Buffer[] = [];
  let logBytes = 0;
  let nextOffset = shape.startOffset;
  while (logBytes < shape.logBytes) {
    for (const batch of batches) {
      batch.writeBigInt64BE(nextOffset, 0);
      nextOffset += BigInt(RECORDS_A_BATCH);
      if (logBytes > 0) index.push(indexEntry(nextOffset - 1n - shape.startOffset, logBytes));
      await log.write(batch);
      logBytes += batch.length;
    }
  }
  await log.sync();
  await log.close();
  const path = (kind: 'index' | 'timeindex'): string =>
    join(directory, segmentFileName(shape.startOffset, kind));
  await fs.writeFile(path('index'), Buffer.concat(index));
  await fs.writeFile(path('timeindex'), timeEntry());
  const snapshot = join(directory, segmentFileName(nextOffset, 'snapshot'));
  await fs.writeFile(snapshot, buildProducerSnapshot([]));
  return { startOffset: shape.startOffset, nextOffset, logBytes, logPath };
}

function indexEntry(relativeOffset: bigint, position: number): Buffer {
  const entry = Buffer.alloc(8);
  entry.writeInt32BE(Number(relativeOffset), 0);
  entry.writeInt32BE(position, 4);
  return entry;
}

/** All records carry one time, so the first batch has the largest. */
function timeEntry(): Buffer {
  const entry = Buffer.alloc(12);
  entry.writeBigInt64BE(BigInt(TIMESTAMP_MS), 0);
  entry.writeInt32BE(RECORDS_A_BATCH - 1, 8);
  return entry;
}
