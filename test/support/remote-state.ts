// What lies remote, as a running sidecar or a metastore tells it, beside what the store's directory really holds.
import * as fs from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { SNAPSHOT_PREFIX } from '../../src/app/object-snapshots.ts';
import { connectOperator } from '../../src/cli/connect.ts';
import type { OperatorCalls } from '../../src/cli/operator-calls.ts';
import { SegmentState } from '../../src/gen/logtier/v1/catalog_command.ts';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { MetastoreQueries } from '../../src/metastore/client/metastore-queries.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { PROBE_PREFIX } from '../../src/store/object-key.ts';
import type { RoleProcess } from './sidecar-process.ts';
import type { KafkaWorkload, PartitionName } from './testbeds/kafka-workload.ts';
import { pauseMs } from './testbeds/processes.ts';

export interface RemoteSegment {
  readonly segmentId: string;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly objectKey: string;
  readonly isFinished: boolean;
}

const never = new AbortController().signal;
const ACCOUNTED_BOUND_MS = 60_000;
/** Without any progress. */
const REMOTE_BOUND_MS = 300_000;
const ASK_EVERY_MS = 200;

async function asked<T>(
  sidecar: RoleProcess,
  ask: (calls: OperatorCalls) => Promise<T>,
): Promise<T> {
  const calls = connectOperator(systemClock, sidecar.grpc);
  try {
    return await ask(calls);
  } finally {
    calls.close();
  }
}

/** Finished ones, in offset order. */
export async function remoteSegments(
  sidecar: RoleProcess,
  topic: string,
  partition = 0,
): Promise<RemoteSegment[]> {
  return asked(sidecar, async (calls) => {
    const found: RemoteSegment[] = [];
    for await (const page of calls.listRemoteSegments({ topic, partition }, never)) {
      found.push(...page.segments.map(toSegment));
    }
    return found
      .filter(({ isFinished }) => isFinished)
      .toSorted((left, right) => Number(left.startOffset - right.startOffset));
  });
}

/** State or reason of each local segment, oldest first. */
export async function localStates(
  sidecar: RoleProcess,
  topic: string,
  partition = 0,
): Promise<string[]> {
  const { segments } = await asked(sidecar, (calls) => calls.explain({ topic, partition }, never));
  return segments.map(({ state, reason }) => (state === 'waiting' ? reason : state));
}

/** Until every closed local segment is remote; then what is remote. A long queue may take its time while it shrinks. */
export async function untilRemote(
  sidecar: RoleProcess,
  topic: string,
  partition = 0,
): Promise<RemoteSegment[]> {
  let fewest = Number.POSITIVE_INFINITY;
  let movedMs = performance.now();
  for (;;) {
    const left = await statesLeft(sidecar, topic, partition);
    if (left.length === 0) return remoteSegments(sidecar, topic, partition);
    if (left.length < fewest) movedMs = performance.now();
    fewest = Math.min(fewest, left.length);
    const idleMs = performance.now() - movedMs;
    if (idleMs > REMOTE_BOUND_MS) {
      throw new Error(`not remote after ${idleMs} ms: ${left.slice(0, 10).join(', ')}`);
    }
    await pauseMs(ASK_EVERY_MS);
  }
}

async function statesLeft(
  sidecar: RoleProcess,
  topic: string,
  partition: number,
): Promise<string[]> {
  const states = await localStates(sidecar, topic, partition).catch((error: unknown) => [
    String(error),
  ]);
  return states.length === 0
    ? ['nothing is known yet']
    : states.filter((state) => state !== 'remote' && state !== 'active');
}

/** Everything the catalog of a metastore process holds of one cluster: records and what is to be erased. */
export async function catalogState(
  metastore: string,
  clusterId: string,
): Promise<{ readonly records: RemoteSegment[]; readonly queuedKeys: string[] }> {
  const transport = grpcTransport(systemClock, [metastore]);
  try {
    const queries = new MetastoreQueries(transport, clusterId);
    const { partitions } = await queries.partitions({ topic: '' }, never);
    const records: RemoteSegment[] = [];
    for (const { partition } of partitions) {
      const request = { clusterId, partition: partition?.partition };
      for await (const page of transport.listSegments(request, never)) {
        records.push(...page.segments.map(toSegment));
      }
    }
    const value = { dueBeforeMs: 0n, limit: 1_000, stores: [] };
    const { answer } = await queries.ask({ $case: 'eraseQueue', value }, never);
    const objects = answer.$case === 'eraseQueue' ? answer.value.objects : [];
    return { records, queuedKeys: objects.map(({ objectKey }) => objectKey) };
  } finally {
    transport.stop();
  }
}

function toSegment(record: {
  readonly segmentId: string;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly objectKey: string;
  readonly state: SegmentState;
}): RemoteSegment {
  const { segmentId, startOffset, nextOffset, objectKey, state } = record;
  const isFinished = state === SegmentState.COPY_SEGMENT_FINISHED;
  return { segmentId, startOffset, nextOffset, objectKey, isFinished };
}

/** Paths of all files below a directory, relative to it, sorted. */
export async function listFiles(directory: string): Promise<string[]> {
  const entries = await fs.readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Each begins where the one before ended. */
export function expectSeamless(segments: readonly RemoteSegment[], start = 0n): void {
  const ends = segments.map(({ nextOffset }) => nextOffset);
  expect(segments.map(({ startOffset }) => startOffset)).toEqual(
    [start, ...ends].slice(0, segments.length),
  );
}

/** Together they leave no offset out from `start` on; where they end. Overlaps are legal. */
export function coveredEnd(segments: readonly RemoteSegment[], start = 0n): bigint {
  let end = start;
  for (const { startOffset, nextOffset } of segments) {
    if (startOffset > end) throw new Error(`nothing holds [${end}, ${startOffset})`);
    if (nextOffset > end) end = nextOffset;
  }
  return end;
}

/**
 * Every object is named by a record or waits to be erased, and every finished record has its object.
 * Asked again for a while: what is in the middle of a copy or of its clean-up comes right, what leaked does not.
 */
export async function expectAccounted(
  metastore: string,
  clusterId: string,
  storeDirectory: string,
): Promise<void> {
  const ask = (): Promise<Unaccounted> => unaccounted(metastore, clusterId, storeDirectory);
  await expect
    .poll(ask, { timeout: ACCOUNTED_BOUND_MS, interval: 500 })
    .toEqual({ strays: [], lost: [] });
}

interface Unaccounted {
  readonly strays: readonly string[];
  readonly lost: readonly string[];
}

async function unaccounted(
  metastore: string,
  clusterId: string,
  storeDirectory: string,
): Promise<Unaccounted> {
  const { records, queuedKeys } = await catalogState(metastore, clusterId);
  const known = new Set([...records.map(({ objectKey }) => objectKey), ...queuedKeys]);
  const objects = (await listFiles(storeDirectory)).filter((path) => !isExpected(path));
  const stored = new Set(objects);
  const finished = records.filter(({ isFinished }) => isFinished);
  return {
    strays: objects.filter((key) => !known.has(key)),
    lost: finished.map(({ objectKey }) => objectKey).filter((key) => !stored.has(key)),
  };
}

/**
 * versitygw keeps its own temporary files there; a killed probe's object is ours, and swept after an hour; a metastore
 * over etcd keeps its snapshots there.
 */
function isExpected(path: string): boolean {
  return ['.sgwtmp', PROBE_PREFIX, SNAPSHOT_PREFIX].some((prefix) => path.startsWith(prefix));
}

/** The broker forgets what is remote, so that only the remote part can answer for it. */
export async function forgetLocally(
  workload: KafkaWorkload,
  partition: PartitionName,
  segments: readonly RemoteSegment[],
): Promise<void> {
  const end = coveredEnd(segments);
  expect(await workload.deleteRecords(partition, end)).toBe(end);
}
