// The end of the log that is not known to be durable yet, and a snapshot on its way in.
//
//   stored entries │ in progress of being written │ not handed out yet
//                  ▲ offset                       ▲ offsetInProgress
import { assert } from '../../base/assert.ts';
import { sliceWithin } from './entry-size.ts';
import type { Entry, Snapshot } from './messages.ts';
import type { TraceSink } from './trace.ts';

export class UnstableLog {
  /** Received, to be written before any entry. */
  snapshot: Snapshot | undefined;
  readonly entries: Entry[] = [];
  /** Index of `entries[0]`, which may also overwrite stored entries. */
  offset: number;
  /** Entries below are handed out to be written. */
  offsetInProgress: number;
  #isSnapshotInProgress = false;
  readonly #trace: TraceSink | undefined;

  constructor(offset: number, trace: TraceSink | undefined) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#trace = trace;
  }

  lastIndex(): number | undefined {
    const count = this.entries.length;
    return count > 0 ? this.offset + count - 1 : this.snapshot?.index;
  }

  term(index: number): number | undefined {
    if (index >= this.offset) return this.entries[index - this.offset]?.term;
    return this.snapshot?.index === index ? this.snapshot.term : undefined;
  }

  hasNextEntries(): boolean {
    return this.entries.length > this.offsetInProgress - this.offset;
  }

  nextEntries(): readonly Entry[] {
    return this.entries.slice(this.offsetInProgress - this.offset);
  }

  nextSnapshot(): Snapshot | undefined {
    return this.#isSnapshotInProgress ? undefined : this.snapshot;
  }

  /** Everything there is has been handed out. */
  acceptInProgress(): void {
    if (this.entries.length > 0) this.offsetInProgress = this.offset + this.entries.length;
    if (this.snapshot !== undefined) this.#isSnapshotInProgress = true;
  }

  /**
   * Entries up to `index` are durable, if the entry there is still the one of `term`: an answer for
   * entries that were overwritten meanwhile says nothing about the new ones (bug 13).
   */
  stableTo(index: number, term: number): void {
    const unstableTerm = this.term(index);
    if (unstableTerm === undefined) return this.#trace?.({ kind: 'stableEntryMissing', index });
    if (index < this.offset) return this.#trace?.({ kind: 'stableEntryIsSnapshot', index });
    if (unstableTerm !== term) {
      return this.#trace?.({ kind: 'stableEntryMismatch', index, term, unstableTerm });
    }
    this.entries.splice(0, index + 1 - this.offset);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.#isSnapshotInProgress = false;
  }

  restore(snapshot: Snapshot): void {
    this.offset = snapshot.index + 1;
    this.offsetInProgress = this.offset;
    this.entries.length = 0;
    this.snapshot = snapshot;
    this.#isSnapshotInProgress = false;
  }

  /** What stands at the indexes of `added` and above is replaced. */
  truncateAndAppend(added: readonly Entry[]): void {
    const from = added[0]?.index;
    if (from === undefined) return;
    if (from !== this.offset + this.entries.length) this.#truncate(from);
    for (const entry of added) this.entries.push(entry);
  }

  /** Entries of [lo, hi) within `maxBytes`, at least one. */
  slice(lo: number, hi: number, maxBytes: number): Entry[] {
    assert(lo <= hi && lo >= this.offset, 'a slice of the unstable log starts in it');
    assert(hi <= this.offset + this.entries.length, 'a slice of the unstable log ends in it');
    return sliceWithin(this.entries, lo - this.offset, hi - this.offset, maxBytes);
  }

  #truncate(from: number): void {
    if (from <= this.offset) {
      this.#trace?.({ kind: 'unstableReplaced', index: from });
      this.entries.length = 0;
      this.offset = from;
      this.offsetInProgress = from;
      return;
    }
    this.#trace?.({ kind: 'unstableTruncated', index: from });
    assert(from < this.offset + this.entries.length, 'entries are appended without a gap');
    this.entries.length = from - this.offset;
    this.offsetInProgress = Math.min(this.offsetInProgress, from);
  }
}
