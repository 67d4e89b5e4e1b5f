// One log on a memory disk, through crashes and reopenings.
import type { Clock } from '../../src/platform/clock.ts';
import { type OpenedWal, openWal } from '../../src/metastore/wal/open-wal.ts';
import type { WalSettings } from '../../src/metastore/wal/settings.ts';
import type { Wal } from '../../src/metastore/wal/wal.ts';
import type { WalEntry, WalRecord } from '../../src/metastore/wal/wal-record.ts';
import { type Draw, MemoryDisk } from './memory-disk.ts';

export const DIRECTORY = '/data/wal';
export const IDENTITY = { clusterId: 'metastore-1', nodeId: 7n };

/** Small files, so that a few entries rotate. */
export const SMALL: WalSettings = {
  fileBytes: 4096,
  batchBytes: 2048,
  queuedBytes: 65_536,
  markMs: 1000,
};

function never(): never {
  throw new Error('the log asks no time');
}

/** Only `every` is called by a log; the test ticks. */
export function tickedClock(): Clock & { tick(): void } {
  const ticks = new Set<() => void>();
  return {
    wallMs: never,
    monotonicMs: never,
    uptimeMs: never,
    sleep: never,
    deadline: never,
    every: (_, tick) => {
      ticks.add(tick);
      return () => {
        ticks.delete(tick);
      };
    },
    tick: () => {
      for (const tick of ticks) tick();
    },
  };
}

export class WalWorld {
  readonly disk = new MemoryDisk();
  readonly clock = tickedClock();
  readonly settings: WalSettings;

  constructor(settings: Partial<WalSettings> = {}) {
    this.settings = { ...SMALL, ...settings };
    this.disk.place('/data/lost+found', Buffer.alloc(0));
  }

  async open(identity = IDENTITY): Promise<OpenedWal> {
    const deps = { disk: this.disk.forProcess(), clock: this.clock };
    return await openWal(deps, this.settings, { directory: DIRECTORY, ...identity });
  }

  /** Opened, and with the next file prepared: the disk is quiet. */
  async openWal(): Promise<Wal> {
    const { wal } = await this.open();
    await this.settle();
    return wal;
  }

  /** Lets everything run that waits for the memory disk alone. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve();
  }

  /** Log files, oldest first. */
  files(): string[] {
    return this.disk
      .contents()
      .map(([path]) => path)
      .filter((path) => path.endsWith('.wal'));
  }

  async crashAndReopen(draw: Draw): Promise<OpenedWal> {
    this.disk.crash(draw);
    return await this.open();
  }
}

/** Keeps every sector, and every name: power loss that the disk's cache survived. */
export const keepAll: Draw = () => 0.999;

/** Keeps nothing that was not synced. */
export const keepNothing: Draw = () => 0;

export function entry(index: number | bigint, text = `command ${index}`, term = 1n): WalRecord {
  const place = { index: BigInt(index), term, changesMembers: false };
  return { kind: 'entry', ...place, command: Buffer.from(text) };
}

export function printed(entries: readonly WalEntry[]): string[] {
  return entries.map(
    ({ index, term, command }) => `${index}/${term} ${Buffer.from(command).toString()}`,
  );
}

export async function readAll(wal: Wal): Promise<string[]> {
  const all: string[] = [];
  for (let from = wal.firstIndex; from <= wal.lastIndex;) {
    const some = await wal.read(from, 1024);
    all.push(...printed(some));
    from += BigInt(some.length);
  }
  return all;
}
