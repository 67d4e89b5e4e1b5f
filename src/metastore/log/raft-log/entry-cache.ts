// The newest durable entries in memory: for who applies them, and for followers that keep up.
import { sliceWithin } from '../../raft/entry-size.ts';
import type { Entry } from '../../raft/messages.ts';

/** Counted for each entry beside its payload, for the objects around it. */
const ENTRY_BYTES = 100;

export class EntryCache {
  private readonly limitBytes: number;
  private entries: Entry[] = [];
  /** Entries before this place are let go; moved in bulk, so that each add is cheap. */
  private start = 0;
  private bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Index of the oldest entry here; undefined when there is none. */
  get first(): number | undefined {
    return this.entries[this.start]?.index;
  }

  /** Replaces what stands at its index and above. */
  add(entry: Entry): void {
    const last = this.entries.at(-1);
    if (last !== undefined && entry.index !== last.index + 1) this.truncate(entry.index);
    this.entries.push(entry);
    this.bytes += sizeOf(entry);
  }

  /** Entries from `from` on go. */
  truncate(from: number): void {
    while (this.entries.length > this.start) {
      const last = this.entries.at(-1);
      if (last === undefined || last.index < from) return;
      this.entries.pop();
      this.bytes -= sizeOf(last);
    }
    this.clear();
  }

  clear(): void {
    this.entries = [];
    this.start = 0;
    this.bytes = 0;
  }

  /** Lets go of the oldest over the limit, none above `applied`: the core asks for those without a wait. */
  evict(applied: number): void {
    while (this.bytes > this.limitBytes) {
      const oldest = this.entries[this.start];
      if (oldest === undefined || oldest.index > applied) break;
      this.bytes -= sizeOf(oldest);
      this.start += 1;
    }
    if (this.start <= 1024 || this.start * 2 <= this.entries.length) return;
    this.entries = this.entries.slice(this.start);
    this.start = 0;
  }

  /** Entries of [lo, hi), about `maxBytes`, at least one; undefined when `lo` is not here. */
  slice(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined {
    const { first } = this;
    if (first === undefined || lo < first) return undefined;
    const from = this.start + (lo - first);
    if (from >= this.entries.length) return undefined;
    return sliceWithin(this.entries, from, this.start + (hi - first), maxBytes);
  }
}

function sizeOf({ data }: Entry): number {
  return data.length + ENTRY_BYTES;
}
