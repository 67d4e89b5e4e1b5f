// The newest committed entries in memory: who applies them rarely lags behind.
import type { LogEntry, LogIndex } from '../replicated-log.ts';

/** Counted for each entry beside its command, for the objects around it. */
const ENTRY_BYTES = 100;

export class EntryTail {
  private readonly limitBytes: number;
  private entries: LogEntry[] = [];
  /** Entries before this place in `entries` are let go; moved in bulk, so that each add is cheap. */
  private start = 0;
  private bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  add(entry: LogEntry): void {
    this.entries.push(entry);
    this.bytes += entry.command.length + ENTRY_BYTES;
    while (this.bytes > this.limitBytes) this.dropOldest();
    if (this.start <= 1024 || this.start * 2 <= this.entries.length) return;
    this.entries = this.entries.slice(this.start);
    this.start = 0;
  }

  /** Entries from `from` on, at least one, about `maxBytes`; undefined when they are not all here. */
  read(from: LogIndex, maxBytes: number): LogEntry[] | undefined {
    const oldest = this.entries[this.start]?.index;
    if (oldest === undefined || from < oldest) return undefined;
    const first = this.start + Number(from - oldest);
    let end = first;
    for (let bytes = 0; end < this.entries.length && bytes < maxBytes; end += 1) {
      bytes += (this.entries[end]?.command.length ?? 0) + ENTRY_BYTES;
    }
    return end === first ? undefined : this.entries.slice(first, end);
  }

  private dropOldest(): void {
    this.bytes -= (this.entries[this.start]?.command.length ?? 0) + ENTRY_BYTES;
    this.start += 1;
  }
}
