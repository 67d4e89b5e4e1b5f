// Committed entries for who applies them, from memory or from the files, and snapshots in their place.
import type { LogtierError } from '../../../base/errors.ts';
import type { Entry } from '../../raft/messages.ts';
import type { Wal } from '../../wal/wal.ts';
import type { CommittedItem, LogEntry, LogIndex, SnapshotToInstall } from '../replicated-log.ts';
import type { EntryCache } from './entry-cache.ts';
import { coreEntry } from './read-back.ts';

interface Offer {
  readonly snapshot: SnapshotToInstall;
  /** Its reader came back for more: it is installed, and durable. */
  installed(): void;
}

export interface FeedDeps {
  readonly wal: Wal;
  readonly cache: EntryCache;
}

export class CommittedFeed {
  private readonly deps: FeedDeps;
  private readonly readBytes: number;
  private committed: number;
  private offer: Offer | undefined;
  private end: 'open' | 'stopped' | LogtierError = 'open';
  private wakers: (() => void)[] = [];

  constructor(deps: FeedDeps, readBytes: number, committed: number) {
    this.deps = deps;
    this.readBytes = readBytes;
    this.committed = committed;
  }

  get index(): number {
    return this.committed;
  }

  advance(committed: number): void {
    if (committed <= this.committed) return;
    this.committed = committed;
    this.wake();
  }

  /** Resolves once a reader has installed it; never when the log ends before. */
  install(snapshot: SnapshotToInstall): Promise<void> {
    return new Promise((resolve) => {
      this.offer = {
        snapshot,
        installed: () => {
          this.offer = undefined;
          resolve();
        },
      };
      this.wake();
    });
  }

  /** Readers get what is committed, then end. */
  stop(): void {
    if (this.end === 'open') this.end = 'stopped';
    this.wake();
  }

  fail(error: LogtierError): void {
    this.end = error;
    this.wake();
  }

  async *read(after: LogIndex): AsyncGenerator<CommittedItem, void, undefined> {
    for (let last = Number(after); ;) {
      const { offer, end } = this;
      if (offer !== undefined && offer.snapshot.index > BigInt(last)) {
        yield offer.snapshot;
        last = Number(offer.snapshot.index);
        offer.installed();
      } else if (last < this.committed) {
        const entries = await this.some(last + 1);
        if (entries === undefined) return;
        last += entries.length;
        yield entries;
      } else if (end === 'open') await this.nextChange();
      else if (end === 'stopped') return;
      else throw end;
    }
  }

  /** At least one; undefined when the files are closed. */
  private async some(from: number): Promise<readonly LogEntry[] | undefined> {
    const end = this.committed + 1;
    const cached = this.deps.cache.slice(from, end, this.readBytes);
    if (cached !== undefined) return cached.map(logEntry);
    if (this.end === 'stopped') return undefined;
    const read = await this.deps.wal.read(BigInt(from), this.readBytes);
    return read.filter(({ index }) => index < BigInt(end)).map((each) => logEntry(coreEntry(each)));
  }

  private wake(): void {
    const { wakers } = this;
    this.wakers = [];
    for (const wake of wakers) wake();
  }

  private nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.wakers.push(resolve);
    });
  }
}

const NO_COMMAND = new Uint8Array(0);

/** A change of the members is the log's own business: for others an entry without a command. */
function logEntry({ index, term, type, data }: Entry): LogEntry {
  const command = type === 'normal' ? data : NO_COMMAND;
  return { index: BigInt(index), term: BigInt(term), command };
}
