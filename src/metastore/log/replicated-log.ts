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

/**
 * The state machine as of one index, open until closed. Ends early, `content` with METASTORE_UNAVAILABLE,
 * when the member stops or itself installs a snapshot.
 */
export interface Snapshot {
  readonly index: LogIndex;
  /** Of the entry at `index`. */
  readonly term: bigint;
  /** Chunks of at most 1 MiB, in order; the same bytes at each call, so that a transfer can be resumed. */
  content(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface SnapshotProvider {
  /** Holds everything that was applied at the call, made durable here or not. */
  take(signal: AbortSignal): Promise<Snapshot>;
}

/**
 * Replaces everything up to `index`. Installed and durable once its reader asks for what follows: only
 * then may the log record it, answer for it or let go of its content.
 */
export interface SnapshotToInstall {
  readonly index: LogIndex;
  readonly term: bigint;
  /** What a provider gave, cut anyhow: it checks itself. May be read again from its beginning. */
  content(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export type CommittedItem = readonly LogEntry[] | SnapshotToInstall;

export function isSnapshot(item: CommittedItem): item is SnapshotToInstall {
  return 'content' in item;
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
   * Where the log finds a snapshot for a member that needs entries which are gone. Once, before `committed`
   * is read; a log that nobody follows takes none.
   */
  serveSnapshotsOf(provider: SnapshotProvider): void;
  /**
   * Committed entries after `after`, in order, each once; then waits for more. Where entries are gone, a
   * snapshot with a larger index than all before comes instead, and entries go on behind it. Ends when the
   * log stops. Throws COMPACTED when `after + 1` is gone and no snapshot replaces it, and the failure,
   * behind the last entry, when the log breaks.
   */
  committed(after: LogIndex): AsyncIterable<CommittedItem>;
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
