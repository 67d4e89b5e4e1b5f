import type { ConfState, Entry, HardState, Snapshot } from './messages.ts';

/** Below the first index: only a snapshot stands for it. */
export type Compacted = 'compacted';
/** Above the last index. */
export type Unavailable = 'unavailable';

/**
 * The durable part of the log, and a view of it that does not wait. Whoever owns it writes what Ready or
 * MsgStorageAppend asks for; the core only reads.
 */
export interface LogStorage {
  /** What the last run left; zeros and empty lists for a new node. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** Index after the snapshot the log starts with; 1 for a new log. */
  firstIndex(): number;
  /** `firstIndex() - 1` when there is no entry. */
  lastIndex(): number;
  /** Known for `firstIndex() - 1` too: the snapshot's term, 0 for a new log. */
  term(index: number): number | Compacted | Unavailable;
  /**
   * Entries of [lo, hi), cut so that their encoded size (entry-size.ts) stays within `maxBytes`, but at
   * least one. `lo < hi <= lastIndex() + 1`.
   */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | Compacted | Unavailable;
  /** The newest snapshot, to be sent to a follower that is too far behind. */
  snapshot(): Snapshot | 'temporarilyUnavailable';
}
