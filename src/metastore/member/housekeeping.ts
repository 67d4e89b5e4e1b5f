// What a member does by itself: makes the engine durable and cuts the log, moves the clock, trims the feed,
// compares itself with the others.
import { hasCode, LogtierError } from '../../base/errors.ts';
import type {
  CatalogState,
  Command,
  CommandResult,
  Op,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import { newestMark } from '../catalog/hash-marks.ts';
import { tokenOf } from '../catalog/names.ts';
import type { KvEngine } from '../engine/kv-engine.ts';
import type { ReplicatedLog } from '../log/replicated-log.ts';
import type { MemberSettings } from './settings.ts';

/** A member further behind the log than this replays it: it compares itself when it has caught up. */
const CAUGHT_UP_ENTRIES = 256n;

export interface HousekeepingDeps {
  readonly engine: KvEngine;
  readonly log: ReplicatedLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface HousekeepingHost {
  state(): CatalogState;
  propose(command: Command, signal: AbortSignal): Promise<CommandResult>;
  fail(error: unknown): void;
}

export class Housekeeping {
  private readonly deps: HousekeepingDeps;
  private readonly settings: MemberSettings;
  private readonly host: HousekeepingHost;
  private readonly stopped = new AbortController();
  private stopTicking: () => void = () => undefined;
  private stopFlushing: () => void = () => undefined;
  private unflushedBytes = 0;
  private comparedIndex = 0n;
  private flushing: Promise<void> | undefined;
  private proposing: Promise<void> = Promise.resolve();

  constructor(deps: HousekeepingDeps, settings: MemberSettings, host: HousekeepingHost) {
    this.deps = deps;
    this.settings = settings;
    this.host = host;
  }

  start(): void {
    const { clock } = this.deps;
    this.stopTicking = clock.every(this.settings.tickMs, () => {
      this.propose({ $case: 'tick', value: {} });
    });
    this.stopFlushing = clock.every(this.settings.flushMs, () => {
      this.flushSoon();
    });
  }

  applied(bytes: number): void {
    this.unflushedBytes += bytes;
    if (this.unflushedBytes >= this.settings.flushBytes) this.flushSoon();
    this.compareMembers();
  }

  async stop(): Promise<void> {
    this.stopTicking();
    this.stopFlushing();
    this.stopped.abort(new LogtierError('ABORTED', 'the member stops'));
    await this.flushing;
    await this.proposing;
  }

  private flushSoon(): void {
    if (this.stopped.signal.aborted) return;
    this.flushing ??= this.flush().finally(() => {
      this.flushing = undefined;
    });
  }

  private async flush(): Promise<void> {
    const { engine, log } = this.deps;
    // Read before the flush: what is applied meanwhile may not be durable after it. The log itself keeps to
    // what it has committed, and keeps what its other members still need or hands them a snapshot.
    const { appliedIndex } = this.host.state();
    // A snapshot may be installed that the log has not recorded yet.
    const { committed } = log.status();
    const index = appliedIndex < committed ? appliedIndex : committed;
    this.unflushedBytes = 0;
    try {
      await log.compact({ index, makeDurable: () => engine.flush() });
      this.trimFeed();
    } catch (error) {
      if (hasCode(error, 'NOT_LEADER')) return;
      this.host.fail(error);
    }
  }

  private trimFeed(): void {
    const { appliedIndex, incarnation, feedFrom } = this.host.state();
    const kept = BigInt(this.settings.keptRevisions);
    if (appliedIndex - tokenOf(feedFrom).index < 2n * kept) return;
    const below = { incarnation, index: appliedIndex - kept };
    this.propose({ $case: 'trimFeed', value: { below } });
  }

  private compareMembers(): void {
    const state = this.host.state();
    const mark = newestMark(state);
    if (mark === undefined || mark.index <= this.comparedIndex) return;
    const { role, committed } = this.deps.log.status();
    if (role !== 'leader' || committed > state.appliedIndex + CAUGHT_UP_ENTRIES) return;
    this.comparedIndex = mark.index;
    this.propose({ $case: 'checkHash', value: { mark } });
  }

  private propose(op: NonNullable<Op['op']>): void {
    if (this.deps.log.status().role !== 'leader' || this.stopped.signal.aborted) return;
    const command: Command = {
      incarnation: this.host.state().incarnation,
      clientId: 0n,
      seq: 0n,
      nowMs: 0n,
      clusterId: '',
      ops: [{ op }],
      answeredBelow: 0n,
    };
    this.proposing = this.host.propose(command, this.stopped.signal).then(
      () => undefined,
      (error: unknown) => {
        // The next tick tries again; an engine or log that broke has been told already.
        this.deps.logger.debug({ reason: String(error) }, 'the member could not propose');
      },
    );
  }
}
