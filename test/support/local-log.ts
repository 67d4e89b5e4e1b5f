// The broker's side of tiering, read from its log directory: what is closed, and how much of it is remote by now.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { TieredReader } from './tiered-reader.ts';
import type { KafkaBroker } from './testbeds/kafka.ts';
import type { KafkaWorkload, PartitionName } from './testbeds/kafka-workload.ts';
import { pauseMs } from './testbeds/processes.ts';

export interface LocalSegment {
  readonly startOffset: bigint;
  readonly logBytes: number;
}

export interface LocalLog {
  readonly closed: readonly LocalSegment[];
  /** Base of the segment that is written to: the end of the closed ones. */
  readonly activeStart: bigint;
}

export interface TieringProgress {
  readonly closedSegments: number;
  readonly closedBytes: number;
  readonly remoteSegments: number;
  readonly remoteBytes: number;
}

const ASK_EVERY_MS = 200;

export async function readLocalLog(
  broker: KafkaBroker,
  { topic, partition }: PartitionName,
): Promise<LocalLog> {
  for (const logDir of broker.logDirs) {
    const segments = await readSegments(join(logDir, `${topic}-${partition}`));
    const active = segments.pop();
    if (active) return { closed: segments, activeStart: active.startOffset };
  }
  throw new Error(`broker ${broker.id} has no log of ${topic}-${partition}`);
}

/** In order. A segment that the broker deletes between the listing and the look at it is not there. */
async function readSegments(directory: string): Promise<LocalSegment[]> {
  const files = await fs.readdir(directory).catch(() => []);
  const names = files.filter((file) => /^\d{20}\.log$/.test(file)).toSorted();
  const segments = await Promise.all(
    names.map(async (name) => {
      const stat = await fs.stat(join(directory, name)).catch(() => undefined);
      return stat && { startOffset: BigInt(name.slice(0, 20)), logBytes: stat.size };
    }),
  );
  return segments.filter((segment) => segment !== undefined);
}

/** Until the remote tier covers every segment that is closed now. Fails when `boundMs` pass without progress. */
export async function untilAllRemote(
  { broker, reader }: { readonly broker: KafkaBroker; readonly reader: TieredReader },
  names: readonly PartitionName[],
  boundMs: number,
  onProgress: (progress: TieringProgress) => void = () => {},
): Promise<TieringProgress> {
  const logs = await Promise.all(names.map((name) => readLocalLog(broker, name)));
  let last: TieringProgress | undefined;
  let movedMs = performance.now();
  for (;;) {
    const tieredTo = await Promise.all(
      names.map(async (name) => (await reader.offsets(name)).tieredTo ?? 0n),
    );
    const progress = progressOf(logs, tieredTo);
    onProgress(progress);
    if (progress.remoteSegments === progress.closedSegments) return progress;
    if (progress.remoteSegments !== last?.remoteSegments) movedMs = performance.now();
    if (performance.now() - movedMs > boundMs) {
      const { remoteSegments, closedSegments } = progress;
      throw new Error(`${remoteSegments} of ${closedSegments} remote, no more for ${boundMs} ms`);
    }
    last = progress;
    await pauseMs(ASK_EVERY_MS);
  }
}

/** Shrinks local retention so far that only the active segments stay, and waits until the broker has deleted the rest. */
export async function dropLocalHistory(
  workload: KafkaWorkload,
  broker: KafkaBroker,
  names: readonly PartitionName[],
  boundMs: number,
): Promise<void> {
  for (const topic of new Set(names.map((name) => name.topic))) {
    await workload.alterTopicConfig(topic, { 'retention.bytes': '1' });
  }
  const deadline = performance.now() + boundMs;
  for (const { topic, partition } of names) {
    const { activeStart } = await readLocalLog(broker, { topic, partition });
    while ((await workload.offset({ topic, partition }, 'earliest')) < activeStart) {
      if (performance.now() > deadline) throw new Error(`${topic} keeps its old segments`);
      await pauseMs(ASK_EVERY_MS);
    }
  }
}

function progressOf(logs: readonly LocalLog[], tieredTo: readonly bigint[]): TieringProgress {
  let [closedSegments, closedBytes, remoteSegments, remoteBytes] = [0, 0, 0, 0];
  logs.forEach(({ closed, activeStart }, index) => {
    closed.forEach(({ logBytes }, at) => {
      const end = closed[at + 1]?.startOffset ?? activeStart;
      const isRemote = end <= (tieredTo[index] ?? 0n);
      closedSegments += 1;
      closedBytes += logBytes;
      remoteSegments += isRemote ? 1 : 0;
      remoteBytes += isRemote ? logBytes : 0;
    });
  });
  return { closedSegments, closedBytes, remoteSegments, remoteBytes };
}
