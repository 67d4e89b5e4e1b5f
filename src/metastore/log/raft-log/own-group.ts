// A member's group, as operators see and change it.
import type { LogtierError } from '../../../base/errors.ts';
import { abortError } from '../../../platform/clock.ts';
import type { RawNode } from '../../raft/raw-node.ts';
import type { Follower, GroupControl } from './group-control.ts';
import { GroupChanges } from './group-changes.ts';
import { LeaderTransfer } from './leader-transfer.ts';
import type { Membership, Peer } from './membership.ts';
import type { GroupChange } from './membership-change.ts';
import type { MembershipHistory } from './membership-history.ts';
import type { RaftTransport } from './transport.ts';

export interface OwnGroupParts {
  readonly nodeId: number;
  readonly core: RawNode;
  readonly history: MembershipHistory;
  readonly transport: RaftTransport;
  notLeader(): LogtierError;
  /** Throws where nothing can be proposed. */
  requireLeading(): void;
  turnSoon(): void;
}

export class OwnGroup implements GroupControl {
  readonly nodeId: number;
  private readonly parts: OwnGroupParts;
  private readonly changes: GroupChanges;
  private readonly transfer: LeaderTransfer;

  constructor(parts: OwnGroupParts) {
    this.nodeId = parts.nodeId;
    this.parts = parts;
    this.changes = new GroupChanges(parts.core, () => parts.notLeader());
    this.transfer = new LeaderTransfer(parts.core);
  }

  get membership(): Membership {
    return this.parts.history.current;
  }

  get leaderId(): number | undefined {
    const { lead } = this.parts.core.basicStatus();
    return lead === 0 ? undefined : lead;
  }

  followers(): ReadonlyMap<number, Follower> {
    const { progress } = this.parts.core.status();
    return new Map(
      [...progress].map(([id, { match, isRecentlyActive }]) => [
        id,
        { matchIndex: match, isActive: isRecentlyActive || id === this.nodeId },
      ]),
    );
  }

  async introduce(peer: Peer, signal: AbortSignal): Promise<string> {
    this.parts.requireLeading();
    return (await this.parts.transport.introduce(peer, signal)).directory;
  }

  async changeGroup(change: GroupChange, signal: AbortSignal): Promise<void> {
    this.begin(signal);
    await this.changes.begin(change, this.membership, signal);
  }

  async transferLeadership(to: number | undefined, signal: AbortSignal): Promise<number> {
    this.begin(signal);
    return await this.transfer.begin(to, signal);
  }

  /** After each turn of the log. */
  settle(): void {
    this.changes.settle(this.membership);
    this.transfer.settle();
  }

  lose(cause: LogtierError): void {
    this.changes.lose(cause);
  }

  /** Nothing is answered any more. */
  end(cause: LogtierError): void {
    this.changes.lose(cause);
    this.transfer.lose(cause);
  }

  private begin(signal: AbortSignal): void {
    if (signal.aborted) throw abortError(signal);
    this.parts.requireLeading();
    this.parts.turnSoon();
  }
}
