// Lets entries go that a snapshot of the state machine covers; one call at a time.
import { LogtierError } from '../../../base/errors.ts';
import type { Wal } from '../../wal/wal.ts';
import type { SnapshotSource } from '../replicated-log.ts';
import type { CommittedFeed } from './committed-feed.ts';
import type { DurableLog } from './durable-log.ts';
import type { LogWriter } from './log-writer.ts';
import { membersOf } from './membership.ts';
import type { MembershipHistory } from './membership-history.ts';

export interface CompactionParts {
  readonly wal: Wal;
  readonly writer: LogWriter;
  readonly history: MembershipHistory;
  readonly feed: CommittedFeed;
  readonly durable: DurableLog;
  /** Log kept in a group of several. */
  readonly keptBytes: number;
  /** Throws once the log stops or is broken. */
  requireServing(): void;
}

export class Compaction {
  private readonly parts: CompactionParts;
  private last: Promise<void> = Promise.resolve();

  constructor(parts: CompactionParts) {
    this.parts = parts;
  }

  run(snapshot: SnapshotSource): Promise<void> {
    const done = this.last.then(() => this.compact(snapshot));
    this.last = done.catch(() => undefined);
    return done;
  }

  /** When nothing runs any more. */
  async settled(): Promise<void> {
    await this.last;
  }

  private async compact(snapshot: SnapshotSource): Promise<void> {
    const { wal, writer, history, feed, durable, keptBytes } = this.parts;
    const { index } = snapshot;
    this.parts.requireServing();
    if (index > BigInt(feed.index)) {
      const what = `a snapshot at ${index} is beyond the last committed entry ${feed.index}`;
      throw new LogtierError('INVALID_ARGUMENT', what);
    }
    if (index <= (wal.snapshot?.index ?? 0n)) return;
    await snapshot.makeDurable();
    this.parts.requireServing();
    const term = wal.termOf(index);
    // A snapshot took its place meanwhile.
    if (term === undefined || durable.isInstalling) return;
    await writer.recordCompaction(index, term);
    history.forgetBelow(Number(index));
    const isAlone = membersOf(history.current.confState).length === 1;
    await wal.dropThrough(index, isAlone ? 0 : keptBytes);
  }
}
