// One member of a Raft group as a ReplicatedLog: the core decides, this does what it says. Start here.
//
//   propose ─┐                  ┌─► DurableLog ─► Wal ─► answers ─┐
//   ticks ───┼─► RawNode ─ Ready┼─► RaftTransport ─► peers        │
//   peers ───┘       ▲          └─► CommittedFeed ─► catalog      │
//                    └────────────────────────────────────────────┘
import { LogtierError } from '../../../base/errors.ts';
import { abortError, type Clock } from '../../../platform/clock.ts';
import type { Logger } from '../../../platform/log.ts';
import type { NextTurn } from '../../../platform/turn.ts';
import { decodeConfChange } from '../../raft/conf-change.ts';
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  type Message,
  type Snapshot,
} from '../../raft/messages.ts';
import type { RawNode } from '../../raft/raw-node.ts';
import type { Ready } from '../../raft/ready.ts';
import type { Wal } from '../../wal/wal.ts';
import type {
  CommittedItem,
  LogIndex,
  LogStatus,
  ReplicatedLog,
  SnapshotProvider,
  SnapshotSource,
} from '../replicated-log.ts';
import { Compaction } from './compaction.ts';
import { CommittedFeed } from './committed-feed.ts';
import { DurableLog } from './durable-log.ts';
import { EarlyElection } from './early-election.ts';
import type { LogView } from './log-view.ts';
import type { LogWriter } from './log-writer.ts';
import { encodeMembership, type Membership, type Peer, withConfState } from './membership.ts';
import { addressIn, foundingChange } from './membership-change.ts';
import type { MembershipHistory } from './membership-history.ts';
import { OwnGroup } from './own-group.ts';
import { Proposals } from './proposals.ts';
import { ReadRounds } from './read-rounds.ts';
import type { RaftLogSettings } from './settings.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { PeerEvents, RaftTransport, SnapshotContent } from './transport.ts';
import { ELECTION_TICKS } from './core-settings.ts';

export interface RaftLogParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nextTurn: NextTurn;
  readonly transport: RaftTransport;
  readonly core: RawNode;
  readonly wal: Wal;
  readonly view: LogView;
  readonly writer: LogWriter;
  readonly history: MembershipHistory;
  readonly committed: number;
  /** Random: marks the read rounds of this life. */
  readonly life: Uint8Array;
  readonly nodeId: number;
}

export class RaftLog implements ReplicatedLog {
  private readonly parts: RaftLogParts;
  private readonly settings: RaftLogSettings;
  private readonly core: RawNode;
  private readonly feed: CommittedFeed;
  private readonly durable: DurableLog;
  private readonly proposals = new Proposals();
  private readonly reads: ReadRounds;
  private readonly compaction: Compaction;
  private readonly sender: SnapshotSender;
  readonly group: OwnGroup;
  private readonly early: EarlyElection;
  private isTurnDue = false;
  private isLeader = false;
  private lastTickMs: number;
  private failure: LogtierError | undefined;
  /** Resolves with the first entry of an own term that is committed. */
  private readonly led: Promise<void>;
  private tellLed: () => void = () => undefined;
  private stopTicking: () => void = () => undefined;
  private stopping: Promise<void> | undefined;

  constructor(parts: RaftLogParts, settings: RaftLogSettings) {
    const { wal, view, writer, core, transport, history, logger } = parts;
    this.parts = parts;
    this.settings = settings;
    this.core = core;
    this.feed = new CommittedFeed({ wal, cache: view.cache }, settings.readBytes, parts.committed);
    this.durable = new DurableLog({
      writer,
      feed: this.feed,
      release: (responses) => {
        this.deliver(responses);
      },
      restored: (snapshot) => {
        this.restored(snapshot);
      },
    });
    this.reads = new ReadRounds(parts.life, ELECTION_TICKS);
    this.compaction = new Compaction({
      ...parts,
      feed: this.feed,
      durable: this.durable,
      keptBytes: settings.keptBytes,
      requireServing: () => {
        this.requireServing();
      },
    });
    this.sender = new SnapshotSender({
      logger,
      transport,
      history,
      report: (nodeId, outcome) => {
        core.reportSnapshot(nodeId, outcome);
        this.turnSoon();
      },
    });
    this.group = new OwnGroup({
      ...parts,
      notLeader: () => this.notLeader(),
      requireLeading: () => {
        this.requireServing();
        if (!this.isLeader) throw this.notLeader();
      },
      turnSoon: () => {
        this.turnSoon();
      },
    });
    this.early = new EarlyElection(core);
    this.lastTickMs = parts.clock.monotonicMs();
    this.led = new Promise((resolve) => {
      this.tellLed = resolve;
    });
  }

  /** Once, by `openRaftLog`. */
  start(): void {
    const { transport, clock, history, wal } = this.parts;
    transport.start(this.peerEvents());
    transport.setMembership(history.current);
    void this.failWith(wal.failed);
    this.stopTicking = clock.every(this.settings.tickMs, () => {
      this.tick();
    });
    // What is known as committed is handed out at once.
    this.turn();
  }

  async propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    const { maxCommandBytes, wal } = this.settings;
    if (command.length > maxCommandBytes) {
      const size = `a command of ${command.length} bytes`;
      throw new LogtierError('INVALID_ARGUMENT', `${size} exceeds ${maxCommandBytes}`);
    }
    if (!this.isLeader) throw this.notLeader();
    const waitingBytes = this.parts.wal.queuedBytes + this.proposals.bytes;
    if (waitingBytes + command.length > wal.queuedBytes) {
      throw new LogtierError('OVERLOADED', `${waitingBytes} bytes wait for the disk`);
    }
    this.turnSoon();
    return await this.proposals.add(command, signal);
  }

  serveSnapshotsOf(provider: SnapshotProvider): void {
    this.sender.provider = provider;
  }

  committed(after: LogIndex): AsyncIterable<CommittedItem> {
    return this.feed.read(after);
  }

  async readBarrier(signal: AbortSignal): Promise<LogIndex> {
    if (signal.aborted) throw abortError(signal);
    this.requireServing();
    this.turnSoon();
    return await this.reads.add(signal);
  }

  compact(snapshot: SnapshotSource): Promise<void> {
    return this.compaction.run(snapshot);
  }

  get membership(): Membership {
    return this.parts.history.current;
  }

  status(): LogStatus {
    const { hardState, lead, role } = this.core.basicStatus();
    const isLearner = this.membership.confState.learners.includes(this.parts.nodeId);
    const told = role === 'preCandidate' ? 'candidate' : role;
    return {
      role: isLearner ? 'learner' : told,
      term: BigInt(hardState.term),
      leader: lead === 0 ? undefined : (this.membership.addresses.get(lead) ?? String(lead)),
      committed: BigInt(this.feed.index),
      firstIndex: this.parts.wal.firstIndex,
      failure: this.failure?.message,
    };
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopNow();
    return this.stopping;
  }

  /** A group of one needs no timeout to know that nobody leads. Resolves when it can commit. */
  async lead(): Promise<void> {
    this.core.campaign();
    this.turnSoon();
    const { wal } = this.parts;
    await Promise.race([this.led, wal.failed]);
    if (this.failure !== undefined) throw this.failure;
  }

  /** Adds nobody; a member that reads this log from its start learns of this one. */
  nameItself(self: Peer): void {
    this.core.proposeConfChange(foundingChange(self));
    this.turnSoon();
  }

  private peerEvents(): PeerEvents {
    return {
      received: (message) => {
        this.group.heard(message.from);
        if (this.failure === undefined) this.core.step(message);
        this.turnSoon();
      },
      snapshotReceived: (message, content) => {
        this.snapshotReceived(message, content);
      },
      unreachable: (nodeId) => {
        this.core.reportUnreachable(nodeId);
        this.turnSoon();
      },
      disconnected: (nodeId) => {
        if (this.failure === undefined) this.early.lost(nodeId);
        this.turnSoon();
      },
      refused: (error) => {
        this.fail(error);
      },
    };
  }

  private snapshotReceived(message: Message, content: SnapshotContent): void {
    const { snapshot } = message;
    if (snapshot === undefined || this.failure !== undefined || this.durable.isInstalling) {
      void content.close();
      return;
    }
    this.durable.receive(snapshot, content, () => {
      this.core.step(message);
      this.turn();
    });
  }

  private turnSoon(): void {
    if (this.isTurnDue) return;
    this.isTurnDue = true;
    this.parts.nextTurn(() => {
      this.turn();
    });
  }

  /** Everything that came in since the last turn goes through the core at once. */
  private turn(): void {
    this.isTurnDue = false;
    if (this.failure !== undefined) return;
    this.proposeWaiting();
    this.askForReads();
    while (this.core.hasReady()) this.handle(this.core.ready());
    this.group.settle();
    if (this.membership.removed.has(this.parts.nodeId)) this.fail(removedError());
  }

  private proposeWaiting(): void {
    while (!this.proposals.isEmpty) {
      const commands = this.proposals.take();
      if (this.core.proposeAll(commands) === undefined) continue;
      this.proposals.refuse(commands.length, this.refusal());
    }
  }

  private refusal(): LogtierError {
    const { role, transferee } = this.core.basicStatus();
    if (role !== 'leader' || transferee !== 0) return this.notLeader();
    return new LogtierError('OVERLOADED', 'too much waits for a majority');
  }

  private askForReads(): void {
    if (this.reads.isEmpty) return;
    if (this.core.basicStatus().lead === 0) this.reads.drop(this.notLeader());
    else this.core.readIndex(this.reads.begin());
  }

  private handle(ready: Ready): void {
    if (ready.softState !== undefined) this.roleChanged(ready.softState.role === 'leader');
    for (const state of ready.readStates) this.reads.answer(state);
    this.proposals.appendedAs(ready.entries);
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) this.durable.write(message);
      else if (message.to === APPLY_THREAD) this.apply(message);
      else this.send(message);
    }
  }

  private send(message: Message): void {
    if (message.type === 'MsgSnap') this.sender.send(message);
    else this.parts.transport.send(message);
  }

  /** What is committed is handed out; the log itself only acts on changes of its members. */
  private apply({ entries, responses }: Message): void {
    for (const entry of entries) {
      if (entry.type !== 'normal') this.applyChange(entry);
      this.proposals.committed(entry);
    }
    const last = entries.at(-1)?.index ?? 0;
    this.feed.advance(last);
    this.parts.view.cache.evict(last);
    if (this.isLeader && entries.at(-1)?.term === this.core.basicStatus().hardState.term) {
      this.tellLed();
    }
    for (const response of responses ?? []) this.core.step(response);
  }

  private applyChange(entry: Entry): void {
    const { history, writer, transport, logger } = this.parts;
    const change = decodeConfChange(entry);
    if (change === undefined) return;
    const confState = this.core.applyConfChange(change);
    const membership = withConfState(addressIn(change, history.current), confState);
    history.add(entry.index, membership);
    writer.recordMembership(entry.index, encodeMembership(membership));
    transport.setMembership(membership);
    logger.info({ index: entry.index, ...confState }, 'the group changed');
  }

  /** Answers that were held back until a write was durable. */
  private deliver(responses: readonly Message[]): void {
    if (this.failure !== undefined) return;
    for (const response of responses) {
      if (response.to === this.parts.nodeId) this.core.step(response);
      else this.parts.transport.send(response);
    }
    this.turnSoon();
  }

  private restored({ index }: Snapshot): void {
    const { history, wal, transport, logger } = this.parts;
    const mark = wal.memberships.findLast((each) => each.index <= BigInt(index));
    if (mark !== undefined) history.restore(mark);
    transport.setMembership(history.current);
    this.feed.advance(index);
    logger.info({ index }, 'a snapshot replaced the log');
  }

  private roleChanged(isLeader: boolean): void {
    if (this.isLeader && !isLeader) {
      this.proposals.loseAppended('the leadership is lost');
      this.group.lose(this.notLeader());
    }
    if (isLeader !== this.isLeader) {
      const { role, term, leader } = this.status();
      this.parts.logger.info({ role, term, leader }, 'the role in the group changed');
    }
    this.isLeader = isLeader;
  }

  /** After a stall one tick counts, and answers to reads from before it are not trusted (B.5). */
  private tick(): void {
    if (this.failure !== undefined) return;
    const nowMs = this.parts.clock.monotonicMs();
    const silentMs = nowMs - this.lastTickMs;
    this.lastTickMs = nowMs;
    if (silentMs > (this.settings.tickMs * ELECTION_TICKS) / 2) {
      this.parts.logger.warn({ silentMs }, 'this member stood still');
      this.reads.askAnew();
    }
    this.reads.tick(() => this.notLeader());
    this.core.tick();
    this.early.tick();
    this.turnSoon();
  }

  private notLeader(): LogtierError {
    const { lead } = this.core.basicStatus();
    const address = this.membership.addresses.get(lead);
    const said = address === undefined ? 'none is known' : `${lead} at ${address} does`;
    const details = address === undefined ? {} : { leader: address };
    return new LogtierError('NOT_LEADER', `member ${this.parts.nodeId} does not lead: ${said}`, {
      details,
    });
  }

  /** Surely not taken: another member may take it, or this one after its restart. */
  private requireServing(): void {
    if (this.stopping !== undefined) {
      throw new LogtierError('NOT_LEADER', 'this metastore member stops');
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private async stopNow(): Promise<void> {
    const { writer, transport, wal } = this.parts;
    this.stopTicking();
    try {
      this.turn();
      await this.sender.stop();
      await writer.flush().catch(() => undefined);
      this.turn();
      await transport.stop();
      await wal.close();
      await this.compaction.settled();
    } finally {
      this.feed.stop();
      this.proposals.refuseWaiting(new LogtierError('NOT_LEADER', 'this metastore member stops'));
      this.proposals.loseAppended('this member stops');
      this.endReads('this metastore member stops');
    }
  }

  private endReads(why: string): void {
    const error = new LogtierError('NOT_LEADER', why);
    this.reads.drop(error);
    this.group.end(error);
  }

  private async failWith(failed: Promise<LogtierError>): Promise<void> {
    this.fail(await failed);
  }

  /** For good: what is on disk is unknown, or the group goes on without this member. */
  private fail(error: LogtierError): void {
    if (this.failure !== undefined || this.stopping !== undefined) return;
    this.failure = error;
    this.parts.logger.error({ code: error.code, reason: error.message }, 'the log stops');
    this.proposals.refuseWaiting(error);
    this.proposals.loseAppended(error.message);
    this.reads.drop(error);
    this.group.end(error);
    this.feed.fail(error);
  }
}

function removedError(): LogtierError {
  return new LogtierError('MEMBER_REMOVED', 'the group removed this member', {
    hint: 'wipe its directory; a new member joins under a new id',
  });
}
