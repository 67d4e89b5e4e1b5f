// Tables of the partitions that were asked about last, under a limit of bytes: a range read of the engine
// costs hundreds of microseconds, a search here less than one. Loaded by one scan, then kept by what apply
// writes.
import type { SegmentId } from '../../segment/ids.ts';
import type { KvEngine, KvWrite } from '../engine/kv-engine.ts';
import { EpochTable } from './epoch-table.ts';
import type { EpochOffset } from './find-segment.ts';
import {
  epochStartOf,
  epochStarts,
  partitionName,
  partitionNameOf,
  partitionPrefixOf,
} from './index-keys.ts';
import type { KeyRange, PartitionAddress } from './keys.ts';

/** Scans at once: they compete with apply for the engine. */
const MAX_LOADS = 2;

interface Loading {
  /** Written since before the scan began: applied again over what it read, in order. */
  readonly writes: KvWrite[];
  isWorthless: boolean;
}

export type IndexAnswer =
  /** Nothing is known: ask the engine. */
  { readonly kind: 'unknown' } | { readonly kind: 'known'; readonly id: SegmentId | undefined };

const UNKNOWN: IndexAnswer = { kind: 'unknown' };

export class EpochIndexes {
  private readonly maxBytes: number;
  /** Asked for longest ago first. */
  private readonly tables = new Map<string, EpochTable>();
  private readonly loading = new Map<string, Loading>();
  private loads: Promise<unknown> = Promise.resolve();
  private bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.bytes;
  }

  /** As of the last batch that was applied. What is not here begins to load from `engine`. */
  find(engine: KvEngine, address: PartitionAddress, { epoch, offset }: EpochOffset): IndexAnswer {
    const name = partitionName(address);
    const table = this.tables.get(name);
    if (table === undefined) {
      this.loadSoon(engine, address, name);
      return UNKNOWN;
    }
    this.tables.delete(name);
    this.tables.set(name, table);
    return { kind: 'known', id: table.find(epoch, offset) };
  }

  /** In the turn in which the writes can be read from the engine. */
  applied(writes: readonly KvWrite[]): void {
    for (const write of writes) {
      if (write.kind === 'deleteRange') this.dropUnder(partitionPrefixOf(write));
      else this.change(write);
    }
    this.makeRoom();
  }

  /** The engine holds another content now. */
  clear(): void {
    this.tables.clear();
    for (const load of this.loading.values()) load.isWorthless = true;
    this.bytes = 0;
  }

  /** Scans that are under way. */
  async settled(): Promise<void> {
    await this.loads;
  }

  private change(write: Exclude<KvWrite, { readonly kind: 'deleteRange' }>): void {
    const name = partitionNameOf(write.key);
    if (name === undefined) return;
    this.loading.get(name)?.writes.push(write);
    const table = this.tables.get(name);
    if (table === undefined) return;
    this.bytes -= table.bytes;
    applyTo(table, write);
    this.bytes += table.bytes;
  }

  private dropUnder(prefix: string | undefined): void {
    if (prefix === undefined) return;
    for (const name of this.tables.keys()) if (name.startsWith(prefix)) this.drop(name);
    for (const [name, load] of this.loading) if (name.startsWith(prefix)) load.isWorthless = true;
  }

  private drop(name: string): void {
    this.bytes -= this.tables.get(name)?.bytes ?? 0;
    this.tables.delete(name);
  }

  private makeRoom(): void {
    for (const name of this.tables.keys()) {
      if (this.bytes <= this.maxBytes) return;
      this.drop(name);
    }
  }

  private loadSoon(engine: KvEngine, address: PartitionAddress, name: string): void {
    if (this.loading.has(name) || this.loading.size >= MAX_LOADS) return;
    const load: Loading = { writes: [], isWorthless: false };
    this.loading.set(name, load);
    const loaded = this.load(engine, epochStarts(address), { name, load })
      // The engine broke: who applies or reads tells it.
      .catch(() => undefined)
      .finally(() => this.loading.delete(name));
    this.loads = Promise.all([this.loads, loaded]);
  }

  private async load(
    engine: KvEngine,
    range: KeyRange,
    { name, load }: { readonly name: string; readonly load: Loading },
  ): Promise<void> {
    const table = new EpochTable();
    for await (const { key, value } of engine.range(range)) {
      if (load.isWorthless || table.bytes > this.maxBytes) return;
      table.put(epochStartOf(key, value));
    }
    // In one turn with keeping it: what is applied later finds the table.
    for (const write of load.writes) applyTo(table, write);
    if (!load.isWorthless) this.keep(name, table);
  }

  private keep(name: string, table: EpochTable): void {
    if (table.bytes > this.maxBytes) return;
    this.tables.set(name, table);
    this.bytes += table.bytes;
    this.makeRoom();
  }
}

function applyTo(table: EpochTable, write: KvWrite): void {
  if (write.kind === 'put') table.put(epochStartOf(write.key, write.value));
  else if (write.kind === 'delete') table.delete(epochStartOf(write.key, NO_VALUE));
}

const NO_VALUE = new Uint8Array(24);
