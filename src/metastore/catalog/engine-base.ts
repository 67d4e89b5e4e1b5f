// The engine under the drafts of batch after batch: rows that commands ask for again and again stay in memory,
// kept by what is written, and what a batch will surely ask for beside them is read in one hop.
import type { KvRange, KvReader } from '../engine/kv-engine.ts';
import { type DraftBase, type DraftEntry, type DraftWrite, nameOf, type Soon } from './draft.ts';
import { type PartitionAddress, TABLE } from './keys.ts';
import type { StoredRow } from './row.ts';

/** Of a row in memory, beside key and value: what it was decoded to, too. */
const OVERHEAD_BYTES = 1024;

const DEFAULT_BYTES = 64 * 2 ** 20;

/** Tables whose rows are read by commands; of the others nothing is kept. */
const READ_TABLES: ReadonlySet<number> = new Set([
  TABLE.cluster,
  TABLE.segment,
  TABLE.epoch,
  TABLE.totals,
  TABLE.lineage,
  TABLE.remoteStart,
  TABLE.tombstone,
  TABLE.erase,
  TABLE.claim,
  TABLE.session,
  TABLE.topic,
]);

/** Undefined: the engine has no such row. */
type Row = StoredRow | undefined;

export class EngineBase implements DraftBase {
  private readonly reader: KvReader;
  private readonly maxBytes: number;
  /** Asked for lately; what `older` holds beside them goes when they are half of `maxBytes`. */
  private recent = new Map<string, Row>();
  private older = new Map<string, Row>();
  private recentBytes = 0;
  /** Of which the rows without a segment's id were asked for lately. */
  private readonly warm = new Set<PartitionAddress>();

  /** `reader` changes by what `applied` is told only. */
  constructor(reader: KvReader, maxBytes = DEFAULT_BYTES) {
    this.reader = reader;
    this.maxBytes = maxBytes;
  }

  /** Reads what is not here yet in one hop. */
  async prefetch(keys: readonly Uint8Array[]): Promise<void> {
    const missing = new Map<string, Uint8Array>();
    for (const key of keys) {
      const name = nameOf(key);
      if (!this.isKnown(name)) missing.set(name, key);
    }
    if (missing.size === 0) return;
    const values = await this.reader.getMany([...missing.values()]);
    let at = 0;
    for (const name of missing.keys()) {
      this.keep(name, storedOf(values[at]));
      at += 1;
    }
    this.makeRoom();
  }

  /** What is in memory of a row; undefined also when nothing is. */
  known(key: Uint8Array): Row {
    const name = nameOf(key);
    return this.isKnown(name) ? this.recent.get(name) : undefined;
  }

  /** Whether the partition's own rows are in memory, most likely; from now on they are. */
  warmUp(address: PartitionAddress): boolean {
    if (this.warm.has(address)) return true;
    this.warm.add(address);
    return false;
  }

  find(key: Uint8Array, name: string): Soon<Row> {
    return this.isKnown(name) ? this.recent.get(name) : this.fetch(key, name);
  }

  async entries(range: KvRange): Promise<readonly DraftEntry[]> {
    const { limit, ...unlimited } = range;
    const bounded = limit === undefined || limit === Infinity ? unlimited : { ...unlimited, limit };
    const entries: DraftEntry[] = [];
    for await (const entry of this.reader.range(bounded)) entries.push(entry);
    return entries;
  }

  /** `reader` has these writes now. */
  applied(writes: readonly DraftWrite[]): void {
    for (const write of writes) {
      // Topics and history go by ranges, seldom.
      if (write.kind === 'deleteRange') this.clear();
      else if (isRead(write.key)) this.keep(write.name, write.kind === 'put' ? write : undefined);
      else this.forget(write.name);
    }
    this.makeRoom();
  }

  /** `reader` has another content now. */
  clear(): void {
    this.recent.clear();
    this.older.clear();
    this.recentBytes = 0;
    this.warm.clear();
  }

  private async fetch(key: Uint8Array, name: string): Promise<Row> {
    const row = storedOf(await this.reader.get(key));
    this.keep(name, row);
    return row;
  }

  private isKnown(name: string): boolean {
    if (this.recent.has(name)) return true;
    if (!this.older.has(name)) return false;
    this.keep(name, this.older.get(name));
    return true;
  }

  /** Seldom read, and then by a command that came again. */
  private forget(name: string): void {
    this.recent.delete(name);
    this.older.delete(name);
  }

  private keep(name: string, row: Row): void {
    this.recent.set(name, row);
    this.recentBytes += name.length + (row?.value.length ?? 0) + OVERHEAD_BYTES;
  }

  /** Between batches only: what a batch has read it finds again. */
  private makeRoom(): void {
    if (this.recentBytes <= this.maxBytes / 2) return;
    this.older = this.recent;
    this.recent = new Map();
    this.recentBytes = 0;
    this.warm.clear();
  }
}

function storedOf(value: Uint8Array | undefined): Row {
  return value === undefined ? undefined : { value };
}

function isRead(key: Uint8Array): boolean {
  return READ_TABLES.has(key[0] ?? 0);
}
