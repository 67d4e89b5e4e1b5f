// A ReplicatedLog in memory, for who sits on one: same contract, and replies that get lost on demand.
import { LogtierError } from '../../src/base/errors.ts';
import { abortError } from '../../src/platform/clock.ts';
import type {
  CommittedItem,
  LogEntry,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotProvider,
  SnapshotSource,
  SnapshotToInstall,
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

/** The disk of memory logs: survives them. Several logs open over one store are a group's members. */
export class MemoryLogStore {
  readonly entries: LogEntry[] = [{ index: 1n, term: TERM, command: new Uint8Array(0) }];
  snapshotIndex: LogIndex = 0n;
  /** What a reader gets whose entries are gone; without one, COMPACTED. */
  snapshot: SnapshotToInstall | undefined;
  readonly wakers = new Set<() => void>();

  get committed(): LogIndex {
    return this.snapshotIndex + BigInt(this.entries.length);
  }

  open(role: 'leader' | 'follower' = 'leader'): MemoryLog {
    return new MemoryLog(this, role);
  }

  wake(): void {
    for (const wake of this.wakers) wake();
    this.wakers.clear();
  }
}

export class MemoryLog implements ReplicatedLog {
  readonly mishaps: Mishap[] = [];
  role: 'leader' | 'follower';
  private readonly store: MemoryLogStore;
  private provider: SnapshotProvider | undefined;
  private isStopped = false;

  constructor(store: MemoryLogStore, role: 'leader' | 'follower') {
    this.store = store;
    this.role = role;
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

  serveSnapshotsOf(provider: SnapshotProvider): void {
    this.provider = provider;
  }

  async *committed(after: LogIndex): AsyncGenerator<CommittedItem, void, undefined> {
    let last = after;
    while (!this.isStopped) {
      const { snapshot } = this.store;
      if (snapshot !== undefined && snapshot.index > last && last < this.store.snapshotIndex) {
        yield snapshot;
        last = snapshot.index;
        continue;
      }
      if (last < this.store.snapshotIndex) {
        throw new LogtierError('COMPACTED', `entry ${last + 1n} is gone`);
      }
      if (last < this.store.committed) {
        const entries = this.store.entries.slice(Number(last - this.store.snapshotIndex));
        last = this.store.committed;
        yield entries;
      } else {
        await new Promise<void>((resolve) => {
          this.store.wakers.add(resolve);
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
    await this.keepSnapshot();
    store.entries.splice(0, Number(snapshot.index - store.snapshotIndex));
    store.snapshotIndex = snapshot.index;
  }

  status(): LogStatus {
    const { committed, snapshotIndex } = this.store;
    const firstIndex = snapshotIndex + 1n;
    const { role } = this;
    return { role, term: TERM, leader: 'memory', committed, firstIndex, failure: undefined };
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.store.wake();
    await Promise.resolve();
  }

  private requireServing(): void {
    if (this.isStopped) throw new LogtierError('NOT_LEADER', 'this member stops');
    if (this.role !== 'leader') throw new LogtierError('NOT_LEADER', 'this member follows');
  }

  private commit(command: Uint8Array): void {
    this.store.entries.push({ index: this.store.committed + 1n, term: TERM, command });
    this.store.wake();
  }

  private async keepSnapshot(): Promise<void> {
    const { signal } = new AbortController();
    const snapshot = await this.provider?.take(signal);
    if (snapshot === undefined) return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of snapshot.content(signal)) chunks.push(chunk);
    await snapshot.close();
    const { index, term } = snapshot;
    const content = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield* await Promise.resolve(chunks);
    };
    this.store.snapshot = { index, term, content };
  }
}
