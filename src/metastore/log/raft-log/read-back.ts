// Older entries back from the files, for followers that are behind. The core asks without waiting: it is
// told that they are not there now, and asks again with the next heartbeat's answer.
import { sliceWithin } from '../../raft/entry-size.ts';
import type { Entry } from '../../raft/messages.ts';
import type { Wal } from '../../wal/wal.ts';
import type { WalEntry } from '../../wal/wal-record.ts';

/** Followers that catch up from the files at once, without evicting each other's pages. */
const PAGES = 4;

interface Page {
  readonly first: number;
  readonly entries: readonly Entry[];
}

export class ReadBack {
  private readonly wal: Wal;
  private readonly pageBytes: number;
  private pages: Page[] = [];
  private readonly loading = new Set<number>();

  constructor(wal: Wal, pageBytes: number) {
    this.wal = wal;
    this.pageBytes = pageBytes;
  }

  /** Entries of [lo, hi), about `maxBytes`, at least one; undefined while they are fetched. */
  slice(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined {
    const page = this.pages.find(
      ({ first, entries }) => lo >= first && lo < first + entries.length,
    );
    if (page === undefined) {
      this.load(lo);
      return undefined;
    }
    const end = page.first + page.entries.length;
    // The next page comes while this one is sent.
    if (hi >= end) this.load(end);
    return sliceWithin(page.entries, lo - page.first, hi - page.first, maxBytes);
  }

  /** What stood there is replaced: the log was cut or began anew. */
  clear(): void {
    this.pages = [];
    this.loading.clear();
  }

  private load(first: number): void {
    const { wal } = this;
    const isThere = BigInt(first) >= wal.firstIndex && BigInt(first) <= wal.lastIndex;
    const isKnown = this.pages.some((page) => page.first === first);
    if (!isThere || isKnown || this.loading.has(first) || this.loading.size >= PAGES) return;
    this.loading.add(first);
    void this.fetch(first);
  }

  private async fetch(first: number): Promise<void> {
    try {
      const entries = await this.wal.read(BigInt(first), this.pageBytes);
      // Cleared meanwhile: it may be of a log that is no more.
      if (!this.loading.delete(first)) return;
      this.pages = [...this.pages.slice(1 - PAGES), { first, entries: entries.map(coreEntry) }];
    } catch {
      // Compacted away, or the log broke: the core learns it from the log itself.
      this.loading.delete(first);
    }
  }
}

export function coreEntry({ index, term, changesMembers, command }: WalEntry): Entry {
  const type = changesMembers ? 'confChangeV2' : 'normal';
  return { index: Number(index), term: Number(term), type, data: command };
}
