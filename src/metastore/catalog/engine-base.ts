// The engine under the drafts of batch after batch: rows that commands ask for again and again stay in memory,
// kept by what is written, and what a batch will surely ask for beside them is read in one hop.
import type { KvRange, KvReader, KvWrite } from '../engine/kv-engine.ts';
import { type DraftBase, type DraftEntry, nameOf, type Soon } from './draft.ts';
import { TABLE } from './keys.ts';

/** Of a row in memory, beside key and value. */
const OVERHEAD_BYTES = 160;

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
type Row = Uint8Array | undefined;

export class EngineBase implements DraftBase {
  private readonly reader: KvReader;
  private readonly maxBytes: number;
  /** Asked for lately; what `older` holds beside them goes when they are half of `maxBytes`. */
  private recent = new Map<string, Row>();
  private older = new Map<string, Row>();
  private recentBytes = 0;

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
      this.keep(name, values[at]);
      at += 1;
    }
    this.makeRoom();
  }

  get(key: Uint8Array): Soon<Row> {
    return this.find(key, nameOf(key));
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
  applied(writes: readonly KvWrite[]): void {
    for (const write of writes) {
      // Topics and history go by ranges, seldom.
      if (write.kind === 'deleteRange') this.clear();
      else this.change(write);
    }
    this.makeRoom();
  }

  /** `reader` has another content now. */
  clear(): void {
    this.recent.clear();
    this.older.clear();
    this.recentBytes = 0;
  }

  private async fetch(key: Uint8Array, name: string): Promise<Row> {
    const value = await this.reader.get(key);
    this.keep(name, value);
    return value;
  }

  private isKnown(name: string): boolean {
    if (this.recent.has(name)) return true;
    if (!this.older.has(name)) return false;
    this.keep(name, this.older.get(name));
    return true;
  }

  private change(write: Exclude<KvWrite, { readonly kind: 'deleteRange' }>): void {
    if (!READ_TABLES.has(write.key[0] ?? 0)) {
      // Seldom read, and then by a command that came again: never from here.
      const name = nameOf(write.key);
      this.recent.delete(name);
      this.older.delete(name);
    } else this.keep(nameOf(write.key), write.kind === 'put' ? write.value : undefined);
  }

  private keep(name: string, row: Row): void {
    this.recent.set(name, row);
    this.recentBytes += name.length + (row?.length ?? 0) + OVERHEAD_BYTES;
  }

  /** Between batches only: what a batch has read it finds again. */
  private makeRoom(): void {
    if (this.recentBytes <= this.maxBytes / 2) return;
    this.older = this.recent;
    this.recent = new Map();
    this.recentBytes = 0;
  }
}
