// Exact bytes of a segment's log through the cache: chunk by chunk, a lane for what has to come from the store.
import { rangeBytes, type ByteRange } from '../base/byte-range.ts';
import type { ChunkCache, ChunkRead, LoadChunk } from '../cache/chunk-cache.ts';
import { partitionKey } from '../segment/ids.ts';
import { chunkRange } from '../segment/segment-object-reader.ts';
import { chunkOf, planChunks } from './chunk-plan.ts';
import type { OpenSegment, StoreOf } from './index-reader.ts';
import type { Lanes } from './lanes.ts';

export interface ReadDeps {
  readonly cache: ChunkCache;
  readonly stores: StoreOf;
  /** By partition. */
  readonly coldLanes: Lanes;
}

/** Fills `into` with `range` of the log, or rejects: never fewer bytes, never others than were stored (P4). */
export async function readRange(
  deps: ReadDeps,
  segment: OpenSegment,
  { range, into }: { readonly range: ByteRange; readonly into: Uint8Array },
  signal: AbortSignal,
): Promise<void> {
  for (const { ref, range: piece, at } of planChunks(segment.manifest, range)) {
    const read = { ref, range: piece, into: into.subarray(at, at + rangeBytes(piece)) };
    await readPiece(deps, segment, read, signal);
  }
}

async function readPiece(
  deps: ReadDeps,
  segment: OpenSegment,
  read: ChunkRead,
  signal: AbortSignal,
): Promise<void> {
  const load = loadOf(deps, segment, read.ref.chunk);
  if (deps.cache.has(read.ref)) {
    await deps.cache.read(read, load, signal);
    return;
  }
  const work = (): Promise<void> => deps.cache.read(read, load, signal);
  await deps.coldLanes.within(partitionKey(segment.record), work, signal);
}

/** Loads a chunk before it is asked for, if the cache has a place for that now. */
export function prefetchChunk(deps: ReadDeps, segment: OpenSegment, chunk: number): void {
  if (chunk >= segment.manifest.chunkCrcs.length) return;
  deps.cache.prefetch(chunkOf(segment.manifest, chunk), loadOf(deps, segment, chunk));
}

/** The bytes of `range` are not what they should be: the next read compares their chunks with the manifest. */
export function distrustRange(deps: ReadDeps, segment: OpenSegment, range: ByteRange): void {
  for (const { ref } of planChunks(segment.manifest, range)) deps.cache.distrust(ref);
}

function loadOf(deps: ReadDeps, { record, manifest }: OpenSegment, chunk: number): LoadChunk {
  return (signal) =>
    deps.stores(record.store).get(record.objectKey, chunkRange(manifest, chunk), signal);
}
