// How far one follower is, as its leader sees it.
//
//   probe ──► replicate: one MsgApp at a time until one is accepted, then many in flight
//     ▲  ╲       │
//     │   ╲      ▼
//     └── snapshot: nothing is sent until the snapshot is reported or acknowledged
//
// Invariants: match < next; in replicate next may run ahead of match by what is in flight.
import type { Inflights } from './inflights.ts';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

/** A copy for status and trace. */
export interface ProgressView {
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly pendingSnapshot: number;
  readonly isRecentlyActive: boolean;
  readonly isPaused: boolean;
  readonly isLearner: boolean;
  readonly inflightMessages: number;
  readonly isInflightFull: boolean;
}

export interface ProgressStart {
  readonly match: number;
  readonly next: number;
  readonly isLearner: boolean;
  readonly isRecentlyActive: boolean;
  readonly inflights: Inflights;
}

export class Progress {
  /** Highest index known to be on the follower. */
  match: number;
  /** Next index to send. */
  next: number;
  state: ProgressState = 'probe';
  /** Index of the snapshot on its way, 0 outside of the snapshot state. */
  pendingSnapshot = 0;
  /** Heard of since the last check for a quorum. */
  isRecentlyActive: boolean;
  /** Probe: one message is out. Replicate: the inflight window is full. Ended by an answer or a heartbeat's. */
  isFlowPaused = false;
  isLearner: boolean;
  readonly inflights: Inflights;
  /** Highest commit index told to the follower, as far as we know. */
  #sentCommit = 0;

  constructor(start: ProgressStart) {
    this.match = start.match;
    this.next = start.next;
    this.isLearner = start.isLearner;
    this.isRecentlyActive = start.isRecentlyActive;
    this.inflights = start.inflights;
  }

  /** Shares the inflight window: exactly one of both may live on. */
  copy(): Progress {
    const copied = new Progress(this);
    copied.state = this.state;
    copied.pendingSnapshot = this.pendingSnapshot;
    copied.isFlowPaused = this.isFlowPaused;
    copied.#sentCommit = this.#sentCommit;
    return copied;
  }

  becomeProbe(): void {
    const pendingSnapshot = this.state === 'snapshot' ? this.pendingSnapshot : 0;
    this.#enter('probe');
    this.next = Math.max(this.match, pendingSnapshot) + 1;
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter('replicate');
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter('snapshot');
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** After a MsgApp with `entryCount` entries of `bytes` payload left. */
  sentEntries(entryCount: number, bytes: number): void {
    if (this.state === 'replicate') {
      if (entryCount > 0) {
        this.next += entryCount;
        this.inflights.add(this.next - 1, bytes);
      }
      this.isFlowPaused = this.inflights.isFull();
    } else if (entryCount > 0) this.isFlowPaused = true;
  }

  sentCommit(index: number): void {
    this.#sentCommit = index;
  }

  /** Whether telling the follower that `index` is committed could move its commit index. */
  canBumpCommit(index: number): boolean {
    return index > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** Takes an acknowledgement up to `index`; false when it is old news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isFlowPaused = false;
    return true;
  }

  /** Takes a rejection of the append after `rejected`; false when it is stale. */
  maybeDecrease(rejected: number, hint: number): boolean {
    if (this.state === 'replicate') {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.isFlowPaused = false;
    }
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
    return true;
  }

  isPaused(): boolean {
    return this.state === 'snapshot' || this.isFlowPaused;
  }

  view(): ProgressView {
    return {
      match: this.match,
      next: this.next,
      state: this.state,
      pendingSnapshot: this.pendingSnapshot,
      isRecentlyActive: this.isRecentlyActive,
      isPaused: this.isPaused(),
      isLearner: this.isLearner,
      inflightMessages: this.inflights.count,
      isInflightFull: this.inflights.isFull(),
    };
  }

  #enter(state: ProgressState): void {
    this.isFlowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }
}
