// The slots of one file: which chunk is where, who is reading, what makes room, what survives a restart.
import { splitRange } from '../base/byte-range.ts';
import { crc32 } from '../base/checksum.ts';
import { LogtierError } from '../base/errors.ts';
import { printBytes } from '../base/units.ts';
import type { Clock } from '../platform/clock.ts';
import { diskError, type Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import { chunkKey, type ChunkRef } from './chunk-ref.ts';
import { Eviction } from './eviction.ts';
import type { CacheMetrics } from './metrics.ts';
import type { CachePlace } from './settings.ts';
import {
  isDiskFull,
  openSlotFile,
  slotsWithin,
  unlinkSlotFiles,
  type SlotFile,
} from './slot-file.ts';
import { decodeHeader } from './slot-header.ts';
import {
  isSameFile,
  loadSlotIndex,
  readKernelBootId,
  saveSlotIndex,
  unlinkIfThere,
  type SlotIndex,
} from './slot-index.ts';

/** No synchronous step takes longer than over so many bytes. */
const STEP_BYTES = 2 ** 20;

/** Fewer are not worth a file. */
const FEWEST_SLOTS = 4;

export interface DiskTierDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: CacheMetrics;
}

export interface Slotted {
  readonly ref: ChunkRef;
  readonly slot: number;
  readonly header: Buffer;
  /** False: the bytes must be compared with their CRC before any of them is used (rule 19). */
  isTrusted: boolean;
  readers: number;
}

export class DiskTier {
  private readonly deps: DiskTierDeps;
  private readonly directory: string;
  private readonly file: SlotFile;
  private readonly kernelBootId: Buffer;
  private readonly eviction: Eviction;
  private readonly slotted = new Map<string, Slotted>();
  private readonly free: number[] = [];
  private readonly writing = new Set<Promise<unknown>>();
  private isOn = true;
  private isChanged = false;
  private syncing: Promise<void> | undefined;
  private stopTicking: () => void = () => undefined;

  private constructor(deps: DiskTierDeps, directory: string, file: SlotFile, kernel: Buffer) {
    this.deps = deps;
    this.directory = directory;
    this.file = file;
    this.kernelBootId = kernel;
    this.eviction = new Eviction(file.slots);
  }

  /**
   * Undefined, and loudly, when there is no room or the disk fails: the cache works without. A disk too
   * full for the whole file gets a smaller one that leaves as much free again.
   */
  /** False after a failed write or sync: what the file holds is unknown from then on. */
  get works(): boolean {
    return this.isOn;
  }

  static async open(
    deps: DiskTierDeps,
    place: CachePlace,
    syncIntervalMs: number,
    signal: AbortSignal,
  ): Promise<DiskTier | undefined> {
    try {
      const file = await openFitting(deps, place, signal);
      if (file === undefined) return undefined;
      const kernelBootId = await readKernelBootId(deps.disk);
      const tier = new DiskTier(deps, place.directory, file, kernelBootId);
      await tier.recall();
      tier.start(syncIntervalMs);
      return tier;
    } catch (error) {
      if (signal.aborted) throw error;
      deps.logger.error({ error, directory: place.directory }, 'cache: the disk tier stays off');
      return undefined;
    }
  }

  find(key: string): Slotted | undefined {
    return this.isOn ? this.slotted.get(key) : undefined;
  }

  /** Fills `into` from byte `at` of the chunk. False: the slot no longer holds it, and is given up. */
  async read(slotted: Slotted, at: number, into: Uint8Array): Promise<boolean> {
    slotted.readers += 1;
    try {
      const isRead = await this.file.read(slotted.slot, slotted.header, at, into);
      if (!isRead) this.giveUp(slotted);
      return isRead && this.isOn;
    } catch (error) {
      await this.turnOff(error, 'a read failed');
      return false;
    } finally {
      slotted.readers -= 1;
    }
  }

  /** Reads the whole chunk and compares its CRC; false: it was not what it should be, and is given up. */
  async verify(slotted: Slotted, into: Uint8Array): Promise<boolean> {
    let crc = 0;
    for (const { start, end } of splitRange({ start: 0, end: into.length }, STEP_BYTES)) {
      const piece = into.subarray(start, end);
      if (!(await this.read(slotted, start, piece))) return false;
      crc = crc32(piece, crc);
    }
    if (crc !== slotted.ref.crc) {
      this.giveUp(slotted);
      return false;
    }
    slotted.isTrusted = true;
    return true;
  }

  /** A use of a chunk, told to who chooses what makes room. */
  touch(key: string): void {
    this.eviction.touch(key);
  }

  /**
   * Keeps a chunk whose CRC was just checked. Resolves when every write to its slot has called back;
   * never rejects: a cache that cannot write is off, its chunks are still in the store.
   */
  put(ref: ChunkRef, data: Uint8Array): Promise<void> {
    const work = this.write(ref, data).catch((error: unknown) =>
      this.turnOff(error, 'a write failed'),
    );
    this.writing.add(work);
    return work.finally(() => this.writing.delete(work));
  }

  /** The last fdatasync and index; the next start trusts what it lists. */
  async stop(): Promise<void> {
    this.stopTicking();
    await Promise.all(this.writing);
    await this.sync();
    this.isOn = false;
    await this.file.close().catch(() => undefined); // what counts was synced above
  }

  /** fdatasync, then the index of what is whole. On an error everything is forgotten, loudly. */
  sync(): Promise<void> {
    this.syncing ??= this.syncOnce().finally(() => {
      this.syncing = undefined;
    });
    return this.syncing;
  }

  private start(syncIntervalMs: number): void {
    this.deps.metrics.cache_disk_tier_on.set(1);
    this.stopTicking = this.deps.clock.every(syncIntervalMs, () => {
      void this.sync();
    });
  }

  private async write(ref: ChunkRef, data: Uint8Array): Promise<void> {
    const key = chunkKey(ref);
    if (!this.isOn || this.slotted.has(key)) return;
    const slot = this.takeSlot();
    if (slot === undefined) return;
    const header = await this.file.write(slot, ref, data);
    if (!this.isOn) return;
    if (this.slotted.has(key)) {
      this.free.push(slot); // another load of the same chunk was faster
      return;
    }
    const slotted: Slotted = { ref, slot, header, isTrusted: true, readers: 0 };
    this.slotted.set(key, slotted);
    this.eviction.admit(key, () => slotted.readers > 0);
    this.isChanged = true;
    this.deps.metrics.cache_slots_used.set(this.slotted.size);
  }

  /** The slot belongs to the caller until its write has settled; after a failed one it is nobody's. */
  private takeSlot(): number | undefined {
    const free = this.free.pop();
    if (free !== undefined) return free;
    const key = this.eviction.evict();
    const victim = key === undefined ? undefined : this.slotted.get(key);
    if (key === undefined || victim === undefined) return undefined;
    this.slotted.delete(key);
    this.deps.metrics.cache_evictions_total.add(1);
    return victim.slot;
  }

  private giveUp(slotted: Slotted): void {
    const key = chunkKey(slotted.ref);
    if (this.slotted.get(key) !== slotted) return;
    this.slotted.delete(key);
    this.eviction.remove(key);
    this.free.push(slotted.slot);
    this.isChanged = true;
    this.deps.metrics.cache_bad_slots_total.add(1);
    this.deps.metrics.cache_slots_used.set(this.slotted.size);
    const { segmentId, chunk } = slotted.ref;
    this.deps.logger.warn({ segmentId, chunk, slot: slotted.slot }, 'cache: bad slot given up');
  }

  /** Reads every header; what the last index lists under this kernel is trusted, the rest not yet. */
  private async recall(): Promise<void> {
    const index = await this.loadIndex();
    const listed = new Map(index?.entries.map((entry) => [entry.slot, entry]));
    const order = [...listed.keys()];
    for (let slot = 0; slot < this.file.slots; slot += 1) if (!listed.has(slot)) order.push(slot);
    for (const slot of order) {
      if (slot >= this.file.slots) continue;
      const entry = listed.get(slot);
      const header = await this.file.readHeader(slot);
      const isTrusted = entry !== undefined && entry.header.equals(header);
      this.remember(slot, header, isTrusted, entry?.isMain === true);
    }
    this.deps.metrics.cache_slots_used.set(this.slotted.size);
  }

  private async loadIndex(): Promise<SlotIndex | undefined> {
    const index = await loadSlotIndex(this.deps.disk, this.indexPath());
    const isOurs =
      index !== undefined &&
      index.kernelBootId.equals(this.kernelBootId) &&
      isSameFile(index.file, this.file.identity);
    return isOurs ? index : undefined;
  }

  private remember(slot: number, header: Buffer, isTrusted: boolean, isMain: boolean): void {
    const ref = decodeHeader(header);
    const key = ref === undefined ? '' : chunkKey(ref);
    if (ref === undefined || this.slotted.has(key)) {
      this.free.push(slot);
      return;
    }
    const slotted: Slotted = { ref, slot, header, isTrusted, readers: 0 };
    this.slotted.set(key, slotted);
    this.eviction.restore({ key, isMain }, () => slotted.readers > 0);
  }

  private async syncOnce(): Promise<void> {
    if (!this.isOn || !this.isChanged) return;
    this.isChanged = false;
    const index = this.indexNow();
    try {
      await this.file.datasync();
      await saveSlotIndex(this.deps.disk, this.directory, this.indexPath(), index);
    } catch (error) {
      await this.turnOff(error, 'fdatasync failed');
    }
  }

  private indexNow(): SlotIndex {
    const entries = this.eviction.ranked().flatMap(({ key, isMain }) => {
      const slotted = this.slotted.get(key);
      return slotted?.isTrusted === true
        ? [{ slot: slotted.slot, header: slotted.header, isMain }]
        : [];
    });
    return { kernelBootId: this.kernelBootId, file: this.file.identity, entries };
  }

  private indexPath(): string {
    return `${this.directory}/slots.index`;
  }

  /** Nothing in the file can be told from what was written: forget all of it, for good. */
  private async turnOff(error: unknown, why: string): Promise<void> {
    if (!this.isOn) return;
    this.isOn = false;
    this.stopTicking();
    this.slotted.clear();
    this.deps.metrics.cache_disk_tier_on.set(0);
    this.deps.metrics.cache_slots_used.set(0);
    this.deps.logger.error(
      { error: diskError(error, 'slot file'), path: this.file.path },
      `cache: ${why}; the disk tier is off, reads go to the object store until the next start`,
    );
    try {
      await unlinkIfThere(this.deps.disk, this.indexPath());
      await unlinkSlotFiles(this.deps.disk, this.directory);
    } catch (failure) {
      this.deps.logger.error({ error: failure }, 'cache: its files cannot be removed');
    }
  }
}

/** Halves what the disk had room for until it fits. */
async function openFitting(
  deps: DiskTierDeps,
  place: CachePlace,
  signal: AbortSignal,
): Promise<SlotFile | undefined> {
  let slots = slotsWithin(place.sizeBytes);
  while (slots >= FEWEST_SLOTS) {
    try {
      return await openSlotFile(deps, place.directory, slots, signal);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      slots = Math.floor(slots / 2);
      deps.logger.error(
        { error, directory: place.directory, nextSlots: slots },
        'cache: the disk is too full for the slot file, a smaller one is tried',
      );
    }
  }
  if (place.sizeBytes > 0) {
    throw new LogtierError('DISK_FULL', `no room for ${printBytes(place.sizeBytes)} of slots`);
  }
  return undefined;
}
