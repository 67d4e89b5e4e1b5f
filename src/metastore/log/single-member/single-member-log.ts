// The log of a group of one: what is durable is committed.
//
// It writes what a Raft group of one would: term 1, its own vote, the empty entry that opens the term.
// Raft can take the same files over and go on in term 2.
import { assert } from '../../../base/assert.ts';
import { LogtierError } from '../../../base/errors.ts';
import { abortError } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { WalDeps, WalPlace } from '../../wal/begin-file.ts';
import { openWal } from '../../wal/open-wal.ts';
import type { Wal } from '../../wal/wal.ts';
import type {
  LogEntry,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotSource,
} from '../replicated-log.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { EntryTail } from './entry-tail.ts';
import type { SingleMemberLogSettings } from './settings.ts';

const TERM = 1n;

export interface SingleMemberLogDeps extends WalDeps {
  readonly logger: Logger;
}

/** CORRUPT_STATE and WRONG_CLUSTER leave the disk as it is. */
export async function openSingleMemberLog(
  deps: SingleMemberLogDeps,
  settings: SingleMemberLogSettings,
  place: WalPlace,
): Promise<ReplicatedLog> {
  const { wal, isNew, cutBytes } = await openWal(deps, settings.wal, place);
  const { directory } = place;
  // Also when a crash came between the first file and the first entry.
  if (wal.lastIndex === 0n) await writeFirstEntry(wal, place.nodeId);
  const { firstIndex, lastIndex } = wal;
  deps.logger.info({ directory, isNew, cutBytes, firstIndex, lastIndex }, 'metastore log opened');
  return new SingleMemberLog(wal, settings, place.nodeId);
}

async function writeFirstEntry(wal: Wal, nodeId: bigint): Promise<void> {
  await wal.append([
    { kind: 'hardState', term: TERM, vote: nodeId, commit: 0n },
    { kind: 'entry', index: 1n, term: TERM, changesMembers: false, command: new Uint8Array(0) },
  ]);
}

class SingleMemberLog implements ReplicatedLog {
  private readonly wal: Wal;
  private readonly settings: SingleMemberLogSettings;
  private readonly nodeId: bigint;
  private readonly tail: EntryTail;
  private nextIndex: LogIndex;
  private committedIndex: LogIndex;
  private compacting: Promise<void> = Promise.resolve();
  private stopping: Promise<void> | undefined;
  private isStopped = false;
  /** Readers that wait for the next commit, the stop or the failure. */
  private wakers: (() => void)[] = [];

  constructor(wal: Wal, settings: SingleMemberLogSettings, nodeId: bigint) {
    this.wal = wal;
    this.settings = settings;
    this.nodeId = nodeId;
    this.tail = new EntryTail(settings.tailBytes);
    this.committedIndex = wal.lastIndex;
    this.nextIndex = wal.lastIndex + 1n;
    void this.wakeOnFailure();
  }

  async propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    const { maxCommandBytes } = this.settings;
    if (command.length > maxCommandBytes) {
      const size = `a command of ${command.length} bytes`;
      throw new LogtierError('INVALID_ARGUMENT', `${size} exceeds ${maxCommandBytes}`);
    }
    const { queuedBytes } = this.settings.wal;
    if (this.wal.queuedBytes + command.length > queuedBytes) {
      throw new LogtierError('OVERLOADED', `${this.wal.queuedBytes} bytes wait for the disk`);
    }
    const entry = { index: this.nextIndex, term: TERM, command };
    const durable = this.wal.append([{ kind: 'entry', changesMembers: false, ...entry }]);
    this.nextIndex += 1n;
    return await orAborted(this.commit(entry, durable), entry.index, signal);
  }

  /** Nobody follows a group of one. */
  serveSnapshotsOf(): void {
    assert(this.stopping === undefined, 'a stopped log asks for no snapshots');
  }

  async *committed(after: LogIndex): AsyncGenerator<readonly LogEntry[], void, undefined> {
    for (let last = after; ;) {
      while (last >= this.committedIndex) {
        if (this.isStopped) return;
        if (this.wal.failure !== undefined) throw this.wal.failure;
        await this.nextChange();
      }
      const { readBytes } = this.settings;
      const cached = this.tail.read(last + 1n, readBytes);
      if (cached === undefined && this.isStopped) return;
      const entries = cached ?? (await this.wal.read(last + 1n, readBytes));
      last = entries.at(-1)?.index ?? last;
      yield entries;
    }
  }

  async readBarrier(signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    return await Promise.resolve(this.committedIndex);
  }

  compact(snapshot: SnapshotSource): Promise<void> {
    const done = this.compacting.then(() => this.compactNow(snapshot));
    this.compacting = done.catch(() => undefined);
    return done;
  }

  status(): LogStatus {
    return {
      role: 'leader',
      term: TERM,
      leader: String(this.nodeId),
      committed: this.committedIndex,
      firstIndex: this.wal.firstIndex,
      failure: this.wal.failure?.message,
    };
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  /** Surely not taken: another member may take it, or this one after its restart. */
  private requireServing(): void {
    if (this.stopping !== undefined) {
      throw new LogtierError('NOT_LEADER', 'this metastore member stops');
    }
    if (this.wal.failure !== undefined) throw this.wal.failure;
  }

  private async commit(entry: LogEntry, durable: Promise<void>): Promise<LogIndex> {
    try {
      await durable;
    } catch (error) {
      const what = `entry ${entry.index} may or may not be on disk`;
      throw new LogtierError('OUTCOME_UNKNOWN', what, { cause: error });
    }
    assert(entry.index === this.committedIndex + 1n, 'entries commit in order');
    this.committedIndex = entry.index;
    this.tail.add(entry);
    this.wake();
    return entry.index;
  }

  private async compactNow(snapshot: SnapshotSource): Promise<void> {
    const { index } = snapshot;
    this.requireServing();
    if (index > this.committedIndex) {
      const what = `a snapshot at ${index} is beyond the last committed entry ${this.committedIndex}`;
      throw new LogtierError('INVALID_ARGUMENT', what);
    }
    if (index <= (this.wal.snapshot?.index ?? 0n)) return;
    await snapshot.makeDurable();
    this.requireServing();
    // The commit index first: a log that begins behind it could not be read back (B.4).
    const hardState = { term: TERM, vote: this.nodeId, commit: this.committedIndex };
    await this.wal.append([
      { kind: 'hardState', ...hardState },
      { kind: 'snapshotMarker', index, term: TERM },
    ]);
    await this.wal.dropThrough(index);
  }

  private async stopNow(): Promise<void> {
    await this.wal.close();
    await this.compacting;
    this.isStopped = true;
    this.wake();
  }

  private async wakeOnFailure(): Promise<void> {
    await this.wal.failed;
    this.wake();
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

/** The entry stays on its way: who stops waiting for it learns nothing about it. */
function orAborted(
  outcome: Promise<LogIndex>,
  index: LogIndex,
  signal: AbortSignal,
): Promise<LogIndex> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      const cause = abortError(signal);
      reject(new LogtierError('OUTCOME_UNKNOWN', `stopped waiting for entry ${index}`, { cause }));
    });
    void outcome.then(resolve, reject).finally(forget);
  });
}
