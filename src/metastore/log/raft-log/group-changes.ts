// One change of the group at a time, from its proposal until the joint configuration is left.
import { LogtierError } from '../../../base/errors.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';
import type { RawNode } from '../../raft/raw-node.ts';
import { type Membership, membersOf } from './membership.ts';
import { confChangeOf, type GroupChange } from './membership-change.ts';

/** A learner this close behind the commit index may vote. */
const CAUGHT_UP_ENTRIES = 1000;

interface Running {
  readonly change: GroupChange;
  settle(outcome: 'done' | LogtierError): void;
}

export class GroupChanges {
  private readonly core: RawNode;
  private readonly notLeader: () => LogtierError;
  private running: Running | undefined;

  constructor(core: RawNode, notLeader: () => LogtierError) {
    this.core = core;
    this.notLeader = notLeader;
  }

  /** Surely not taken: INVALID_ARGUMENT, NOT_READY, OVERLOADED, NOT_LEADER. Else as a proposal. */
  begin(change: GroupChange, group: Membership, signal: AbortSignal): Promise<void> {
    if (isDone(change, group)) return Promise.resolve();
    this.requireLegal(change, group);
    if (this.core.proposeConfChange(confChangeOf(change)) !== undefined) throw this.notLeader();
    return new Promise((resolve, reject) => {
      const forget = onAbort(signal, () => {
        this.running = undefined;
        const cause = abortError(signal);
        reject(new LogtierError('OUTCOME_UNKNOWN', 'stopped waiting for the group', { cause }));
      });
      const settle = (outcome: 'done' | LogtierError): void => {
        forget();
        this.running = undefined;
        if (outcome === 'done') resolve();
        else reject(outcome);
      };
      this.running = { change, settle };
    });
  }

  settle(group: Membership): void {
    if (this.running !== undefined && isDone(this.running.change, group)) {
      this.running.settle('done');
    }
  }

  lose(cause: LogtierError): void {
    const what = 'the group may have changed: the leadership is lost';
    this.running?.settle(new LogtierError('OUTCOME_UNKNOWN', what, { cause }));
  }

  private requireLegal(change: GroupChange, { confState, removed }: Membership): void {
    const { id, kind } = change;
    const { pendingConfIndex, applied } = this.core.status();
    // The core would take it and commit nothing in its place: whoever waits for it would wait for ever.
    const isPending = pendingConfIndex > applied || confState.votersOutgoing.length > 0;
    if (this.running !== undefined || isPending) {
      throw new LogtierError('OVERLOADED', 'another change of the group is under way', {
        hint: 'ask again in a moment; a new leader has to apply first what was before it',
      });
    }
    if (removed.has(id)) throw illegal(`member ${id} was removed: its id is not used again`);
    const isLearner = confState.learners.includes(id);
    if (kind === 'addLearner' && confState.voters.includes(id)) {
      throw illegal(`member ${id} votes already`);
    }
    if (kind === 'promote') this.requireCaughtUp(id, isLearner);
    if (kind === 'remove' && !isLearner && confState.voters.length === 1) {
      throw illegal(`member ${id} is the last one that votes`);
    }
  }

  private requireCaughtUp(id: number, isLearner: boolean): void {
    if (!isLearner) throw illegal(`member ${id} is no learner`);
    const { progress, hardState } = this.core.status();
    const learner = progress.get(id);
    const behind = hardState.commit - (learner?.match ?? 0);
    if (learner?.isRecentlyActive === true && behind <= CAUGHT_UP_ENTRIES) return;
    const what = `member ${id} is ${behind} entries behind, or silent`;
    throw new LogtierError('NOT_READY', what, { hint: 'wait until it has caught up' });
  }
}

function isDone({ id, kind }: GroupChange, { confState }: Membership): boolean {
  if (confState.votersOutgoing.length > 0) return false;
  if (kind === 'promote') return confState.voters.includes(id);
  return kind === 'addLearner'
    ? confState.learners.includes(id)
    : !membersOf(confState).includes(id);
}

function illegal(what: string): LogtierError {
  return new LogtierError('INVALID_ARGUMENT', what);
}
