// A ReplicatedLog in memory, for who sits on one: same contract, and replies that get lost on demand.
import { LogtierError } from '../../src/base/errors.ts';
import { abortError } from '../../src/platform/clock.ts';
import type {
  LogEntry,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotSource,
} from '../../src/metastore/log/replicated-log.ts';

const TERM = 1n;
const MAX_COMMAND_BYTES = 512 * 1024;

/** What happens to the next proposals, first come first. */
export type Mishap =
  /** Surely not taken. */
  | 'NOT_LEADER'
  | 'OVERLOADED'
  /** Committed, but the proposer does not learn it. */
  | 'REPLY_LOST'
  /** Lost on the way, and the proposer does not learn that either. */
  | 'REQUEST_LOST';

/** The disk of memory logs: survives them. */
export class MemoryLogStore {
  readonly entries: LogEntry[] = [{ index: 1n, term: TERM, command: new Uint8Array(0) }];
  snapshotIndex: LogIndex = 0n;

  get committed(): LogIndex {
    return this.snapshotIndex + BigInt(this.entries.length);
  }

  open(): MemoryLog {
    return new MemoryLog(this);
  }
}

export class MemoryLog implements ReplicatedLog {
  readonly mishaps: Mishap[] = [];
  private readonly store: MemoryLogStore;
  private isStopped = false;
  private wakers: (() => void)[] = [];

  constructor(store: MemoryLogStore) {
    this.store = store;
  }

  async propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    if (command.length > MAX_COMMAND_BYTES) {
      throw new LogtierError('INVALID_ARGUMENT', `a command of ${command.length} bytes`);
    }
    const mishap = this.mishaps.shift();
    if (mishap === 'NOT_LEADER' || mishap === 'OVERLOADED') {
      throw new LogtierError(mishap, 'on demand');
    }
    await Promise.resolve();
    if (mishap !== 'REQUEST_LOST') this.commit(command);
    const { committed } = this.store;
    if (mishap !== undefined) throw new LogtierError('OUTCOME_UNKNOWN', mishap);
    await Promise.resolve();
    if (signal.aborted) {
      throw new LogtierError('OUTCOME_UNKNOWN', 'aborted', { cause: abortError(signal) });
    }
    return committed;
  }

  async *committed(after: LogIndex): AsyncGenerator<readonly LogEntry[], void, undefined> {
    let last = after;
    while (!this.isStopped) {
      if (last < this.store.snapshotIndex) {
        throw new LogtierError('COMPACTED', `entry ${last + 1n} is gone`);
      }
      if (last < this.store.committed) {
        const entries = this.store.entries.slice(Number(last - this.store.snapshotIndex));
        last = this.store.committed;
        yield entries;
      } else {
        await new Promise<void>((resolve) => {
          this.wakers.push(resolve);
        });
      }
    }
  }

  async readBarrier(signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    return await Promise.resolve(this.store.committed);
  }

  async compact(snapshot: SnapshotSource): Promise<void> {
    const { store } = this;
    if (snapshot.index > store.committed) {
      throw new LogtierError('INVALID_ARGUMENT', 'beyond the committed index');
    }
    if (snapshot.index <= store.snapshotIndex) return;
    await snapshot.makeDurable();
    store.entries.splice(0, Number(snapshot.index - store.snapshotIndex));
    store.snapshotIndex = snapshot.index;
  }

  status(): LogStatus {
    const { committed, snapshotIndex } = this.store;
    const firstIndex = snapshotIndex + 1n;
    const role = 'leader';
    return { role, term: TERM, leader: 'memory', committed, firstIndex, failure: undefined };
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.wake();
    await Promise.resolve();
  }

  private requireServing(): void {
    if (this.isStopped) throw new LogtierError('NOT_LEADER', 'this member stops');
  }

  private commit(command: Uint8Array): void {
    this.store.entries.push({ index: this.store.committed + 1n, term: TERM, command });
    this.wake();
  }

  private wake(): void {
    const { wakers } = this;
    this.wakers = [];
    for (const wake of wakers) wake();
  }
}
