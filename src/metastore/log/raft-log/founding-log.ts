// The log of a voter whose group has not begun: it takes nothing and answers nobody's votes, until it has.
import { LogtierError } from '../../../base/errors.ts';
import { abortError } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type {
  CommittedItem,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotProvider,
  SnapshotSource,
} from '../replicated-log.ts';
import type { GroupControl } from './group-control.ts';
import type { RaftLog } from './raft-log.ts';

/** Waits for the other voters, then opens the log; ends early when the signal fires. */
export type Begin = (signal: AbortSignal) => Promise<RaftLog>;

export class FoundingLog implements ReplicatedLog {
  private readonly nodeId: number;
  private readonly logger: Logger;
  private readonly ended = new AbortController();
  private readonly beginning: Promise<RaftLog | undefined>;
  private log: RaftLog | undefined;
  private provider: SnapshotProvider | undefined;
  private failure: LogtierError | undefined;
  private stopping: Promise<void> | undefined;

  constructor(logger: Logger, nodeId: number, begin: Begin) {
    this.logger = logger;
    this.nodeId = nodeId;
    this.beginning = this.begin(begin);
  }

  /** Undefined before the group begins. */
  get group(): GroupControl | undefined {
    return this.log?.group;
  }

  async propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    return await this.begun().propose(command, signal);
  }

  serveSnapshotsOf(provider: SnapshotProvider): void {
    this.provider = provider;
    this.log?.serveSnapshotsOf(provider);
  }

  async *committed(after: LogIndex): AsyncGenerator<CommittedItem, void, undefined> {
    const log = await this.beginning;
    if (this.failure !== undefined) throw this.failure;
    if (log !== undefined) yield* log.committed(after);
  }

  async readBarrier(signal: AbortSignal): Promise<LogIndex> {
    return await this.begun().readBarrier(signal);
  }

  async compact(snapshot: SnapshotSource): Promise<void> {
    await this.begun().compact(snapshot);
  }

  status(): LogStatus {
    return (
      this.log?.status() ?? {
        role: 'follower',
        term: 0n,
        leader: undefined,
        committed: 0n,
        firstIndex: 1n,
        failure: this.failure?.message,
      }
    );
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  private async begin(begin: Begin): Promise<RaftLog | undefined> {
    try {
      const log = await begin(this.ended.signal);
      this.log = log;
      if (this.provider !== undefined) log.serveSnapshotsOf(this.provider);
      return log;
    } catch (error) {
      if (this.ended.signal.aborted) return undefined;
      this.failure =
        error instanceof LogtierError
          ? error
          : new LogtierError('CORRUPT_STATE', `the group did not begin: ${String(error)}`, {
              cause: error,
            });
      const { code, message: reason } = this.failure;
      this.logger.error({ code, reason }, 'the log stops');
      return undefined;
    }
  }

  private begun(): RaftLog {
    if (this.log !== undefined) return this.log;
    if (this.failure !== undefined) throw this.failure;
    if (this.ended.signal.aborted) throw abortError(this.ended.signal);
    const what = `member ${this.nodeId} does not lead: its new group waits for all its voters`;
    throw new LogtierError('NOT_LEADER', what);
  }

  private async stopNow(): Promise<void> {
    this.ended.abort(new LogtierError('NOT_LEADER', 'this metastore member stops'));
    const log = await this.beginning;
    await log?.stop();
  }
}
