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
   * Resolves when the command is committed, with its index. NOT_LEADER{leader} when it was surely not
   * taken; OUTCOME_UNKNOWN when it may have been; OVERLOADED when too much waits.
   */
  propose(command: Uint8Array, signal: AbortSignal): Promise<LogIndex>;
  /** Committed entries after `after`, in order, each once; then waits for more. Ends when the log stops. */
  committed(after: LogIndex): AsyncIterable<readonly LogEntry[]>;
  /** No entry committed before the call is newer than the returned index. */
  readBarrier(signal: AbortSignal): Promise<LogIndex>;
  /** Drops entries up to `snapshot.index`, after making that much durable elsewhere. */
  compact(snapshot: SnapshotSource): Promise<void>;
  status(): LogStatus;
  /** Idempotent. */
  stop(): Promise<void>;
}
