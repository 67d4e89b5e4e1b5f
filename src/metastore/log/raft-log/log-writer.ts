// What the core wants durable, as records of the write-ahead log, in the order it asked.
//
// A crash keeps a prefix of the records, so their order matters: the term before its entries, entries
// before a commit index that names them, a membership before the snapshot it belongs to.
import { assert } from '../../../base/assert.ts';
import type { Entry, HardState, Message, Snapshot } from '../../raft/messages.ts';
import type { Wal } from '../../wal/wal.ts';
import type { WalRecord } from '../../wal/wal-record.ts';
import type { LogView } from './log-view.ts';

export class LogWriter {
  private readonly wal: Wal;
  private readonly view: LogView;
  /** As the core last said it; the commit index may be ahead of what is written. */
  private hard: HardState;
  private written: HardState;
  /** Index behind the last entry that was handed to the log. */
  private next: number;
  private last: Promise<void> = Promise.resolve();

  constructor(wal: Wal, view: LogView, hard: HardState) {
    this.wal = wal;
    this.view = view;
    this.hard = hard;
    this.written = hard;
    this.next = Number(wal.lastIndex) + 1;
  }

  /** Resolves, in the order of the calls, when all that was asked for until now is durable. */
  write(message: Message): Promise<void> {
    this.takeHardState(message);
    const records = this.recordsOf(message.entries);
    if (records.length === 0) return this.last;
    this.last = this.writeEntries(records, message.entries);
    return this.last;
  }

  /** Before a snapshot is offered: its membership is known when the log has to begin behind it. */
  async prepareSnapshot(message: Message, { index, data }: Snapshot): Promise<void> {
    assert(data !== undefined, 'a snapshot brings its membership');
    this.takeHardState({ ...message, commit: Math.min(message.commit, this.hard.commit) });
    const state = Uint8Array.from(data);
    await this.append([...this.termRecords(), { kind: 'membership', index: BigInt(index), state }]);
  }

  /** The snapshot is installed: the log begins anew behind it. */
  async recordSnapshot(message: Message, { index, term }: Snapshot): Promise<void> {
    // What is committed agrees with the snapshot; what is not may contradict it.
    const fromIndex = this.hard.commit + 1;
    const cut: WalRecord[] =
      this.next > fromIndex ? [{ kind: 'truncate', fromIndex: BigInt(fromIndex) }] : [];
    this.takeHardState(message);
    this.hard = { ...this.hard, commit: Math.max(this.hard.commit, index) };
    this.next = index + 1;
    this.written = this.hard;
    await this.append([
      ...cut,
      { kind: 'snapshotMarker', index: BigInt(index), term: BigInt(term) },
      hardRecord(this.hard),
    ]);
    this.view.cache.clear();
    this.view.readBack.clear();
  }

  /** Who is in the group once entry `index` is applied; it waits for nobody. */
  recordMembership(index: number, state: Uint8Array): void {
    assert(index <= this.hard.commit, 'a membership holds when its entry is committed');
    this.appendUnawaited([
      hardRecord(this.hard),
      { kind: 'membership', index: BigInt(index), state },
    ]);
  }

  /** The commit index first: a log that begins behind it could not be read back (B.4). */
  recordCompaction(index: bigint, term: bigint): Promise<void> {
    this.written = this.hard;
    return this.append([hardRecord(this.hard), { kind: 'snapshotMarker', index, term }]);
  }

  /** The commit index moved without anything else to write: so far it is on disk only by chance. */
  flush(): Promise<void> {
    if (this.hard.commit === this.written.commit) return this.last;
    this.written = this.hard;
    return this.append([hardRecord(this.hard)]);
  }

  private append(records: readonly WalRecord[]): Promise<void> {
    this.last = this.appendTo(records);
    return this.last;
  }

  private async writeEntries(
    records: readonly WalRecord[],
    entries: readonly Entry[],
  ): Promise<void> {
    await this.appendTo(records);
    // Pages read while the old entries still stood are void.
    if (records.some(({ kind }) => kind === 'truncate')) this.view.readBack.clear();
    for (const entry of entries) this.view.cache.add(entry);
  }

  /** A log that broke answers in one way. */
  private async appendTo(records: readonly WalRecord[]): Promise<void> {
    await this.wal.append(records);
  }

  private appendUnawaited(records: readonly WalRecord[]): void {
    this.written = this.hard;
    // Whoever owns the log hears of its failure.
    this.append(records).catch(() => undefined);
  }

  private takeHardState({ term, vote, commit }: Message): void {
    if (term === 0 && vote === 0 && commit === 0) return;
    this.hard = { term, vote, commit };
  }

  private recordsOf(entries: readonly Entry[]): WalRecord[] {
    const records = this.termRecords();
    const first = entries[0]?.index;
    if (first !== undefined) {
      if (first < this.next) records.push({ kind: 'truncate', fromIndex: BigInt(first) });
      for (const entry of entries) records.push(entryRecord(entry));
      this.next = first + entries.length;
    }
    const isWorthIt = records.length > 0 && this.hard.commit > this.written.commit;
    if (isWorthIt) {
      records.push(hardRecord(this.hard));
      this.written = this.hard;
    }
    return records;
  }

  /** A new term or vote, with the commit index that is on disk already. */
  private termRecords(): WalRecord[] {
    const { term, vote } = this.hard;
    if (term === this.written.term && vote === this.written.vote) return [];
    this.written = { term, vote, commit: this.written.commit };
    return [hardRecord(this.written)];
  }
}

function hardRecord({ term, vote, commit }: HardState): WalRecord {
  return { kind: 'hardState', term: BigInt(term), vote: BigInt(vote), commit: BigInt(commit) };
}

function entryRecord({ index, term, type, data }: Entry): WalRecord {
  assert(type !== 'confChange', 'members change by changes of version 2');
  const changesMembers = type === 'confChangeV2';
  const place = { index: BigInt(index), term: BigInt(term) };
  return { kind: 'entry', ...place, changesMembers, command: data };
}
