// The log in an etcd cluster that the operator runs: etcd orders, keeps and replicates the entries; the
// catalog stays in each member's own engine. Any member may propose; one of them, the keeper, does the upkeep.
import { hasCode, LogtierError } from '../../../base/errors.ts';
import { abortError } from '../../../platform/clock.ts';
import type {
  CommittedItem,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotProvider,
  SnapshotSource,
} from '../replicated-log.ts';
import { appendBatch } from './append-batch.ts';
import { BarrierGate } from './barrier-gate.ts';
import { type ReaderDeps, readCommitted } from './committed-reader.ts';
import { Keeper } from './keeper.ts';
import { type LogKeys, logKeys } from './keys.ts';
import { type FoundLog, findLog, readHead } from './found-log.ts';
import { pinnedClient } from './pinned-client.ts';
import { Proposals } from './proposals.ts';
import { ETCD_LOG_TERM, type Head } from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';
import { takeSnapshot } from './take-snapshot.ts';
import { untilAnswered } from './until-answered.ts';

export interface EtcdLogPlace {
  /** The metastore's id: one log for each under one prefix. */
  readonly groupId: string;
  /** Unique among the members; shown to operators. */
  readonly memberId: string;
  /** Newest entry in the member's catalog. */
  readonly applied: LogIndex;
  /** Identity of the log that the member has been in: if it is not there, it is lost, not new. */
  readonly known: string | undefined;
  /** Durable when it resolves; awaited before the log takes or gives anything. */
  remember(identity: string): Promise<void>;
}

/** Waits `commitMs` for etcd, then METASTORE_UNAVAILABLE. Refuses as `findLog` does. Does not own the client. */
export async function openEtcdLog(
  deps: ReaderDeps,
  settings: EtcdLogSettings,
  place: EtcdLogPlace,
): Promise<ReplicatedLog> {
  const keys = logKeys(settings.prefix, place.groupId);
  const found = await findLog(deps, settings, keys, place);
  if (found.identity !== place.known) await place.remember(found.identity);
  const client = pinnedClient(deps.client, found.head.etcdClusterId);
  const log = new EtcdLog({ ...deps, client }, settings, { keys, found, memberId: place.memberId });
  // A catalog without the restored content has no snapshot to give.
  if (place.applied >= found.head.beginsAfter) await log.startUpkeep();
  const { firstIndex, head } = found;
  deps.logger.info({ firstIndex, lastIndex: head.lastIndex }, 'metastore log in etcd opened');
  return log;
}

class EtcdLog implements ReplicatedLog {
  private readonly deps: ReaderDeps;
  private readonly settings: EtcdLogSettings;
  private readonly keys: LogKeys;
  private readonly identity: string;
  private readonly proposals: Proposals;
  private readonly barrier: BarrierGate<LogIndex>;
  private readonly keeper: Keeper;
  private readonly ended = new AbortController();
  private head: Head;
  private firstIndex: LogIndex;
  private provider: SnapshotProvider | undefined;
  private compactedIndex: LogIndex = 0n;
  private compacting: Promise<void> = Promise.resolve();
  private snapshotting: Promise<void> | undefined;
  private failure: LogtierError | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    deps: ReaderDeps,
    settings: EtcdLogSettings,
    place: { readonly keys: LogKeys; readonly found: FoundLog; readonly memberId: string },
  ) {
    const { keys, found, memberId } = place;
    this.deps = deps;
    this.settings = settings;
    this.keys = keys;
    this.identity = found.identity;
    this.head = found.head;
    this.firstIndex = found.firstIndex;
    this.proposals = new Proposals(settings, (commands) => this.append(commands));
    this.barrier = new BarrierGate(() => this.readEnd());
    this.keeper = new Keeper(deps, settings, { key: keys.keeper, memberId });
  }

  /** From when on it may be the keeper. */
  startUpkeep(): Promise<void> {
    return this.keeper.start();
  }

  async propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    return await this.proposals.add(command, signal);
  }

  serveSnapshotsOf(provider: SnapshotProvider): void {
    this.provider = provider;
  }

  async *committed(after: LogIndex): AsyncGenerator<CommittedItem, void, undefined> {
    this.requireSound();
    const place = {
      keys: this.keys,
      after,
      seen: (
        batch: { readonly lastIndex: LogIndex; readonly totalBytes: bigint },
        row: { readonly modRevision: bigint },
      ) => {
        const { lastIndex, totalBytes } = batch;
        void this.startUpkeep();
        this.learn({ ...this.head, lastIndex, totalBytes, modRevision: row.modRevision });
      },
      known: () => this.head.lastIndex,
    };
    try {
      yield* readCommitted(this.deps, this.settings, place, this.ended.signal);
    } catch (error) {
      this.failOn(error);
      throw error;
    }
    // Another reader or a proposal may have met it.
    this.requireSound();
  }

  async readBarrier(signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    return await this.barrier.pass(signal);
  }

  compact(snapshot: SnapshotSource): Promise<void> {
    const done = this.compacting.then(() => this.compactNow(snapshot));
    this.compacting = done.catch(() => undefined);
    return done;
  }

  status(): LogStatus {
    return {
      role: this.keeper.ticket === undefined ? 'follower' : 'leader',
      term: ETCD_LOG_TERM,
      leader: this.keeper.holder,
      committed: this.head.lastIndex,
      firstIndex: this.firstIndex,
      failure: this.failure?.message,
    };
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  private requireServing(): void {
    if (this.stopping !== undefined) {
      throw new LogtierError('NOT_LEADER', 'this metastore member stops');
    }
    this.requireSound();
  }

  private requireSound(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private async append(commands: readonly Uint8Array[]): Promise<LogIndex> {
    const deadline = this.deps.clock.deadline(this.settings.commitMs, this.ended.signal);
    const proposal = { keys: this.keys, head: this.head, commands };
    try {
      const head = await appendBatch(this.deps, this.settings, proposal, deadline.signal);
      this.learn(head);
      return head.lastIndex;
    } catch (error) {
      this.failOn(error);
      throw error;
    } finally {
      deadline.clear();
    }
  }

  private async readEnd(): Promise<LogIndex> {
    // Not what is known at the answer: a batch that was committed after the read may be heard of before it.
    const known = this.head.lastIndex;
    try {
      const read = (signal: AbortSignal): Promise<Head | undefined> =>
        readHead(this.deps.client, this.keys, signal);
      const head = await untilAnswered(this.deps, this.settings, read, this.ended.signal);
      if (head === undefined || head.lastIndex < known) {
        throw new LogtierError('CORRUPT_STATE', 'the log in etcd went back', {
          hint: 'etcd was restored or replaced: restore the metastore, which raises its incarnation',
        });
      }
      this.learn(head);
      return head.lastIndex;
    } catch (error) {
      this.failOn(error);
      throw error;
    }
  }

  private learn(head: Head): void {
    if (head.modRevision > this.head.modRevision) this.head = head;
  }

  private async compactNow(snapshot: SnapshotSource): Promise<void> {
    const { index } = snapshot;
    this.requireServing();
    if (index > this.head.lastIndex) {
      const what = `a snapshot at ${index} is beyond the last committed entry ${this.head.lastIndex}`;
      throw new LogtierError('INVALID_ARGUMENT', what);
    }
    if (index <= this.compactedIndex) return;
    await snapshot.makeDurable();
    this.requireServing();
    this.compactedIndex = index;
    this.snapshotting ??= this.snapshot().finally(() => {
      this.snapshotting = undefined;
    });
  }

  /** Behind the caller's back: a store that is away must not stop the member. */
  private async snapshot(): Promise<void> {
    const { provider } = this;
    const { ticket } = this.keeper;
    if (provider === undefined || ticket === undefined) return;
    try {
      const deps = { ...this.deps, provider };
      const upkeep = { keys: this.keys, identity: this.identity, ticket };
      const first = await takeSnapshot(deps, this.settings, upkeep, this.ended.signal);
      if (first !== undefined) this.firstIndex = first;
    } catch (error) {
      this.failOn(error);
      if (this.ended.signal.aborted) return;
      this.deps.logger.warn({ reason: String(error) }, 'no snapshot of the catalog, the log grows');
    }
  }

  private failOn(error: unknown): void {
    const isFatal = hasCode(error, 'CORRUPT_STATE', 'WRONG_CLUSTER');
    if (isFatal && this.failure === undefined && !this.ended.signal.aborted) {
      this.failure = error;
      this.ended.abort(error);
    }
  }

  private async stopNow(): Promise<void> {
    await this.proposals.settled();
    this.ended.abort(new LogtierError('NOT_LEADER', 'this metastore member stops'));
    await this.compacting;
    await this.snapshotting;
    await this.keeper.stop();
  }
}
