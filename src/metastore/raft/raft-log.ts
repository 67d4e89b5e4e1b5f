// The log as the algorithm sees it: stored entries with the unstable end on top, and three marks on it.
//
// Invariant: applied <= applying <= commit <= last index.
import { assert } from '../../base/assert.ts';
import { entriesBytes, entryBytes } from './entry-size.ts';
import type { Entry, Snapshot } from './messages.ts';
import type { Compacted, LogStorage, Unavailable } from './storage.ts';
import type { TraceSink } from './trace.ts';
import { UnstableLog } from './unstable-log.ts';

/** Last entry of a log: what elections compare. */
export interface EntryId {
  readonly term: number;
  readonly index: number;
}

export interface RaftLogDeps {
  readonly storage: LogStorage;
  readonly trace: TraceSink | undefined;
}

const NO_ENTRIES: readonly Entry[] = [];

export class RaftLog {
  readonly unstable: UnstableLog;
  commit: number;
  applied: number;
  /** Handed out to be applied. */
  applying: number;
  readonly #storage: LogStorage;
  readonly #trace: TraceSink | undefined;
  readonly #maxApplyingBytes: number;
  #applyingBytes = 0;
  /** Enough is being applied; nothing more is handed out until some of it is reported. */
  #isApplyingPaused = false;

  constructor(deps: RaftLogDeps, maxApplyingBytes: number) {
    this.#storage = deps.storage;
    this.#trace = deps.trace;
    this.#maxApplyingBytes = maxApplyingBytes;
    this.unstable = new UnstableLog(deps.storage.lastIndex() + 1, deps.trace);
    this.commit = deps.storage.firstIndex() - 1;
    this.applied = this.commit;
    this.applying = this.commit;
  }

  firstIndex(): number {
    const snapshot = this.unstable.snapshot;
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex();
  }

  term(index: number): number | Compacted | Unavailable {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex()) return 'compacted';
    return index > this.lastIndex() ? 'unavailable' : this.#storage.term(index);
  }

  /** 0 where there is no entry. */
  termOrZero(index: number): number {
    const term = this.term(index);
    return typeof term === 'number' ? term : 0;
  }

  hasTerm(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  lastEntry(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    assert(typeof term === 'number', 'the term of the last entry is known');
    return { term, index };
  }

  /** Whether a log that ends with `their` holds at least what this one holds. */
  isUpToDate(their: EntryId): boolean {
    const own = this.lastEntry();
    return their.term > own.term || (their.term === own.term && their.index >= own.index);
  }

  /** For the leader's own entries. Returns the new last index. */
  append(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index > this.commit, `entry ${first.index} would replace a committed one`);
      this.unstable.truncateAndAppend(entries);
    }
    return this.lastIndex();
  }

  /**
   * For a follower: takes `entries` after the entry `previous` and commits up to `commit` as far as they
   * reach. Returns the last index that now agrees with the leader; undefined when `previous` is not here.
   */
  maybeAppend(previous: EntryId, entries: readonly Entry[], commit: number): number | undefined {
    if (!this.hasTerm(previous.index, previous.term)) return undefined;
    const lastNew = previous.index + entries.length;
    const skip = this.#agreeing(entries);
    const first = entries[skip];
    if (first !== undefined) this.append(skip === 0 ? entries : entries.slice(skip));
    this.commitTo(Math.min(commit, lastNew));
    return lastNew;
  }

  /**
   * Highest index at or below `index` whose term is at most `term`, and that term: nothing above it can
   * agree with a log that has `term` at `index`. The term is 0 when it is no longer known.
   */
  conflictByTerm(index: number, term: number): EntryId {
    for (let at = index; at > 0; at--) {
      const own = this.term(at);
      if (typeof own !== 'number') return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.commit) return;
    assert(index <= this.lastIndex(), `commit ${index} is beyond the log: entries were lost`);
    this.commit = index;
  }

  /** Only an entry of the own term is committed by counting; the ones before follow it (bug 1). */
  maybeCommit(index: number, term: number): boolean {
    if (term === 0 || index <= this.commit || !this.hasTerm(index, term)) return false;
    this.commitTo(index);
    return true;
  }

  appliedTo(index: number, bytes: number): void {
    assert(index <= this.commit && index >= this.applied, `applied ${index} is out of range`);
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.#applyingBytes = Math.max(this.#applyingBytes - bytes, 0);
    this.#isApplyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  /** `entries` were handed out to be applied. */
  acceptApplying(entries: readonly Entry[], allowUnstable: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    assert(last.index <= this.commit, `applying ${last.index} is not committed`);
    this.applying = last.index;
    this.#applyingBytes += entriesBytes(entries);
    this.#isApplyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes ||
      last.index < this.#lastAppliable(allowUnstable);
  }

  hasNextCommitted(allowUnstable: boolean): boolean {
    if (this.#isApplyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.applying < this.#lastAppliable(allowUnstable);
  }

  /** Committed entries to apply. Without `allowUnstable` only durable ones, so none is lost (bug 14). */
  nextCommitted(allowUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(allowUnstable)) return NO_ENTRIES;
    const maxBytes = this.#maxApplyingBytes - this.#applyingBytes;
    assert(maxBytes > 0, 'room for entries to apply is left while not paused');
    const end = this.#lastAppliable(allowUnstable) + 1;
    const entries = this.slice(this.applying + 1, end, maxBytes);
    assert(entries !== 'compacted', 'entries are not compacted before they are applied');
    return entries;
  }

  /** A conf change that is committed but not applied yet. */
  hasUnappliedConfChange(): boolean {
    const end = this.commit + 1;
    let at = this.applied + 1;
    while (at < end) {
      const page = this.slice(at, end, this.#maxApplyingBytes);
      assert(page !== 'compacted' && page.length > 0, 'unapplied entries are in the log');
      if (page.some((entry) => entry.type !== 'normal')) return true;
      at += page.length;
    }
    return false;
  }

  /** Entries from `index` on, within `maxBytes`, but at least one when there is one. */
  entries(index: number, maxBytes: number): readonly Entry[] | Compacted {
    const last = this.lastIndex();
    return index > last ? NO_ENTRIES : this.slice(index, last + 1, maxBytes);
  }

  /** Entries of [lo, hi) within `maxBytes`, at least one. */
  slice(lo: number, hi: number, maxBytes: number): readonly Entry[] | Compacted {
    assert(lo <= hi && hi <= this.lastIndex() + 1, `slice [${lo}, ${hi}) is within the log`);
    if (lo < this.firstIndex()) return 'compacted';
    if (lo === hi) return NO_ENTRIES;
    const { unstable } = this;
    if (lo >= unstable.offset) return unstable.slice(lo, hi, maxBytes);
    const cut = Math.min(hi, unstable.offset);
    const stored = this.#storage.entries(lo, cut, maxBytes);
    if (stored === 'compacted') return stored;
    assert(stored !== 'unavailable', `entries [${lo}, ${cut}) are stored`);
    if (hi <= unstable.offset || stored.length < cut - lo) return stored;
    return this.#withUnstable(stored, hi, maxBytes);
  }

  snapshot(): Snapshot | 'temporarilyUnavailable' {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  /** The log starts anew after the snapshot. */
  restore(snapshot: Snapshot): void {
    const { unstable } = this;
    this.#trace?.({
      kind: 'logRestoreStarted',
      commit: this.commit,
      applied: this.applied,
      applying: this.applying,
      unstableOffset: unstable.offset,
      unstableOffsetInProgress: unstable.offsetInProgress,
      unstableEntries: unstable.entries.length,
      index: snapshot.index,
      term: snapshot.term,
    });
    this.commit = snapshot.index;
    unstable.restore(snapshot);
  }

  #withUnstable(stored: readonly Entry[], hi: number, maxBytes: number): readonly Entry[] {
    const left = maxBytes - entriesBytes(stored);
    if (left <= 0) return stored;
    const more = this.unstable.slice(this.unstable.offset, hi, left);
    const first = more[0];
    // The first entry comes over the limit too; then the stored ones go alone.
    if (first !== undefined && more.length === 1 && entryBytes(first) > left) return stored;
    return [...stored, ...more];
  }

  #lastAppliable(allowUnstable: boolean): number {
    return allowUnstable ? this.commit : Math.min(this.commit, this.unstable.offset - 1);
  }

  /** How many of `entries`, from the first on, are in the log already. */
  #agreeing(entries: readonly Entry[]): number {
    let count = 0;
    for (const { index, term } of entries) {
      if (!this.hasTerm(index, term)) {
        this.#traceConflict(index, term);
        break;
      }
      count++;
    }
    return count;
  }

  #traceConflict(index: number, conflictingTerm: number): void {
    if (this.#trace === undefined || index > this.lastIndex()) return;
    const existingTerm = this.termOrZero(index);
    this.#trace({ kind: 'conflictFound', index, existingTerm, conflictingTerm });
  }
}
