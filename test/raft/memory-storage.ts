import { sliceWithin } from '../../src/metastore/raft/entry-size.ts';
import type { ConfState, Entry, HardState, Snapshot } from '../../src/metastore/raft/messages.ts';
import type { Compacted, LogStorage, Unavailable } from '../../src/metastore/raft/storage.ts';
import { EMPTY_CONFIG } from '../../src/metastore/raft/tracker.ts';

const NOTHING: HardState = { term: 0, vote: 0, commit: 0 };

/** The durable part of a node, in memory; refuses with etcd's words what etcd's refuses. */
export class MemoryStorage implements LogStorage {
  /** Overrides the snapshot's membership after a restart above it. */
  startConf: ConfState | undefined;
  isSnapshotAvailable = true;
  hardState: HardState = NOTHING;
  #snapshot: Snapshot = { index: 0, term: 0, confState: EMPTY_CONFIG };
  /** Index and term before the first entry. */
  #before = { index: 0, term: 0 };
  #entries: Entry[] = [];

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.startConf ?? this.#snapshot.confState };
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#entries.length;
  }

  term(index: number): number | Compacted | Unavailable {
    if (index < this.#before.index) return 'compacted';
    if (index === this.#before.index) return this.#before.term;
    return this.#entries[index - this.#before.index - 1]?.term ?? 'unavailable';
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | Compacted | Unavailable {
    if (lo <= this.#before.index) return 'compacted';
    if (hi > this.lastIndex() + 1) throw new Error(`entries up to ${hi} are out of bound`);
    const first = this.firstIndex();
    return sliceWithin(this.#entries, lo - first, hi - first, maxBytes);
  }

  snapshot(): Snapshot | 'temporarilyUnavailable' {
    return this.isSnapshotAvailable ? this.#snapshot : 'temporarilyUnavailable';
  }

  snapshotIndex(): number {
    return this.#snapshot.index;
  }

  /** Entries overwrite what stands at their indexes and above. */
  append(entries: readonly Entry[]): void {
    const kept = entries.filter((entry) => entry.index > this.#before.index);
    const [first] = kept;
    if (first === undefined) return;
    const at = first.index - this.firstIndex();
    if (at > this.#entries.length) throw new Error(`no entry before ${first.index}`);
    this.#entries.length = at;
    this.#entries.push(...kept);
  }

  /** What etcd answers to a snapshot that is not newer, or undefined. */
  applySnapshot(snapshot: Snapshot): string | undefined {
    if (this.#snapshot.index !== 0 && this.#snapshot.index >= snapshot.index) {
      return 'requested index is older than the existing snapshot';
    }
    this.#snapshot = snapshot;
    this.#before = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    return undefined;
  }

  createSnapshot(index: number, confState: ConfState, data: Uint8Array): void {
    const term = this.term(index);
    if (typeof term !== 'number') throw new Error(`no snapshot at ${index}: ${term}`);
    this.#snapshot = { index, term, confState, data };
  }

  /** Forgets entries up to and including `index`. */
  compact(index: number): string | undefined {
    if (index <= this.#before.index) return 'requested index is unavailable due to compaction';
    const term = this.term(index);
    if (typeof term !== 'number') throw new Error(`cannot compact up to ${index}: ${term}`);
    this.#entries = this.#entries.slice(index - this.#before.index);
    this.#before = { index, term };
    return undefined;
  }
}
