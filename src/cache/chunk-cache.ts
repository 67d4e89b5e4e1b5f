// One read of cached bytes, top to bottom: memory, a slot, a load in flight to join, or a load. Start here.
//
// A reader that leaves stops waiting; the load goes on and fills the cache, because the broker will ask again.
import { assert } from '../base/assert.ts';
import { rangeBytes, type ByteRange } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { hasCode, LogtierError } from '../base/errors.ts';
import { throwIfAborted } from '../platform/clock.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import { chunkKey, type ChunkId, type ChunkRef } from './chunk-ref.ts';
import { DiskTier, type DiskTierDeps, type Slotted } from './disk-tier.ts';
import { MemoryTier, type Held } from './memory-tier.ts';
import { Places } from './places.ts';
import type { CachePlace, CacheSettings } from './settings.ts';
import { untilAborted } from './until-aborted.ts';

/** Buffers that loads leave to checks of slots and to the last chunks read. */
const SPARE_BUFFERS = 3;
/** Places that read-ahead leaves to reads that someone waits for. */
const SPARE_LOADS = 2;
/** A slot lost between look-up and read is looked up again; by then a load is under way. */
const MOST_LOOKS = 4;

/** The bytes of one chunk from the object store, in order, in pieces of at most 1 MiB. */
export type LoadChunk = (signal: AbortSignal) => AsyncIterable<Uint8Array>;

export interface ChunkRead {
  readonly ref: ChunkRef;
  /** Of the chunk. */
  readonly range: ByteRange;
  /** As long as the range. */
  readonly into: Uint8Array;
}

interface Filled {
  /** Writes the slot and gives the place of the load back. */
  readonly keep: () => Promise<void>;
}

export class ChunkCache {
  private readonly deps: DiskTierDeps;
  private readonly disk: DiskTier | undefined;
  private readonly memory: MemoryTier;
  private readonly fills = new Set<Promise<void>>();
  private readonly loads: Places;
  private readonly aheads: Places;
  private readonly checks: Places;
  private readonly stopping = new AbortController();

  private constructor(deps: DiskTierDeps, settings: CacheSettings, disk: DiskTier | undefined) {
    const buffers = Math.floor(settings.memoryBytes / LOG_CHUNK_BYTES);
    const loads = Math.max(1, buffers - SPARE_BUFFERS);
    this.deps = deps;
    this.disk = disk;
    this.memory = new MemoryTier(buffers);
    this.loads = new Places(loads, settings.loadsWaiting);
    this.aheads = new Places(Math.max(0, loads - SPARE_LOADS), 0);
    this.checks = new Places(2, settings.loadsWaiting);
  }

  /** Without a disk tier, loudly, when the disk is full or fails. */
  static async open(
    deps: DiskTierDeps,
    settings: CacheSettings,
    place: CachePlace,
    signal: AbortSignal,
  ): Promise<ChunkCache> {
    const disk = await DiskTier.open(deps, place, settings.syncIntervalMs, signal);
    return new ChunkCache(deps, settings, disk);
  }

  /** Whether chunks are kept on disk; without, reads go to the store. */
  get hasDiskTier(): boolean {
    return this.disk?.works ?? false;
  }

  /** Whether `read` would be answered without the object store. */
  has(id: ChunkId): boolean {
    const key = chunkKey(id);
    return this.memory.find(key)?.isFilled === true || this.disk?.find(key)?.isTrusted === true;
  }

  /**
   * Fills `into`. One load serves all who ask meanwhile, and rejects for all of them; bytes whose CRC is
   * not the manifest's are never answered (OBJECT_CORRUPT). Errors of the store pass through.
   */
  async read(request: ChunkRead, load: LoadChunk, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    const key = chunkKey(request.ref);
    this.disk?.touch(key);
    for (let look = 0; look < MOST_LOOKS; look += 1) {
      const held = this.memory.find(key);
      if (held !== undefined) {
        await this.readHeld(held, request, signal);
        return;
      }
      const slotted = this.disk?.find(key);
      if (slotted?.isTrusted === true) {
        if (await this.readSlot(slotted, request)) return;
      } else void this.startFill(request.ref, load, slotted);
    }
    throw new LogtierError('OVERLOADED', `chunk ${key} was evicted again while it was read`);
  }

  /** Loads a chunk that will be asked for soon, if a place is free right now. Never fails. */
  prefetch(ref: ChunkRef, load: LoadChunk): void {
    const key = chunkKey(ref);
    if (this.memory.find(key) !== undefined || this.disk?.find(key) !== undefined) return;
    const leave = this.aheads.tryTake();
    if (leave === undefined) return;
    void this.startFill(ref, load, undefined).finally(leave);
  }

  /** A reader found a bad batch in it: the next read compares the CRC first (rule 19). */
  distrust(id: ChunkId): void {
    const key = chunkKey(id);
    const held = this.memory.find(key);
    if (held !== undefined && held.isFilled) this.memory.forget(held);
    const slotted = this.disk?.find(key);
    if (slotted !== undefined) slotted.isTrusted = false;
  }

  /** Loads in flight are given up; slots being written are waited for. */
  async stop(): Promise<void> {
    const reason = new LogtierError('ABORTED', 'the cache stops');
    this.loads.close(reason);
    this.checks.close(reason);
    this.stopping.abort(reason);
    await Promise.all(this.fills);
    await this.disk?.stop();
  }

  private async readSlot(slotted: Slotted, request: ChunkRead): Promise<boolean> {
    const isRead = await this.disk?.read(slotted, request.range.start, request.into);
    if (isRead === true) this.deps.metrics.cache_hits_total.add(1, { tier: 'disk' });
    return isRead === true;
  }

  private async readHeld(held: Held, request: ChunkRead, signal: AbortSignal): Promise<void> {
    const { start, end } = request.range;
    held.pins += 1;
    try {
      if (held.isFilled) this.deps.metrics.cache_hits_total.add(1, { tier: 'memory' });
      else {
        this.deps.metrics.cache_misses_total.add(1);
        await untilAborted(held.filled, signal);
      }
      assert(held.isFilled, 'bytes are answered only after they were checked');
      request.into.set(held.buffer.subarray(start, end));
    } finally {
      this.memory.unpin(held);
    }
  }

  /** Resolves when the chunk is in memory and no longer being written; failures are told to the readers. */
  private startFill(ref: ChunkRef, load: LoadChunk, slotted: Slotted | undefined): Promise<void> {
    const held = this.memory.hold(ref);
    const filling = this.fillBuffer(held, load, slotted);
    held.filled = filling.then(() => undefined);
    held.filled.catch(() => undefined); // nobody may be waiting
    const fill = filling
      .then(({ keep }) => keep())
      .catch(() => {
        this.memory.forget(held); // told to those who wait for `filled`
      })
      .finally(() => {
        this.memory.unpin(held);
        this.fills.delete(fill);
      });
    this.fills.add(fill);
    return fill;
  }

  /** Puts checked bytes into the buffer. */
  private async fillBuffer(
    held: Held,
    load: LoadChunk,
    slotted: Slotted | undefined,
  ): Promise<Filled> {
    const into = held.buffer.subarray(0, held.ref.bytes);
    if (slotted !== undefined && (await this.check(slotted, into))) {
      held.isFilled = true;
      return { keep: () => Promise.resolve() };
    }
    const leave = await this.loads.take();
    try {
      await this.loadTwice(held.ref, into, load);
    } catch (error) {
      leave();
      throw error;
    }
    held.isFilled = true;
    const keep = async (): Promise<void> => {
      await this.disk?.put(held.ref, into);
      leave();
    };
    return { keep };
  }

  private async check(slotted: Slotted, into: Uint8Array): Promise<boolean> {
    const leave = await this.checks.take();
    try {
      return (await this.disk?.verify(slotted, into)) === true;
    } finally {
      leave();
    }
  }

  /** What was damaged on the way comes right the second time; what is damaged in the store does not. */
  private async loadTwice(ref: ChunkRef, into: Uint8Array, load: LoadChunk): Promise<void> {
    try {
      await this.loadOnce(ref, into, load);
    } catch (error) {
      if (!hasCode(error, 'OBJECT_CORRUPT')) throw error;
      await this.loadOnce(ref, into, load);
    }
  }

  private async loadOnce(ref: ChunkRef, into: Uint8Array, load: LoadChunk): Promise<void> {
    const { cache_loads_total: loads, cache_loaded_bytes_total: bytes } = this.deps.metrics;
    try {
      await fillFrom(load(this.stopping.signal), ref, into);
      loads.add(1, { outcome: 'loaded' });
      bytes.add(into.length);
    } catch (error) {
      loads.add(1, { outcome: hasCode(error, 'OBJECT_CORRUPT') ? 'corrupt' : 'failed' });
      throw error;
    }
  }
}

/** The CRC is taken over the very buffer that is answered and written. */
async function fillFrom(
  pieces: AsyncIterable<Uint8Array>,
  ref: ChunkRef,
  into: Uint8Array,
): Promise<void> {
  const details = { segmentId: ref.segmentId, chunk: ref.chunk };
  let at = 0;
  let crc = 0;
  for await (const piece of pieces) {
    const end = at + piece.length;
    if (end > into.length) {
      throw new LogtierError('OBJECT_CORRUPT', 'the store sent more than the chunk', { details });
    }
    into.set(piece, at);
    crc = crc32(into.subarray(at, end), crc);
    at = end;
  }
  const missingBytes = rangeBytes({ start: at, end: into.length });
  if (missingBytes > 0) {
    const message = `the store sent ${missingBytes} bytes too few of a chunk`;
    throw new LogtierError('STORE_UNAVAILABLE', message, { details });
  }
  if (crc !== ref.crc) {
    throw new LogtierError('OBJECT_CORRUPT', `chunk has CRC-32 ${crc}, not ${ref.crc}`, {
      details,
    });
  }
}
