import { assert } from '../../base/assert.ts';
import type { ConfChangeSingle } from './conf-change.ts';
import { Inflights } from './inflights.ts';
import { type ConfState, NO_NODE } from './messages.ts';
import { Progress } from './progress.ts';

/** A configuration and the progress of everybody in it, and nobody else. */
export interface Membership {
  readonly config: ConfState;
  readonly progress: ReadonlyMap<number, Progress>;
}

/** What a newcomer's progress starts from. */
export interface NewcomerSettings {
  /** The log's last index: a guess that the newcomer has it is corrected by its first answer. */
  readonly lastIndex: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
}

/** A membership being changed: copies in, a checked membership out. */
export class MembershipDraft {
  readonly incoming: Set<number>;
  readonly #outgoing: Set<number>;
  readonly #learners: Set<number>;
  readonly #learnersNext: Set<number>;
  readonly #progress = new Map<number, Progress>();
  readonly #newcomers: NewcomerSettings;
  #autoLeave: boolean;

  constructor(current: Membership, newcomers: NewcomerSettings) {
    this.incoming = new Set(current.config.voters);
    this.#outgoing = new Set(current.config.votersOutgoing);
    this.#learners = new Set(current.config.learners);
    this.#learnersNext = new Set(current.config.learnersNext);
    this.#autoLeave = current.config.autoLeave;
    this.#newcomers = newcomers;
    for (const [id, progress] of current.progress) this.#progress.set(id, progress.copy());
    this.#assertInvariants();
  }

  isJoint(): boolean {
    return this.#outgoing.size > 0;
  }

  apply(changes: readonly ConfChangeSingle[]): void {
    for (const change of changes) {
      // A change without a node is how a refused change stays in the log.
      if (change.nodeId !== NO_NODE) this.#applyOne(change);
    }
  }

  enterJoint(autoLeave: boolean): void {
    for (const id of this.incoming) this.#outgoing.add(id);
    this.#autoLeave = autoLeave;
  }

  leaveJoint(): void {
    for (const id of this.#learnersNext) {
      this.#learners.add(id);
      this.#known(id).isLearner = true;
    }
    this.#learnersNext.clear();
    for (const id of this.#outgoing) {
      if (!this.incoming.has(id) && !this.#learners.has(id)) this.#progress.delete(id);
    }
    this.#outgoing.clear();
    this.#autoLeave = false;
  }

  finish(): Membership {
    this.#assertInvariants();
    const config = {
      voters: ascending(this.incoming),
      learners: ascending(this.#learners),
      votersOutgoing: ascending(this.#outgoing),
      learnersNext: ascending(this.#learnersNext),
      autoLeave: this.#autoLeave,
    };
    return { config, progress: this.#progress };
  }

  #applyOne({ type, nodeId }: ConfChangeSingle): void {
    switch (type) {
      case 'addNode':
        return this.#makeVoter(nodeId);
      case 'addLearnerNode':
        return this.#makeLearner(nodeId);
      case 'removeNode':
        return this.#remove(nodeId);
      case 'updateNode':
        return undefined;
    }
  }

  #makeVoter(id: number): void {
    this.incoming.add(id);
    const progress = this.#progress.get(id);
    if (progress === undefined) return this.#welcome(id, false);
    progress.isLearner = false;
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
  }

  /** A voter of the outgoing half must go on voting there, so it becomes a learner only on leaving. */
  #makeLearner(id: number): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) {
      this.#learners.add(id);
      return this.#welcome(id, true);
    }
    if (progress.isLearner) return;
    this.#remove(id);
    this.#progress.set(id, progress);
    if (this.#outgoing.has(id)) {
      this.#learnersNext.add(id);
      return;
    }
    progress.isLearner = true;
    this.#learners.add(id);
  }

  #remove(id: number): void {
    this.incoming.delete(id);
    this.#learners.delete(id);
    this.#learnersNext.delete(id);
    if (!this.#outgoing.has(id)) this.#progress.delete(id);
  }

  /** Counts as active, so that a check for a quorum does not fail before it could answer. */
  #welcome(id: number, isLearner: boolean): void {
    const { lastIndex, maxInflightMessages, maxInflightBytes } = this.#newcomers;
    const inflights = new Inflights(maxInflightMessages, maxInflightBytes);
    const next = Math.max(lastIndex, 1);
    const start = { match: 0, next, isLearner, isRecentlyActive: true, inflights };
    this.#progress.set(id, new Progress(start));
  }

  #known(id: number): Progress {
    const progress = this.#progress.get(id);
    assert(progress !== undefined, `member ${id} has a progress`);
    return progress;
  }

  #assertInvariants(): void {
    for (const set of [this.incoming, this.#outgoing]) for (const id of set) this.#known(id);
    for (const id of this.#learnersNext) {
      assert(this.#outgoing.has(id), `next learner ${id} is an outgoing voter`);
      assert(!this.#known(id).isLearner, `next learner ${id} is not a learner yet`);
    }
    for (const id of this.#learners) {
      assert(!this.#outgoing.has(id), `learner ${id} is no outgoing voter`);
      assert(!this.incoming.has(id), `learner ${id} is no voter`);
      assert(this.#known(id).isLearner, `learner ${id} is marked as one`);
    }
    if (this.isJoint()) return;
    assert(this.#learnersNext.size === 0, 'only a joint configuration has next learners');
    assert(!this.#autoLeave, 'only a joint configuration can be left');
  }
}

function ascending(ids: ReadonlySet<number>): readonly number[] {
  return [...ids].toSorted((a, b) => a - b);
}
