// A member's group, as operators see and change it.
import { LogtierError } from '../../../base/errors.ts';
import { abortError, type Clock } from '../../../platform/clock.ts';
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
  readonly clock: Clock;
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
  private readonly heardMs = new Map<number, number>();

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
    const nowMs = this.parts.clock.monotonicMs();
    return new Map(
      [...progress].map(([id, { match }]) => {
        const heardMs = id === this.nodeId ? nowMs : this.heardMs.get(id);
        const silentMs = heardMs === undefined ? undefined : nowMs - heardMs;
        return [id, { matchIndex: match, silentMs }];
      }),
    );
  }

  heard(nodeId: number): void {
    this.heardMs.set(nodeId, this.parts.clock.monotonicMs());
  }

  async introduce(peer: Peer, signal: AbortSignal): Promise<string> {
    this.parts.requireLeading();
    const { directory, members } = await this.parts.transport.introduce(peer, [], signal);
    const own = this.membership.directories.get(this.nodeId);
    const knowsThisOne = members.some((each) => each.id === this.nodeId && each.directory === own);
    if (members.length === 0 || knowsThisOne) return directory;
    const what = `member ${peer.id} at ${peer.address} has begun a group of its own`;
    throw new LogtierError('WRONG_CLUSTER', what, {
      hint: 'stop it, empty its directory, and start it without metastore.group.voters',
    });
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
