// What a batch, an entry or a command would write, readable as if it were written. Throwing it away
// leaves no trace: that is how a command's operations are all applied or none.
import type { KvRange, KvWrite } from '../engine/kv-engine.ts';
import type { KeyRange } from './keys.ts';
import { decodeRow, encodeRow, type RowCodec } from './row.ts';

export interface DraftEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** What lies under a draft: another draft, or the engine. */
export interface DraftBase {
  /** `name` is `nameOf(key)`: asked through all layers, made once. */
  find(key: Uint8Array, name: string): Promise<Uint8Array | undefined>;
  entries(range: KvRange): Promise<readonly DraftEntry[]>;
}

/** A key as text, one character a byte: what maps are keyed by. */
export function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function isWithin(name: string, range: NamedRange): boolean {
  return name >= range.from && name < range.to;
}

interface NamedRange {
  readonly from: string;
  readonly to: string;
}

interface Change {
  readonly key: Uint8Array;
  /** Undefined: deleted. */
  readonly value: Uint8Array | undefined;
}

/** Latin-1 names compare as their bytes do. */
function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

export class Draft implements DraftBase {
  /** In the order they were made: what goes to the engine. */
  readonly writes: KvWrite[] = [];
  /** Of the keys in `writes`; empty for ranges. */
  private readonly names: string[] = [];
  private readonly base: DraftBase;
  private readonly changes = new Map<string, Change>();
  private readonly droppedRanges: NamedRange[] = [];

  constructor(base: DraftBase) {
    this.base = base;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.find(key, nameOf(key));
  }

  find(key: Uint8Array, name: string): Promise<Uint8Array | undefined> {
    const change = this.changes.get(name);
    if (change !== undefined) return Promise.resolve(change.value);
    const isDropped = this.droppedRanges.some((range) => isWithin(name, range));
    return isDropped ? Promise.resolve(undefined) : this.base.find(key, name);
  }

  async row<Row>(codec: RowCodec<Row>, key: Uint8Array): Promise<Row | undefined> {
    const bytes = await this.get(key);
    return bytes === undefined ? undefined : decodeRow(codec, bytes);
  }

  async has(key: Uint8Array): Promise<boolean> {
    return (await this.get(key)) !== undefined;
  }

  /** All at once: for ranges that a limit keeps short. */
  async entries(range: KvRange): Promise<readonly DraftEntry[]> {
    const named = { from: nameOf(range.from), to: nameOf(range.to) };
    const changed = [...this.changes].filter(([name]) => isWithin(name, named));
    // Changes may hide entries below: ask for so many more.
    const limit = range.limit ?? Infinity;
    const below = this.droppedRanges.length > 0 ? Infinity : limit + changed.length;
    const merged = new Map<string, DraftEntry>();
    for (const entry of await this.base.entries({ ...range, limit: below })) {
      const name = nameOf(entry.key);
      if (!this.droppedRanges.some((dropped) => isWithin(name, dropped))) merged.set(name, entry);
    }
    for (const [name, { key, value }] of changed) {
      if (value === undefined) merged.delete(name);
      else merged.set(name, { key, value });
    }
    const sorted = [...merged].toSorted(byName).map(([, entry]) => entry);
    const ordered = range.reverse === true ? sorted.toReversed() : sorted;
    return limit === Infinity ? ordered : ordered.slice(0, limit);
  }

  put<Row>(codec: RowCodec<Row>, key: Uint8Array, row: Row): void {
    this.putBytes(key, encodeRow(codec, row));
  }

  putBytes(key: Uint8Array, value: Uint8Array): void {
    this.write({ kind: 'put', key, value });
  }

  delete(key: Uint8Array): void {
    this.write({ kind: 'delete', key });
  }

  deleteRange({ from, to }: KeyRange): void {
    this.write({ kind: 'deleteRange', from, to });
  }

  /** Takes over what `child`, a draft on this one, would have written. */
  absorb(child: Draft): void {
    child.writes.forEach((write, at) => {
      this.write(write, child.names[at] ?? '');
    });
  }

  private write(
    write: KvWrite,
    name = write.kind === 'deleteRange' ? '' : nameOf(write.key),
  ): void {
    this.writes.push(write);
    this.names.push(name);
    switch (write.kind) {
      case 'put':
        this.changes.set(name, { key: write.key, value: write.value });
        return;
      case 'delete':
        this.changes.set(name, { key: write.key, value: undefined });
        return;
      case 'deleteRange':
        this.dropRange({ from: nameOf(write.from), to: nameOf(write.to) });
    }
  }

  private dropRange(range: NamedRange): void {
    for (const name of this.changes.keys()) {
      if (isWithin(name, range)) this.changes.delete(name);
    }
    this.droppedRanges.push(range);
  }
}
