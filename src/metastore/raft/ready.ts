import type { Entry, HardState, Message, Snapshot } from './messages.ts';

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** Worth telling, needs no disk. */
export interface SoftState {
  /** Undefined leaders are NO_NODE. */
  readonly lead: number;
  readonly role: Role;
}

/** The read asked for with `context` may be answered once `index` is applied. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

/**
 * What the core wants done. Synchronous form: write hardState, entries and snapshot (with fdatasync iff
 * `mustSync`), then send `messages`, apply `committedEntries`, call `advance`. With asyncStorageWrites the
 * messages to APPEND_THREAD and APPLY_THREAD say the same, each with the responses to release afterwards.
 */
export interface Ready {
  /** Undefined when unchanged. */
  readonly softState: SoftState | undefined;
  /** Undefined when unchanged. */
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  /** To be written; they overwrite what stands at their indexes and above. */
  readonly entries: readonly Entry[];
  /** To be written before any entry; the log starts anew after it. */
  readonly snapshot: Snapshot | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  readonly mustSync: boolean;
}
