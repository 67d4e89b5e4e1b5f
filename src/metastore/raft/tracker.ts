import { assert } from '../../base/assert.ts';
import type { ConfState } from './messages.ts';
import type { Progress } from './progress.ts';
import { type AckedIndexes, committedIndex, type VoteResult, voteResult } from './quorum.ts';

export const EMPTY_CONFIG: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

export interface VoteTally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

/** The configuration in force, everybody's progress, and the votes of the running election. */
export class Tracker implements AckedIndexes {
  #config: ConfState = EMPTY_CONFIG;
  #progress: ReadonlyMap<number, Progress> = new Map();
  /** Everybody with a progress, ascending: the order in which peers are visited. */
  #ids: readonly number[] = [];
  readonly #votes = new Map<number, boolean>();

  get config(): ConfState {
    return this.#config;
  }

  get progress(): ReadonlyMap<number, Progress> {
    return this.#progress;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  install(config: ConfState, progress: ReadonlyMap<number, Progress>): void {
    this.#config = config;
    this.#ids = [...progress.keys()].toSorted((a, b) => a - b);
    this.#progress = progress;
  }

  /** The progress of somebody who is known to have one. */
  of(id: number): Progress {
    const progress = this.#progress.get(id);
    assert(progress !== undefined, `node ${id} has a progress`);
    return progress;
  }

  isSingleton(): boolean {
    return this.#config.voters.length === 1 && this.#config.votersOutgoing.length === 0;
  }

  ackedIndex(id: number): number | undefined {
    return this.#progress.get(id)?.match;
  }

  committed(): number {
    return committedIndex(this.#config, this);
  }

  isQuorumActive(): boolean {
    const active = new Map<number, boolean>();
    for (const [id, progress] of this.#progress) {
      if (!progress.isLearner) active.set(id, progress.isRecentlyActive);
    }
    return voteResult(this.#config, active) === 'won';
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first vote of a node counts. */
  recordVote(id: number, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  /** The counts leave learners out; the result looks at voters only anyway. */
  tallyVotes(): VoteTally {
    let granted = 0;
    let rejected = 0;
    for (const [id, progress] of this.#progress) {
      const vote = progress.isLearner ? undefined : this.#votes.get(id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: voteResult(this.#config, this.#votes) };
  }
}
