// A chunk cache on a disk that a test controls, and chunks whose content is a function of their name.
import { crc32 } from '../../src/base/checksum.ts';
import type { ChunkRef } from '../../src/cache/chunk-ref.ts';
import { ChunkCache, type LoadChunk } from '../../src/cache/chunk-cache.ts';
import { cacheMetrics } from '../../src/cache/metrics.ts';
import { cacheSettings, type CachePlace } from '../../src/cache/settings.ts';
import { SLOT_BYTES } from '../../src/cache/slot-file.ts';
import { systemClock, type Clock } from '../../src/platform/clock.ts';
import type { Disk } from '../../src/platform/disk.ts';
import type { LogFields, Logger } from '../../src/platform/log.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { MemoryDisk } from './memory-disk.ts';
import { segmentId, type SegmentId } from '../../src/segment/ids.ts';

export const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/** 22 characters, different for each number below 64. */
export function segmentNamed(number: number): SegmentId {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number + 1, 12);
  return segmentId(bytes.toString('base64url'));
}

/** The content of a chunk: no two chunks share a word. */
export function chunkBytes(segment: number, chunk: number, bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) {
    content.writeUInt32LE((segment * 40_503 + chunk * 9_973 + at) >>> 0, at);
  }
  return content;
}

export interface Chunk {
  readonly ref: ChunkRef;
  readonly bytes: Buffer;
}

export function chunkOf(segment: number, chunk: number, sizeBytes = 70_000): Chunk {
  const bytes = chunkBytes(segment, chunk, sizeBytes);
  const ref = { segmentId: segmentNamed(segment), chunk, bytes: sizeBytes, crc: crc32(bytes) };
  return { ref, bytes };
}

/** Answers `bytes` in two pieces, after `gate`. */
export function loadOf(bytes: Buffer, gate: Promise<void> = Promise.resolve()): LoadChunk {
  return async function* load() {
    await gate;
    yield bytes.subarray(0, 1000);
    yield bytes.subarray(1000);
  };
}

export class Gate {
  open: () => void = () => undefined;
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

export interface Told {
  readonly level: string;
  readonly message: string;
}

export class RememberingLogger implements Logger {
  readonly told: Told[] = [];
  debug(_: LogFields, message: string): void {
    this.told.push({ level: 'debug', message });
  }
  info(_: LogFields, message: string): void {
    this.told.push({ level: 'info', message });
  }
  warn(_: LogFields, message: string): void {
    this.told.push({ level: 'warn', message });
  }
  error(_: LogFields, message: string): void {
    this.told.push({ level: 'error', message });
  }
}

/** As if the file had been written at an earlier start: a disk in memory grows slowly. */
function placeZeros(disk: MemoryDisk, { directory, sizeBytes }: CachePlace): void {
  const isThere = disk.paths().some((path) => path.endsWith('.slots'));
  if (isThere || disk.capacityBytes < Infinity) return;
  disk.place(`${directory}/chunks-0000000000000000.slots`, Buffer.alloc(sizeBytes));
}

export class CacheWorld {
  readonly logger = new RememberingLogger();
  readonly stopping = new AbortController();
  readonly registry = createMetrics();
  readonly metrics = this.registry.live(cacheMetrics);
  /** What the store was asked for, in order. */
  readonly loaded: string[] = [];
  cache: ChunkCache;
  private ticks: (() => void)[];

  private constructor(cache: ChunkCache | undefined) {
    this.ticks = [];
    this.cache = cache as ChunkCache;
  }

  static async open(disk: Disk, options: { slots?: number; dir?: string } = {}) {
    const world = new CacheWorld(undefined);
    const clock: Clock = {
      ...systemClock,
      every: (_, tick) => {
        world.ticks.push(tick);
        return () => {
          world.ticks = [];
        };
      },
    };
    const { logger, metrics } = world;
    const place = {
      directory: options.dir ?? '/state/cache',
      sizeBytes: (options.slots ?? 4) * SLOT_BYTES,
    };
    if (disk instanceof MemoryDisk) placeZeros(disk, place);
    const deps = { disk, clock, random: systemRandom, logger, metrics };
    const settings = cacheSettings.parse({ memoryBytes: '32MiB' });
    world.cache = await ChunkCache.open(deps, settings, place, world.stopping.signal);
    return world;
  }

  /** What the timer does every 30 s. */
  tick(): void {
    for (const tick of this.ticks) tick();
  }

  /** The whole chunk through the cache; `stored` is what the store answers. */
  async read(
    chunk: Chunk,
    options: { load?: LoadChunk; signal?: AbortSignal; start?: number; end?: number } = {},
  ): Promise<Buffer> {
    const range = { start: options.start ?? 0, end: options.end ?? chunk.ref.bytes };
    const into = Buffer.alloc(range.end - range.start);
    const inner = options.load ?? loadOf(chunk.bytes);
    const load: LoadChunk = (signal) => {
      this.loaded.push(`${chunk.ref.segmentId}/${chunk.ref.chunk}`);
      return inner(signal);
    };
    await this.cache.read(
      { ref: chunk.ref, range, into },
      load,
      options.signal ?? this.stopping.signal,
    );
    return into;
  }

  /** Pushes everything out of the memory tier, so that reads come from slots. */
  async flushMemory(): Promise<void> {
    for (let number = 0; number < 9; number += 1) {
      const chunk = chunkOf(60, number, 1000);
      await this.read(chunk).catch(() => undefined);
    }
    this.loaded.length = 0;
  }

  async metric(name: string): Promise<number> {
    const line = (await this.registry.print())
      .split('\n')
      .find((text) => text.startsWith(`logtier_${name}`) && !text.startsWith('#'));
    return Number(line?.split(' ').at(-1) ?? Number.NaN);
  }

  errors(): string[] {
    return this.logger.told.filter(({ level }) => level === 'error').map(({ message }) => message);
  }
}
