import type { ConfState, HardState } from './messages.ts';
import type { ProgressView } from './progress.ts';
import type { Role } from './ready.ts';

/** Costs nothing to take. */
export interface BasicStatus {
  readonly id: number;
  readonly hardState: HardState;
  readonly lead: number;
  readonly role: Role;
  /** Last index reported as applied. */
  readonly applied: number;
  /** NO_NODE when no transfer is under way. */
  readonly transferee: number;
}

export interface Status extends BasicStatus {
  readonly config: ConfState;
  /** A change of the members that is proposed before this is applied becomes an empty entry. */
  readonly pendingConfIndex: number;
  /** Ascending by node id; empty but on the leader. */
  readonly progress: ReadonlyMap<number, ProgressView>;
}
