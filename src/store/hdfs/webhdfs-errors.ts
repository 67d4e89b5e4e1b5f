// What HDFS says, as an error of ours. The class of the remote exception decides, never the
// HTTP status: a NameNode answers 403 to almost everything, HttpFS answers 500 where the NameNode says 403.
import { LogtierError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { fieldOf, textOf } from './json-fields.ts';

const codesByException: Readonly<Record<string, ErrorCode>> = {
  FileNotFoundException: 'OBJECT_NOT_FOUND',
  FileAlreadyExistsException: 'OBJECT_EXISTS',
  // The node cannot now: another one, or the same later.
  StandbyException: 'STORE_UNAVAILABLE',
  SafeModeException: 'STORE_UNAVAILABLE',
  RetriableException: 'STORE_UNAVAILABLE',
  AlreadyBeingCreatedException: 'STORE_UNAVAILABLE',
  LeaseExpiredException: 'STORE_UNAVAILABLE',
  NotReplicatedYetException: 'STORE_UNAVAILABLE',
  BlockMissingException: 'STORE_UNAVAILABLE',
  CannotObtainBlockLengthException: 'STORE_UNAVAILABLE',
  ConnectException: 'STORE_UNAVAILABLE',
  SocketTimeoutException: 'STORE_UNAVAILABLE',
  NoRouteToHostException: 'STORE_UNAVAILABLE',
  EOFException: 'STORE_UNAVAILABLE',
  ChecksumException: 'OBJECT_CORRUPT',
  NSQuotaExceededException: 'DISK_FULL',
  DSQuotaExceededException: 'DISK_FULL',
  QuotaByStorageTypeExceededException: 'DISK_FULL',
  AccessControlException: 'STORE_DENIED',
  AuthorizationException: 'STORE_DENIED',
  AuthenticationException: 'STORE_DENIED',
  SecurityException: 'STORE_DENIED',
  InvalidToken: 'STORE_DENIED',
};

/** Plain IOExceptions that pass: no DataNode to send a client to, or none that could take the block. */
const PASSING_MESSAGES =
  /Failed to find datanode|No active and not excluded nodes|could only be (written|replicated) to|All datanodes|Could not obtain block|Unable to close file/;

/** A file where a directory should be is told as a refused traversal: nothing is stored below a file. */
const BELOW_A_FILE = /\(is not a directory\)/;

const TOO_MANY_REQUESTS = 429;
const UNAUTHORIZED = 401;
const SERVER_ERROR = 500;

export interface RemoteRefusal {
  readonly status: number;
  readonly exception: string;
  /** First line only: what follows is a Java stack trace of 2 KB. */
  readonly message: string;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Longest text of an answer that is not WebHDFS's (a proxy's page) shown in a message. */
const SHOWN_CHARACTERS = 120;

export function remoteRefusal(status: number, body: string): RemoteRefusal {
  const remote = fieldOf(parsed(body), 'RemoteException');
  return {
    status,
    exception: textOf(fieldOf(remote, 'exception')) ?? '',
    message: firstLine(textOf(fieldOf(remote, 'message')) ?? body.slice(0, SHOWN_CHARACTERS)),
  };
}

function codeOf(refusal: RemoteRefusal): ErrorCode {
  if (BELOW_A_FILE.test(refusal.message) && refusal.exception === 'AccessControlException') {
    return 'OBJECT_NOT_FOUND';
  }
  const known = codesByException[refusal.exception];
  if (known !== undefined) return known;
  if (PASSING_MESSAGES.test(refusal.message)) return 'STORE_UNAVAILABLE';
  if (refusal.status === UNAUTHORIZED) return 'STORE_DENIED';
  const isPassing = refusal.status >= SERVER_ERROR || refusal.status === TOO_MANY_REQUESTS;
  return isPassing ? 'STORE_UNAVAILABLE' : 'STORE_REFUSED';
}

/** An answer that says no. `details.exception` keeps the Java class name for `exceptionOf`. */
export function refusalError(refusal: RemoteRefusal, doing: string): LogtierError {
  const { status, exception, message } = refusal;
  const said = [String(status), exception, message].filter((part) => part !== '').join(' ');
  return new LogtierError(codeOf(refusal), `${doing}: ${said}`, {
    details: { status, exception },
  });
}

/** The remote exception's class behind an error; undefined when the node never answered. */
export function exceptionOf(error: unknown): string | undefined {
  if (!(error instanceof LogtierError)) return undefined;
  const { exception } = error.details;
  return typeof exception === 'string' ? exception : undefined;
}

/** True when no answer came: refused, reset, cut off, hung. Whether the request was carried out is unknown. */
export function isUnanswered(error: unknown): boolean {
  return (
    error instanceof LogtierError &&
    error.code === 'STORE_UNAVAILABLE' &&
    error.details['exception'] === undefined
  );
}
