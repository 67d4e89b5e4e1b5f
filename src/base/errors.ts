// Every way the world can be wrong, and what the caller does about it. docs/errors.md is printed from it.

/** What the flow that meets the error does: try again, give up this work, tell an operator, or set the data aside. */
export type Reaction = 'retry' | 'stop' | 'report' | 'quarantine';

interface ErrorRow {
  readonly reaction: Reaction;
  readonly meaning: string;
}

export const errorCodes = {
  // Input of people
  INVALID_CONFIG: {
    reaction: 'stop',
    meaning: 'A setting is unknown, of the wrong unit or out of range.',
  },
  INVALID_ARGUMENT: {
    reaction: 'stop',
    meaning: 'A request or command line names something impossible.',
  },
  NOT_FOUND: { reaction: 'report', meaning: 'No such topic, partition, segment or record.' },
  ALREADY_RUNNING: {
    reaction: 'stop',
    meaning: 'Another process holds this broker, state directory or port.',
  },

  // Bytes from disk
  CORRUPT_FILE: { reaction: 'quarantine', meaning: 'A file of Kafka breaks its own format.' },
  CORRUPT_BATCH: {
    reaction: 'quarantine',
    meaning: 'A record batch fails its CRC or its offsets.',
  },
  TRUNCATED_FILE: {
    reaction: 'retry',
    meaning: 'A file ends in mid-entry: torn, or still being written.',
  },
  UNSUPPORTED_FORMAT: {
    reaction: 'quarantine',
    meaning: 'A known format in a version that is not tiered (magic 0 or 1).',
  },
  SOURCE_CHANGED: { reaction: 'retry', meaning: 'The local segment changed while it was copied.' },
  SOURCE_GONE: {
    reaction: 'report',
    meaning: 'The local segment was deleted before it could be opened.',
  },
  LOG_DIR_FAILED: { reaction: 'retry', meaning: 'A log directory vanished or answers EIO.' },
  DISK_FULL: { reaction: 'report', meaning: 'The file system has no space left.' },
  DISK_FAILED: {
    reaction: 'stop',
    meaning: 'A write or fsync failed: what is on disk is unknown.',
  },
  CORRUPT_STATE: {
    reaction: 'stop',
    meaning: 'Our own files on disk are damaged beyond a torn tail.',
  },

  // Object store
  OBJECT_NOT_FOUND: { reaction: 'report', meaning: 'The object store has no such key.' },
  OBJECT_EXISTS: {
    reaction: 'stop',
    meaning: 'Another content stands under this key; it is never replaced.',
  },
  OBJECT_CORRUPT: { reaction: 'report', meaning: 'Stored bytes differ from what was written.' },
  STORE_UNAVAILABLE: {
    reaction: 'retry',
    meaning: 'The object store did not answer in time or asked to slow down.',
  },
  STORE_DENIED: {
    reaction: 'report',
    meaning: 'The object store refuses our credentials or this operation.',
  },
  STORE_REFUSED: { reaction: 'report', meaning: 'The object store rejects the request itself.' },

  // Metastore
  METASTORE_UNAVAILABLE: { reaction: 'retry', meaning: 'The metastore did not answer in time.' },
  METASTORE_DENIED: {
    reaction: 'report',
    meaning: 'The metastore’s etcd refuses our credentials or permissions.',
  },
  NOT_LEADER: {
    reaction: 'retry',
    meaning: 'This metastore member does not lead; ask the one it names.',
  },
  OUTCOME_UNKNOWN: {
    reaction: 'retry',
    meaning: 'Applied or not: repeat the same command until it is answered.',
  },
  FENCED_LEADER_EPOCH: { reaction: 'stop', meaning: 'A newer claim owns the partition.' },
  FENCED_INSTANCE: {
    reaction: 'stop',
    meaning: 'A younger sidecar of the same broker took over; this one must exit.',
  },
  ILLEGAL_TRANSITION: {
    reaction: 'stop',
    meaning: 'The segment is in a state that does not allow this step.',
  },
  MODE_CONFLICT: {
    reaction: 'report',
    meaning: 'The topic is tiered in the other mode (plugin or watch).',
  },
  TOPIC_DELETED: { reaction: 'stop', meaning: 'The topic id carries a tombstone.' },
  SESSION_EXPIRED: {
    reaction: 'retry',
    meaning: 'The client session is unknown or its sequence left the window.',
  },
  CLOCK_SKEW: {
    reaction: 'report',
    meaning: 'Clocks differ by more than is safe for deleting data.',
  },
  WRONG_CLUSTER: {
    reaction: 'stop',
    meaning: 'The answer comes from another Kafka cluster or metastore.',
  },
  MEMBER_REMOVED: {
    reaction: 'stop',
    meaning: 'This metastore member was taken out of its group; its id is not used again.',
  },
  WRONG_DIRECTORY: {
    reaction: 'stop',
    meaning:
      'A metastore member came back with another data directory than its group knows: what it had promised is lost.',
  },
  COMPACTED: {
    reaction: 'retry',
    meaning: 'The change feed no longer reaches back that far: load anew.',
  },

  SNAPSHOT_DAMAGED: {
    reaction: 'retry',
    meaning:
      'A snapshot of the catalog fails its own checks: fetch it again, or take another file.',
  },

  // Serving
  NOT_READY: {
    reaction: 'retry',
    meaning: 'The local view is not complete or not fresh; empty would be a lie.',
  },
  OFFSET_OUT_OF_RANGE: { reaction: 'report', meaning: 'The offset is outside the valid range.' },
  OVERLOADED: { reaction: 'retry', meaning: 'A bounded queue is full.' },

  // Broker
  BROKER_UNAVAILABLE: { reaction: 'retry', meaning: 'The Kafka broker did not answer in time.' },
  NOT_LEADER_OR_FOLLOWER: {
    reaction: 'stop',
    meaning: 'The broker says that it does not lead the partition at this epoch.',
  },
  BROKER_DENIED: {
    reaction: 'report',
    meaning: 'The Kafka broker refuses our credentials or ACLs.',
  },

  // Control flow
  ABORTED: { reaction: 'stop', meaning: 'The caller went away or the process stops.' },
  DEADLINE_EXCEEDED: {
    reaction: 'retry',
    meaning: 'No answer within the deadline; the outcome is unknown.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorCodes;

export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean>>;

export interface ErrorContext {
  /** What an operator can do about it; printed as `hint: …`. */
  readonly hint?: string;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** The world is wrong. There are no subclasses: the code's row says what the caller does. */
export class LogtierError extends Error {
  override readonly name = 'LogtierError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? {} : { cause: context.cause });
    this.code = code;
    this.hint = context.hint;
    this.details = context.details ?? {};
  }
}

export function isErrorCode(name: string): name is ErrorCode {
  return Object.hasOwn(errorCodes, name);
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is LogtierError {
  return error instanceof LogtierError && codes.includes(error.code);
}

/** An error of unknown origin is reported, never retried: we do not know what it did. */
export function reactionTo(error: unknown): Reaction {
  return error instanceof LogtierError ? errorCodes[error.code].reaction : 'report';
}
