// What a batch of entries would write, readable as if it were written. A savepoint marks where an entry or a
// command began: going back to it leaves no trace, which is how a command's operations are all applied or none.
import type { KvRange, KvWrite } from '../engine/kv-engine.ts';
import type { KeyRange } from './keys.ts';
import { encodeRow, type RowCodec, rowOf, type StoredRow } from './row.ts';

export interface DraftEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Mostly at hand: a promise for each of the many rows that a command asks for would cost more than the row. */
export type Soon<Value> = Value | Promise<Value>;

export function isPromise<Value>(soon: Soon<Value>): soon is Promise<Value> {
  return soon instanceof Promise;
}

/** What lies under a draft. */
export interface DraftBase {
  /** `name` is `nameOf(key)`. */
  find(key: Uint8Array, name: string): Soon<StoredRow | undefined>;
  entries(range: KvRange): Promise<readonly DraftEntry[]>;
}

/** A key as text, one character a byte: what maps are keyed by. */
export function nameOf(key: Uint8Array): string {
  const bytes = Buffer.isBuffer(key)
    ? key
    : Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  return bytes.toString('latin1');
}

function isWithin(name: string, range: NamedRange): boolean {
  return name >= range.from && name < range.to;
}

interface NamedRange {
  readonly from: string;
  readonly to: string;
}

/** The newest write of a key. */
export type Change =
  | (StoredRow & { readonly kind: 'put'; readonly key: Uint8Array; readonly name: string })
  | { readonly kind: 'delete'; readonly key: Uint8Array; readonly name: string };

/** As a draft hands it on: knows the name of its key. */
export type DraftWrite = Change | Extract<KvWrite, { readonly kind: 'deleteRange' }>;

/** What takes one write back. */
interface Step {
  readonly write: DraftWrite;
  /** What the write replaced. */
  readonly before: Change | undefined;
  /** What a range dropped. */
  readonly dropped: readonly (readonly [string, Change])[];
}

/** Where a draft stood. */
export type Savepoint = number;

const NOTHING_DROPPED: Step['dropped'] = [];

/** Latin-1 names compare as their bytes do. */
function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

export class Draft {
  private readonly base: DraftBase;
  private readonly changes = new Map<string, Change>();
  private readonly droppedRanges: NamedRange[] = [];
  /** In the order they were made. */
  private readonly steps: Step[] = [];

  constructor(base: DraftBase) {
    this.base = base;
  }

  get(key: Uint8Array): Soon<Uint8Array | undefined> {
    const found = this.find(key);
    return isPromise(found) ? found.then((stored) => stored?.value) : found?.value;
  }

  row<Row>(codec: RowCodec<Row>, key: Uint8Array): Soon<Row | undefined> {
    const found = this.find(key);
    if (found === undefined) return undefined;
    if (!isPromise(found)) return rowOf(codec, found);
    return found.then((stored) => (stored === undefined ? undefined : rowOf(codec, stored)));
  }

  has(key: Uint8Array): Soon<boolean> {
    const found = this.find(key);
    return isPromise(found) ? found.then((stored) => stored !== undefined) : found !== undefined;
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
    for (const [name, change] of changed) {
      if (change.kind === 'delete') merged.delete(name);
      else merged.set(name, change);
    }
    const sorted = [...merged].toSorted(byName).map(([, entry]) => entry);
    const ordered = range.reverse === true ? sorted.toReversed() : sorted;
    return limit === Infinity ? ordered : ordered.slice(0, limit);
  }

  put<Row>(codec: RowCodec<Row>, key: Uint8Array, row: Row): void {
    const value = encodeRow(codec, row);
    this.change({ kind: 'put', key, value, name: nameOf(key), codec, row });
  }

  putBytes(key: Uint8Array, value: Uint8Array): void {
    this.change({ kind: 'put', key, value, name: nameOf(key) });
  }

  delete(key: Uint8Array): void {
    this.change({ kind: 'delete', key, name: nameOf(key) });
  }

  deleteRange({ from, to }: KeyRange): void {
    const range = { from: nameOf(from), to: nameOf(to) };
    const dropped = [...this.changes].filter(([name]) => isWithin(name, range));
    for (const [name] of dropped) this.changes.delete(name);
    this.droppedRanges.push(range);
    const write: DraftWrite = { kind: 'deleteRange', from, to };
    this.steps.push({ write, before: undefined, dropped });
  }

  savepoint(): Savepoint {
    return this.steps.length;
  }

  /** Takes back all that was written since. */
  rollBack(to: Savepoint): void {
    for (const step of this.steps.splice(to).toReversed()) this.takeBack(step);
  }

  /** In the order they were made, each of them: what the hash chain covers. */
  writesSince(from: Savepoint): DraftWrite[] {
    return this.steps.slice(from).map(({ write }) => write);
  }

  /** What goes to the engine: of a key that was written more than once its last write alone. */
  get writes(): DraftWrite[] {
    const written = new Set<string>();
    const last: DraftWrite[] = [];
    for (let at = this.steps.length - 1; at >= 0; at -= 1) {
      const write = this.steps[at]?.write;
      if (write === undefined || (write.kind !== 'deleteRange' && written.has(write.name)))
        continue;
      if (write.kind !== 'deleteRange') written.add(write.name);
      last.push(write);
    }
    return last.toReversed();
  }

  private find(key: Uint8Array): Soon<StoredRow | undefined> {
    const name = nameOf(key);
    const change = this.changes.get(name);
    if (change !== undefined) return change.kind === 'put' ? change : undefined;
    const isDropped = this.droppedRanges.some((range) => isWithin(name, range));
    return isDropped ? undefined : this.base.find(key, name);
  }

  private change(write: Change): void {
    const before = this.changes.get(write.name);
    this.changes.set(write.name, write);
    this.steps.push({ write, before, dropped: NOTHING_DROPPED });
  }

  private takeBack({ write, before, dropped }: Step): void {
    if (write.kind === 'deleteRange') {
      this.droppedRanges.pop();
      for (const [name, change] of dropped) this.changes.set(name, change);
    } else if (before === undefined) this.changes.delete(write.name);
    else this.changes.set(write.name, before);
  }
}
