// The writer of a log: one fdatasync in flight, everything queued meanwhile goes into the next.
import { assert } from '../../base/assert.ts';
import { LogtierError } from '../../base/errors.ts';
import { diskError } from '../../platform/disk.ts';
import { beginFile, type WalDeps, type WalPlace, type WalStart } from './begin-file.ts';
import type { LogState } from './log-state.ts';
import type { WalSettings } from './settings.ts';
import { FILE_HEADER_BYTES, printFileName, type WalFileName } from './wal-file.ts';
import { MAX_READ_ENTRIES, readEntries } from './wal-reader.ts';
import {
  type Chain,
  encodeRecord,
  type HardState,
  type MembershipMark,
  recordBytes,
  type SnapshotMark,
  type WalEntry,
  type WalRecord,
} from './wal-record.ts';

/** A hard state and a snapshot marker: what each file begins with beside the memberships. */
const HEAD_BYTES = sizeOf([
  { kind: 'hardState', term: 0n, vote: 0n, commit: 0n },
  { kind: 'snapshotMarker', index: 0n, term: 0n },
]);

/** One call of `append`, waiting for the disk. */
interface Append {
  readonly records: readonly WalRecord[];
  readonly bytes: number;
  resolve(): void;
  reject(error: LogtierError): void;
}

/**
 * An error of a write or an fdatasync is final: what is on disk is unknown and a second fdatasync would
 * lie. Every append that waits or comes later rejects with it, and the process must end.
 */
export class Wal {
  private readonly deps: WalDeps;
  private readonly settings: WalSettings;
  private readonly place: WalPlace;
  private readonly start: WalStart;
  private readonly files: WalFileName[];
  /** What is on disk, and nothing else. */
  private readonly state: LogState;
  private current: Pick<WalStart, 'file' | 'salt' | 'sizeBytes'>;
  private position: number;
  private chain: Chain;
  private queue: Append[] = [];
  private inFlight: readonly Append[] = [];
  private waitingBytes = 0;
  /** Of memberships that a next file may have to begin with. */
  private membershipBytes: number;
  /** Index that the next appended entry must have. */
  private nextIndex: bigint;
  private pumping: Promise<void> | undefined;
  private broken: LogtierError | undefined;
  private needsMark = false;
  /** Resolves when the log breaks; never when it does not. */
  readonly failed: Promise<LogtierError>;
  private announceFailure: (failure: LogtierError) => void = nobody;
  private stopMarking: () => void = () => undefined;
  private closing: Promise<void> | undefined;

  constructor(deps: WalDeps, settings: WalSettings, place: WalPlace, start: WalStart) {
    this.deps = deps;
    this.settings = settings;
    this.place = place;
    this.start = start;
    this.files = [...start.files];
    this.state = start.state;
    this.current = start;
    this.position = start.position;
    this.chain = start.chain;
    this.nextIndex = start.state.entries.next;
    this.membershipBytes = membershipBytes(this.headRecords());
    this.failed = new Promise((resolve) => {
      this.announceFailure = resolve;
    });
  }

  /** Oldest entry that can be read; `lastIndex + 1` when there is none. */
  get firstIndex(): bigint {
    return this.state.entries.first;
  }

  /** Newest durable entry, or the snapshot's index when that is newer. */
  get lastIndex(): bigint {
    return this.state.lastIndex;
  }

  get hardState(): HardState | undefined {
    return this.state.hardState;
  }

  get snapshot(): SnapshotMark | undefined {
    return this.state.snapshot;
  }

  /** Ascending: the one that holds at the snapshot, and all behind it. */
  get memberships(): readonly MembershipMark[] {
    return this.state.memberships;
  }

  /** Bytes that wait for the disk; the owner keeps them within bounds. */
  get queuedBytes(): number {
    return this.waitingBytes;
  }

  /** Undefined while sound. */
  get failure(): LogtierError | undefined {
    return this.broken;
  }

  /** Term of a durable entry or of the snapshot. */
  termOf(index: bigint): bigint | undefined {
    return index === this.snapshot?.index ? this.snapshot.term : this.state.entries.termOf(index);
  }

  /** The first durable entry after `index` that changes the members. */
  memberChangeAfter(index: bigint): bigint | undefined {
    return this.state.entries.memberChangeAfter(index);
  }

  /** Called once by `openWal`: the durable first words of this life. */
  async begin(): Promise<void> {
    await this.append([...this.headRecords(), { kind: 'mark' }]);
    this.needsMark = false;
    this.stopMarking = this.deps.clock.every(this.settings.markMs, () => {
      this.markIfIdle();
    });
  }

  /**
   * Resolves when all `records` are on disk; after a crash a prefix of them may be. Entries continue the
   * log. Throws at once, having taken nothing: INVALID_ARGUMENT (a record is too large), the failure.
   */
  append(records: readonly WalRecord[]): Promise<void> {
    if (this.broken !== undefined) throw this.broken;
    assert(this.closing === undefined, 'the log is open');
    const parts = this.partsOf(records);
    for (const record of records) this.advanceNextIndex(record);
    this.membershipBytes += membershipBytes(records);
    this.needsMark = true;
    const done = new Promise<void>((resolve, reject) => {
      parts.forEach(({ records: some, bytes }, at) => {
        this.waitingBytes += bytes;
        const isLast = at === parts.length - 1;
        const part = isLast ? { resolve, reject } : { resolve: nobody, reject: nobody };
        this.queue.push({ records: some, bytes, ...part });
      });
    });
    this.pumping ??= this.pump();
    return done;
  }

  /** Durable entries from `from` on, at least one, about `maxBytes`. COMPACTED below `firstIndex`. */
  async read(from: bigint, maxBytes: number): Promise<WalEntry[]> {
    const { entries } = this.state;
    assert(from < entries.next, `entry ${from} is durable`);
    if (from < entries.first) {
      throw new LogtierError(
        'COMPACTED',
        `entry ${from} is gone, the log begins at ${entries.first}`,
      );
    }
    const places = entries.places(from, MAX_READ_ENTRIES);
    const file = this.files.find(({ seq }) => seq === places[0]?.seq);
    assert(file !== undefined, 'a live entry lies in a file of the log');
    return await readEntries(this.deps.disk, this.pathOf(file), places, maxBytes);
  }

  /**
   * Deletes the files whose entries are all at or below `index`, which a durable snapshot marker covers;
   * not those among the newest `keptBytes`.
   */
  async dropThrough(index: bigint, keptBytes = 0): Promise<void> {
    assert(index <= (this.snapshot?.index ?? 0n), 'what is dropped is in a snapshot');
    const { entries } = this.state;
    while (true) {
      const [oldest, following] = this.files;
      if (oldest === undefined || following === undefined) return;
      if ((this.files.length - 1) * this.settings.fileBytes < keptBytes) return;
      if ((entries.endOf(oldest.seq) ?? 0n) > index + 1n) return;
      this.files.shift();
      entries.dropBefore(following.seq);
      await this.unlink(oldest);
    }
  }

  /** Waits for what is queued, notes that it is durable, and closes. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  /** Cut so that each part fits into one file behind what a file begins with. */
  private partsOf(records: readonly WalRecord[]): Pick<Append, 'records' | 'bytes'>[] {
    const headBytes = HEAD_BYTES + this.membershipBytes + membershipBytes(records);
    const room = this.settings.fileBytes - FILE_HEADER_BYTES - headBytes;
    const parts: { records: WalRecord[]; bytes: number }[] = [];
    for (const record of records) {
      const bytes = recordBytes(record);
      if (bytes > room) {
        throw new LogtierError('INVALID_ARGUMENT', `${bytes} bytes do not fit into one log file`);
      }
      const last = parts.at(-1);
      if (last === undefined || last.bytes + bytes > room) parts.push({ records: [record], bytes });
      else {
        last.records.push(record);
        last.bytes += bytes;
      }
    }
    return parts;
  }

  private advanceNextIndex(record: WalRecord): void {
    switch (record.kind) {
      case 'entry':
        assert(record.index === this.nextIndex, 'entries are appended without a gap');
        this.nextIndex += 1n;
        return;
      case 'truncate':
        if (record.fromIndex < this.nextIndex) this.nextIndex = record.fromIndex;
        return;
      case 'snapshotMarker':
        if (record.index >= this.nextIndex) this.nextIndex = record.index + 1n;
        return;
      case 'hardState':
      case 'mark':
      case 'membership':
    }
  }

  private async pump(): Promise<void> {
    // Appends of this same turn of the event loop belong into the first batch.
    await Promise.resolve();
    try {
      for (let first = this.queue[0]; first !== undefined; first = this.queue[0]) {
        if (this.position + first.bytes > this.current.sizeBytes) await this.rotate();
        else await this.writeBatch(this.takeBatch());
      }
    } catch (error) {
      this.fail(diskError(error, `writing the log in ${this.place.directory}`));
    } finally {
      this.pumping = undefined;
    }
  }

  private takeBatch(): readonly Append[] {
    const room = Math.min(this.settings.batchBytes, this.current.sizeBytes - this.position);
    let bytes = 0;
    const tooMuch = this.queue.findIndex((append, at) => {
      bytes += append.bytes;
      return at > 0 && bytes > room;
    });
    return this.queue.splice(0, tooMuch === -1 ? this.queue.length : tooMuch);
  }

  private async writeBatch(batch: readonly Append[]): Promise<void> {
    this.inFlight = batch;
    const records = batch.flatMap((append) => append.records);
    const { bytes, positions, chain } = this.encode(records);
    await this.current.file.write(bytes, this.position);
    await this.current.file.datasync();
    const seq = this.files.at(-1)?.seq ?? 0;
    records.forEach((record, at) => {
      const refusal = this.state.apply(record, { seq, position: positions[at] ?? 0 });
      assert(refusal === undefined, `the log goes on: ${refusal}`);
    });
    if (records.some(({ kind }) => kind === 'membership' || kind === 'snapshotMarker')) {
      this.membershipBytes = membershipBytes(this.headRecords()) + this.queuedMembershipBytes();
    }
    this.chain = chain;
    this.position += bytes.length;
    this.waitingBytes -= batch.reduce((sum, append) => sum + append.bytes, 0);
    this.inFlight = [];
    for (const append of batch) append.resolve();
  }

  private encode(records: readonly WalRecord[]): {
    readonly bytes: Buffer;
    readonly positions: readonly number[];
    readonly chain: Chain;
  } {
    const bytes = Buffer.allocUnsafe(sizeOf(records));
    const { salt } = this.current;
    const durable = this.chain.ordinal;
    const positions: number[] = [];
    let { chain } = this;
    let at = 0;
    for (const record of records) {
      const position = this.position + at;
      positions.push(position);
      chain = encodeRecord(bytes.subarray(at), record, chain, { salt, position, durable });
      at += recordBytes(record);
    }
    return { bytes, positions, chain };
  }

  /** All before is on disk: the last batch ended with an fdatasync. */
  private async rotate(): Promise<void> {
    const { directory, clusterId, nodeId } = this.place;
    const { next } = this.start;
    const name = { seq: (this.files.at(-1)?.seq ?? 0) + 1, firstIndex: this.state.entries.next };
    const header = { ...name, clusterId, nodeId, before: this.chain };
    const begun = await beginFile(this.deps.disk, next, directory, header);
    await this.current.file.close();
    this.current = begun;
    this.files.push(name);
    this.position = FILE_HEADER_BYTES;
    next.start();
    // Older files may go any time: each file says anew what is not an entry.
    const records = this.headRecords();
    const bytes = sizeOf(records);
    this.waitingBytes += bytes;
    this.queue.unshift({ records, bytes, resolve: nobody, reject: nobody });
  }

  private queuedMembershipBytes(): number {
    return this.queue.reduce((sum, { records }) => sum + membershipBytes(records), 0);
  }

  private headRecords(): WalRecord[] {
    const { hardState, snapshot, memberships } = this.state;
    return [
      ...memberships.map((each) => ({ kind: 'membership' as const, ...each })),
      ...(hardState === undefined ? [] : [{ kind: 'hardState' as const, ...hardState }]),
      ...(snapshot === undefined ? [] : [{ kind: 'snapshotMarker' as const, ...snapshot }]),
    ];
  }

  private fail(failure: LogtierError): void {
    this.broken = failure;
    this.announceFailure(failure);
    const lost = [...this.inFlight, ...this.queue];
    this.inFlight = [];
    this.queue = [];
    this.waitingBytes = 0;
    for (const append of lost) append.reject(failure);
  }

  /** Without a later record, damage to the last batch would look like a torn tail. */
  private markIfIdle(): void {
    const isIdle = this.pumping === undefined && this.broken === undefined;
    if (!isIdle || !this.needsMark || this.closing !== undefined) return;
    // The next append meets the failure of this one.
    this.append([{ kind: 'mark' }]).catch(() => undefined);
    this.needsMark = false;
  }

  private async unlink(file: WalFileName): Promise<void> {
    try {
      await this.deps.disk.unlink(this.pathOf(file));
      await this.deps.disk.syncDirectory(this.place.directory);
    } catch (error) {
      throw diskError(error, `deleting ${this.pathOf(file)}`);
    }
  }

  private async closeAll(): Promise<void> {
    this.stopMarking();
    await this.pumping;
    if (this.broken === undefined && this.needsMark) await this.writeLastMark();
    await this.start.next.stop();
    await this.current.file.close().catch(() => undefined);
  }

  private async writeLastMark(): Promise<void> {
    const records: WalRecord[] = [{ kind: 'mark' }];
    const bytes = sizeOf(records);
    if (this.position + bytes > this.current.sizeBytes) return;
    this.waitingBytes += bytes;
    try {
      await this.writeBatch([{ records, bytes, resolve: nobody, reject: nobody }]);
    } catch (error) {
      this.fail(diskError(error, `writing the log in ${this.place.directory}`));
    }
  }

  private pathOf(file: WalFileName): string {
    return `${this.place.directory}/${printFileName(file)}`;
  }
}

function membershipBytes(records: readonly WalRecord[]): number {
  return sizeOf(records.filter(({ kind }) => kind === 'membership'));
}

/** Nobody waits for an append of our own. */
function nobody(): void {}

function sizeOf(records: readonly WalRecord[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), 0);
}
