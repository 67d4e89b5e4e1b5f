// The durable log as the core sees it: without waiting.
import { EntryCache } from './entry-cache.ts';
import type { ConfState, Entry, HardState, Snapshot } from '../../raft/messages.ts';
import type { Compacted, LogStorage, Unavailable } from '../../raft/storage.ts';
import type { Wal } from '../../wal/wal.ts';
import { encodeMembership } from './membership.ts';
import type { MembershipHistory } from './membership-history.ts';
import { ReadBack } from './read-back.ts';

export interface LogViewStart {
  readonly hardState: HardState;
  readonly confState: ConfState;
}

export interface LogViewDeps {
  readonly wal: Wal;
  readonly history: MembershipHistory;
}

export class LogView implements LogStorage {
  readonly cache: EntryCache;
  readonly readBack: ReadBack;
  private readonly wal: Wal;
  private readonly history: MembershipHistory;
  private readonly start: LogViewStart;
  /** Entries were asked for that are on their way: no reason for a snapshot. */
  private isFetching = false;

  constructor(
    { wal, history }: LogViewDeps,
    settings: { readonly tailBytes: number; readonly readBytes: number },
    start: LogViewStart,
  ) {
    this.wal = wal;
    this.history = history;
    this.start = start;
    this.cache = new EntryCache(settings.tailBytes);
    this.readBack = new ReadBack(wal, settings.readBytes);
  }

  initialState(): LogViewStart {
    return this.start;
  }

  /** The log keeps whole files: where the term before the oldest entry is unknown, that entry stands for it. */
  firstIndex(): number {
    const first = Number(this.wal.firstIndex);
    return this.knownTerm(first - 1) === undefined ? first + 1 : first;
  }

  lastIndex(): number {
    return Number(this.wal.lastIndex);
  }

  term(index: number): number | Compacted | Unavailable {
    if (index > this.lastIndex()) return 'unavailable';
    return this.knownTerm(index) ?? 'compacted';
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | Compacted | Unavailable {
    if (lo < this.firstIndex()) return 'compacted';
    const found = this.cache.slice(lo, hi, maxBytes) ?? this.readBack.slice(lo, hi, maxBytes);
    if (found !== undefined) return found;
    this.isFetching = true;
    return 'compacted';
  }

  /** Stands for the newest snapshot: the transport sends one that is taken then, at or above its index. */
  snapshot(): Snapshot | 'temporarilyUnavailable' {
    const { snapshot } = this.wal;
    const wasFetching = this.isFetching;
    this.isFetching = false;
    if (snapshot === undefined || wasFetching) return 'temporarilyUnavailable';
    const membership = this.history.at(Number(snapshot.index));
    if (membership === undefined) return 'temporarilyUnavailable';
    return {
      index: Number(snapshot.index),
      term: Number(snapshot.term),
      confState: membership.confState,
      data: encodeMembership(membership),
    };
  }

  private knownTerm(index: number): number | undefined {
    if (index === 0) return 0;
    const term = this.wal.termOf(BigInt(index));
    return term === undefined ? undefined : Number(term);
  }
}
