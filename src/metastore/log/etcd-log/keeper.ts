// Which member does the upkeep: snapshots, ticks, trimming. Any member may propose, so this is only a
// division of work; what must not be done twice is guarded by `ticket` inside etcd.
import type { Logger } from '../../../platform/log.ts';
import type { EtcdDeps } from './append-batch.ts';
import type { Guard, KeyRow } from './etcd-client.ts';
import type { EtcdLogSettings } from './settings.ts';
import { untilAnswered } from './until-answered.ts';

export interface KeeperDeps extends EtcdDeps {
  readonly logger: Logger;
}

export interface KeeperPlace {
  readonly key: string;
  /** Shown to operators as the leader. */
  readonly memberId: string;
}

interface Held {
  readonly lease: bigint;
  readonly createRevision: bigint;
  /** By our monotonic clock; etcd’s lease ends later. */
  readonly untilMs: number;
}

/** Asked three times in a lease. */
const ASKS_PER_LEASE = 3;

export class Keeper {
  /** Who held it when last asked; undefined also while etcd does not answer. */
  holder: string | undefined;
  private readonly deps: KeeperDeps;
  private readonly settings: EtcdLogSettings;
  private readonly place: KeeperPlace;
  private readonly value: Uint8Array;
  private readonly stopped = new AbortController();
  private held: Held | undefined;
  private asking: Promise<void> | undefined;
  private stopAsking: () => void = () => undefined;
  private starting: Promise<void> | undefined;

  constructor(deps: KeeperDeps, settings: EtcdLogSettings, place: KeeperPlace) {
    this.deps = deps;
    this.settings = settings;
    this.place = place;
    const life = Buffer.from(deps.random.bytes(9)).toString('base64url');
    this.value = Buffer.from(`${place.memberId} ${life}`);
  }

  /** Resolves after the first attempt, whatever came of it. Idempotent. */
  start(): Promise<void> {
    this.starting ??= this.startNow();
    return this.starting;
  }

  private async startNow(): Promise<void> {
    await this.ask();
    if (this.stopped.signal.aborted) return;
    const everyMs = this.settings.leaseMs / ASKS_PER_LEASE;
    this.stopAsking = this.deps.clock.every(everyMs, () => void this.ask());
  }

  /** A guard that holds in etcd as long as this tenure lasts; undefined when we do not hold it. */
  get ticket(): Guard | undefined {
    const { held } = this;
    if (held === undefined || this.deps.clock.monotonicMs() >= held.untilMs) return undefined;
    return { key: this.place.key, createRevision: held.createRevision };
  }

  /** Gives it back, for `callMs` at most. Idempotent. */
  async stop(): Promise<void> {
    this.stopAsking();
    if (this.stopped.signal.aborted) return;
    this.stopped.abort();
    await this.asking;
    const { held } = this;
    this.held = undefined;
    if (held === undefined) return;
    const deadline = this.deps.clock.deadline(this.settings.callMs, new AbortController().signal);
    await this.deps.client.revokeLease(held.lease, deadline.signal).catch(() => undefined);
    deadline.clear();
  }

  private async ask(): Promise<void> {
    const ask = (): Promise<void> => this.askNow();
    this.asking ??= untilAnswered(this.deps, this.settings, ask, this.stopped.signal)
      .catch((error: unknown) => {
        this.holder = undefined;
        this.deps.logger.debug({ reason: String(error) }, 'the upkeep of the log is not settled');
      })
      .finally(() => {
        this.asking = undefined;
      });
    await this.asking;
  }

  private async askNow(): Promise<void> {
    const { signal } = this.stopped;
    const askedMs = this.deps.clock.monotonicMs();
    if (this.held !== undefined && !(await this.deps.client.renewLease(this.held.lease, signal))) {
      this.held = undefined;
    }
    if (this.held === undefined) await this.take(askedMs);
    else this.held = { ...this.held, untilMs: askedMs + this.settings.leaseMs };
  }

  private async take(askedMs: number): Promise<void> {
    const { client } = this.deps;
    const { signal } = this.stopped;
    const { key } = this.place;
    const look = { kind: 'range', start: key, end: undefined, limit: 1, keysOnly: false } as const;
    const seen = await client.txn({ guards: [], success: [look], failure: [] }, signal);
    const row = seen.ranges[0]?.rows[0];
    if (row !== undefined) {
      await this.heldBy(row, askedMs);
      return;
    }
    const lease = await client.grantLease(this.settings.leaseMs, signal);
    const put = { kind: 'put', key, value: this.value, lease } as const;
    const guards = [{ key, createRevision: 0n }];
    const taken = await client.txn({ guards, success: [put], failure: [look] }, signal);
    if (taken.succeeded) {
      this.hold({ lease, createRevision: taken.revision, askedMs });
      return;
    }
    await client.revokeLease(lease, signal);
    const other = taken.ranges[0]?.rows[0];
    if (other !== undefined) await this.heldBy(other, askedMs);
  }

  /** Ours when an answer was lost: then its lease is good for as long as etcd renews it. */
  private async heldBy(row: KeyRow, askedMs: number): Promise<void> {
    this.holder = Buffer.from(row.value).toString('utf8').split(' ')[0];
    if (Buffer.compare(row.value, this.value) !== 0) return;
    const { lease, createRevision } = row;
    const isAlive = await this.deps.client.renewLease(lease, this.stopped.signal);
    if (isAlive) this.hold({ lease, createRevision, askedMs });
  }

  private hold(taken: {
    readonly lease: bigint;
    readonly createRevision: bigint;
    readonly askedMs: number;
  }): void {
    const { lease, createRevision, askedMs } = taken;
    this.holder = this.place.memberId;
    this.held = { lease, createRevision, untilMs: askedMs + this.settings.leaseMs };
  }
}
