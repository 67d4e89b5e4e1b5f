// The replicated log under the catalog. Home today: a single durable member; a Raft group and etcd follow.

/** Position in the log; the first entry is 1. */
export type LogIndex = bigint;

export interface LogEntry {
  readonly index: LogIndex;
  readonly term: bigint;
  /** Empty for the entry that opens a term. */
  readonly command: Uint8Array;
}

export interface LogStatus {
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner';
  readonly term: bigint;
  readonly leader: string | undefined;
  readonly committed: LogIndex;
  readonly firstIndex: LogIndex;
  /** Undefined while sound; else why nothing can be proposed any more. */
  readonly failure: string | undefined;
}

/** What the catalog hands over when the log below `index` goes: enough to start without it. */
export interface SnapshotSource {
  readonly index: LogIndex;
  /** Makes everything applied up to `index` durable elsewhere than in the log. */
  makeDurable(): Promise<void>;
}

export interface ReplicatedLog {
  /**
   * Resolves when the command, taken over, is committed, with its index. Surely not taken: NOT_LEADER,
   * OVERLOADED when too much waits, INVALID_ARGUMENT when it is too large, the signal's reason when it
   * fired before the call, the failure once the log is broken. May have been taken: OUTCOME_UNKNOWN, also
   * when the signal fires later.
   */
  propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex>;
  /**
   * Committed entries after `after`, in order, each once; then waits for more. Ends when the log stops.
   * Throws COMPACTED when `after + 1` is gone, and the failure, behind the last entry, when the log breaks.
   */
  committed(after: LogIndex): AsyncIterable<readonly LogEntry[]>;
  /** No entry committed before the call is newer than the returned index. */
  readBarrier(signal: AbortSignal): Promise<LogIndex>;
  /**
   * Drops entries up to `snapshot.index`, or some of them, after making that much durable elsewhere.
   * INVALID_ARGUMENT beyond the committed index; at or below an earlier snapshot nothing happens.
   */
  compact(snapshot: SnapshotSource): Promise<void>;
  status(): LogStatus;
  /** Settles what was proposed, then refuses with NOT_LEADER. Idempotent. */
  stop(): Promise<void>;
}
