// One member's core: commands go into the log, what the log commits goes through apply into the engine,
// and whoever waits for it is woken. Where the log has let entries go, its snapshot takes the engine's place.
// An error of the log or the engine ends the member for good.
import { assert } from '../../base/assert.ts';
import { hasCode, LogtierError, reactionTo } from '../../base/errors.ts';
import {
  type CatalogState,
  Command,
  type CommandResult,
} from '../../gen/logtier/v1/catalog_command.ts';
import { abortError, type Clock, throwIfAborted } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Revision } from '../../segment/ids.ts';
import { applyEntries } from '../catalog/apply.ts';
import { EngineBase } from '../catalog/engine-base.ts';
import { EpochIndexes } from '../catalog/epoch-indexes.ts';
import { encodeMessage } from '../catalog/row.ts';
import { revisionOf } from '../catalog/state.ts';
import { openState } from '../catalog/upgrade.ts';
import type { KvEngine } from '../engine/kv-engine.ts';
import {
  isSnapshot,
  type LogEntry,
  type LogIndex,
  type ReplicatedLog,
  type SnapshotProvider,
  type SnapshotToInstall,
} from '../log/replicated-log.ts';
import type { EngineHome } from './engine-home.ts';
import { type FeedPage, readFeedPage } from './feed-page.ts';
import { FeedTail } from './feed-tail.ts';
import { notFitting, requireFitting } from './fitting.ts';
import { Housekeeping } from './housekeeping.ts';
import { IndexWaiters } from './index-waiters.ts';
import { installSnapshot } from './install-snapshot.ts';
import type { MemberSettings } from './settings.ts';
import { snapshotsOf } from './snapshot-provider.ts';

export interface MemberDeps {
  readonly home: EngineHome;
  readonly log: ReplicatedLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Entries in one batch of the engine: few enough that a waiting reader is not held up for long. */
const APPLY_ENTRIES = 256;

/** Snapshots in a row that did not come whole before the member gives up. */
const MAX_INSTALL_TRIES = 5;
const INSTALL_RETRY_MS = 1_000;

/** Refuses an engine that does not belong to this log. Owns neither; both must outlive it. */
export async function openMember(
  deps: MemberDeps,
  settings: MemberSettings,
  metastoreId: string,
): Promise<CatalogMember> {
  const state = await openState(deps.home.engine, metastoreId);
  requireFitting(state, deps.log.status());
  const member = new CatalogMember(deps, settings, state);
  member.start();
  return member;
}

export class CatalogMember {
  readonly engine: KvEngine;
  readonly clock: Clock;
  /** Resolves with the reason when the member can go no further: the process must end. */
  readonly failed: Promise<LogtierError>;
  /** What the log hands on to members that lag too far behind; also what an operator saves. */
  readonly snapshots: SnapshotProvider;
  /** Look-ups by epoch and offset, as of `revision`. */
  readonly epochIndexes: EpochIndexes;
  private readonly home: EngineHome;
  private readonly log: ReplicatedLog;
  private readonly logger: Logger;
  private readonly settings: MemberSettings;
  private readonly housekeeping: Housekeeping;
  private readonly rows: EngineBase;
  private tail: FeedTail;
  private readonly ended = new AbortController();
  private current: CatalogState;
  private installed = 0;
  /** In the engine. */
  private readonly written: IndexWaiters;
  /** Applied: their answers are known. */
  private readonly answered: IndexWaiters;
  /** Answers of entries that a proposal of this member may be about to ask for. */
  private readonly results = new Map<LogIndex, CommandResult>();
  private proposals = 0;
  private applying: Promise<void> = Promise.resolve();
  private tellFailure: (error: LogtierError) => void = () => undefined;
  private stopping: Promise<void> | undefined;

  constructor(deps: MemberDeps, settings: MemberSettings, state: CatalogState) {
    this.home = deps.home;
    this.engine = deps.home.engine;
    this.clock = deps.clock;
    this.log = deps.log;
    this.logger = deps.logger;
    this.settings = settings;
    this.current = state;
    this.rows = new EngineBase(this.engine);
    this.written = new IndexWaiters(state.appliedIndex, this.ended.signal);
    this.answered = new IndexWaiters(state.appliedIndex, this.ended.signal);
    this.tail = new FeedTail(revisionOf(state));
    this.epochIndexes = new EpochIndexes(settings.epochIndexBytes);
    this.failed = new Promise((resolve) => {
      this.tellFailure = resolve;
    });
    this.snapshots = snapshotsOf(this.engine, state.metastoreId);
    this.housekeeping = new Housekeeping({ ...deps, engine: this.engine }, settings, {
      state: () => this.current,
      propose: (command, signal) => this.propose(command, signal),
      fail: (error) => {
        this.fail(error);
      },
    });
  }

  /** Once, by `openMember`. */
  start(): void {
    this.log.serveSnapshotsOf(this.snapshots);
    this.applying = this.applyAll();
    this.housekeeping.start();
  }

  /** As of the last batch that reached the engine. */
  get state(): CatalogState {
    return this.current;
  }

  /** Rises when a snapshot takes the engine's place: what was remembered from applied entries is void. */
  get installs(): number {
    return this.installed;
  }

  get revision(): Revision {
    return revisionOf(this.current);
  }

  /** The command's answer: see `proposeAll`. */
  async propose(command: Command, signal: AbortSignal): Promise<CommandResult> {
    const [result] = await this.proposeAll([this.encode(command)], signal);
    assert(result !== undefined, 'a command has an answer');
    return result;
  }

  /** As the log holds it, with this member's time. */
  encode(command: Command): Uint8Array {
    const stamped = { ...command, nowMs: BigInt(this.clock.wallMs()) };
    return encodeMessage(Command, stamped);
  }

  /**
   * The answers once all are durable and applied. They enter the log in their order. OVERLOADED and NOT_LEADER:
   * surely not all taken; OUTCOME_UNKNOWN: perhaps all.
   */
  async proposeAll(commands: readonly Uint8Array[], signal: AbortSignal): Promise<CommandResult[]> {
    throwIfAborted(signal);
    if (this.ended.signal.aborted) throw abortError(this.ended.signal);
    // One call alone may have more: it would never be taken otherwise.
    const waiting = this.proposals === 0 ? 0 : this.proposals + commands.length;
    if (waiting > this.settings.proposalsInFlight) {
      throw new LogtierError('OVERLOADED', `${this.proposals} commands wait for the log`);
    }
    this.proposals += commands.length;
    try {
      const proposed = commands.map((command) => this.log.propose(command, signal));
      const settled = await Promise.allSettled(proposed);
      const indexes = settled.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
      const failure = settled.find((it) => it.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
      await this.answeredAll(indexes, signal);
      return indexes.map((index) => this.takeResult(index));
    } finally {
      this.proposals -= commands.length;
      if (this.proposals === 0) this.results.clear();
    }
  }

  /**
   * They ascend: who waits for the last has waited for all. What is committed and applied is as good as written:
   * the engine gets it before the next batch, and from the log again after a crash.
   */
  private async answeredAll(indexes: readonly LogIndex[], signal: AbortSignal): Promise<void> {
    const last = indexes.at(-1) ?? 0n;
    await this.answered.wait(last, signal).catch((cause: unknown) => {
      throw new LogtierError('OUTCOME_UNKNOWN', `entry ${last} waits to be applied`, { cause });
    });
  }

  /** Everything committed before the call is in the engine when it resolves. */
  async barrier(signal: AbortSignal): Promise<Revision> {
    await this.applied(await this.log.readBarrier(signal), signal);
    return this.revision;
  }

  /** Resolves once entry `index` is in the engine. */
  applied(index: LogIndex, signal: AbortSignal): Promise<void> {
    return this.written.wait(index, signal);
  }

  /** The next events after `after`, at least one revision when there is one; COMPACTED below the trim point. */
  async changes(after: Revision): Promise<FeedPage> {
    const upTo = this.revision;
    const revisions = this.tail.since(after);
    if (revisions !== undefined) return { revisions, upTo };
    return await readFeedPage(this.engine, this.current.metastoreId, after);
  }

  /** Idempotent. Leaves log and engine open. */
  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  private async stopNow(): Promise<void> {
    await this.housekeeping.stop();
    this.end(new LogtierError('METASTORE_UNAVAILABLE', 'this metastore member stops'));
    await this.log.stop();
    await this.applying;
  }

  private async applyAll(): Promise<void> {
    try {
      let tries = 0;
      let triedAt = this.current.appliedIndex;
      for (;;) {
        const reason = await this.applyCommitted();
        if (reason === undefined) return;
        tries = this.current.appliedIndex > triedAt ? 1 : tries + 1;
        triedAt = this.current.appliedIndex;
        if (tries === MAX_INSTALL_TRIES) throw reason;
        this.logger.warn({ code: reason.code, reason: reason.message }, 'a snapshot did not come');
        await this.clock.sleep(INSTALL_RETRY_MS, this.ended.signal);
      }
    } catch (error) {
      this.fail(hasCode(error, 'COMPACTED') ? notFitting(this.current, this.log.status()) : error);
    }
  }

  /** Until the log ends; or why a snapshot could not be fetched: the log is to be asked anew. */
  private async applyCommitted(): Promise<LogtierError | undefined> {
    for await (const item of this.log.committed(this.current.appliedIndex)) {
      if (isSnapshot(item)) {
        const reason = await this.install(item);
        if (reason !== undefined) return reason;
        continue;
      }
      for (let start = 0; start < item.length; start += APPLY_ENTRIES) {
        await this.applyBatch(item.slice(start, start + APPLY_ENTRIES));
      }
    }
    return undefined;
  }

  /** Nothing to do when a crash came between the install and the log's own record of it. */
  private async install(snapshot: SnapshotToInstall): Promise<LogtierError | undefined> {
    if (snapshot.index <= this.current.appliedIndex) return undefined;
    try {
      this.installed += 1;
      const { signal } = this.ended;
      this.current = await installSnapshot(this.home, this.current, snapshot, signal);
      this.rows.clear();
      this.epochIndexes.clear();
    } catch (error) {
      if (error instanceof LogtierError && reactionTo(error) === 'retry') return error;
      throw error;
    }
    // Older history is in the new engine's feed, or COMPACTED.
    this.tail = new FeedTail(this.revision);
    const { index, term } = snapshot;
    this.logger.info({ index, term }, 'a snapshot was installed');
    this.answered.reached(this.current.appliedIndex);
    this.written.reached(this.current.appliedIndex);
    return undefined;
  }

  private async applyBatch(entries: readonly LogEntry[]): Promise<void> {
    const applied = await applyEntries(this.rows, this.current, entries);
    if (this.proposals > 0) {
      for (const [index, result] of applied.results) this.results.set(index, result);
    }
    this.answered.reached(applied.state.appliedIndex);
    await this.engine.batch(applied.writes);
    this.rows.applied(applied.writes);
    this.current = applied.state;
    this.epochIndexes.applied(applied.writes);
    this.tail.add(applied.revisions);
    this.housekeeping.applied(entries.reduce((bytes, { command }) => bytes + command.length, 0));
    this.written.reached(this.current.appliedIndex);
  }

  private takeResult(index: LogIndex): CommandResult {
    const result = this.results.get(index);
    this.results.delete(index);
    if (result === undefined) {
      throw new LogtierError('OUTCOME_UNKNOWN', `the answer of entry ${index} is no longer here`);
    }
    return result;
  }

  /** The log or the engine broke: what is on disk is unknown, so nothing more is promised. */
  private fail(error: unknown): void {
    if (this.ended.signal.aborted) return;
    const reason =
      error instanceof LogtierError
        ? error
        : new LogtierError('CORRUPT_STATE', `applying failed: ${String(error)}`, { cause: error });
    this.logger.error({ code: reason.code, reason: reason.message }, 'the metastore member stops');
    this.end(new LogtierError('METASTORE_UNAVAILABLE', reason.message, { cause: reason }));
    this.tellFailure(reason);
  }

  private end(reason: LogtierError): void {
    this.ended.abort(reason);
  }
}
