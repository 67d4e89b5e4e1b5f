// Errors over the wire: the gRPC status tells any client enough, and the trailers let ours rebuild the
// very LogtierError that was thrown.
import { Metadata, type ServiceError, status as Status } from '@grpc/grpc-js';
import {
  type ErrorCode,
  errorCodes,
  type ErrorDetails,
  isErrorCode,
  LogtierError,
  type Reaction,
} from '../base/errors.ts';

const CODE_KEY = 'logtier-code';
const HINT_KEY = 'logtier-hint-bin';
const DETAILS_KEY = 'logtier-details-bin';

/** HTTP/2 peers refuse headers of more than 8 or 16 KiB in all. */
const MAX_HINT_BYTES = 2048;
const MAX_DETAILS_BYTES = 2048;

/** Where the reaction alone says too little to a client that knows only gRPC. */
const STATUS_OF: Partial<Record<ErrorCode, Status>> = {
  INVALID_ARGUMENT: Status.INVALID_ARGUMENT,
  NOT_FOUND: Status.NOT_FOUND,
  OBJECT_NOT_FOUND: Status.NOT_FOUND,
  TOPIC_DELETED: Status.NOT_FOUND,
  OBJECT_EXISTS: Status.ALREADY_EXISTS,
  STORE_DENIED: Status.PERMISSION_DENIED,
  BROKER_DENIED: Status.PERMISSION_DENIED,
  METASTORE_DENIED: Status.PERMISSION_DENIED,
  OVERLOADED: Status.RESOURCE_EXHAUSTED,
  COMPACTED: Status.OUT_OF_RANGE,
  OFFSET_OUT_OF_RANGE: Status.OUT_OF_RANGE,
  FENCED_LEADER_EPOCH: Status.ABORTED,
  FENCED_INSTANCE: Status.ABORTED,
  SESSION_EXPIRED: Status.ABORTED,
  ABORTED: Status.CANCELLED,
  DEADLINE_EXCEEDED: Status.DEADLINE_EXCEEDED,
};

const STATUS_OF_REACTION: Record<Reaction, Status> = {
  retry: Status.UNAVAILABLE,
  stop: Status.FAILED_PRECONDITION,
  report: Status.FAILED_PRECONDITION,
  quarantine: Status.DATA_LOSS,
};

export interface RpcStatus {
  readonly code: Status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** An error that is not ours tells nothing: its text may hold what a client must not see. */
export function statusOf(error: unknown): RpcStatus {
  const metadata = new Metadata();
  if (!(error instanceof LogtierError)) {
    return { code: Status.UNKNOWN, details: 'internal error', metadata };
  }
  metadata.set(CODE_KEY, error.code);
  const hint = Buffer.from(error.hint ?? '').subarray(0, MAX_HINT_BYTES);
  if (hint.length > 0) metadata.set(HINT_KEY, hint);
  const details = Buffer.from(printDetails(error.details));
  if (details.length <= MAX_DETAILS_BYTES) metadata.set(DETAILS_KEY, details);
  const code = STATUS_OF[error.code] ?? STATUS_OF_REACTION[errorCodes[error.code].reaction];
  return { code, details: error.message, metadata };
}

/** `unavailableAs`: what it means to this caller that the peer did not answer. */
export function errorOf(error: ServiceError, unavailableAs: ErrorCode): LogtierError {
  const metadata: Metadata | undefined = error.metadata;
  const named = firstText(metadata, CODE_KEY);
  if (named === undefined || !isErrorCode(named)) {
    return new LogtierError(codeOf(error.code, unavailableAs), error.details, { cause: error });
  }
  const hint = firstText(metadata, HINT_KEY);
  const details = parseDetails(firstText(metadata, DETAILS_KEY) ?? '{}');
  const context = { details, cause: error };
  return new LogtierError(
    named,
    error.details,
    hint === undefined ? context : { ...context, hint },
  );
}

function codeOf(status: Status, unavailableAs: ErrorCode): ErrorCode {
  switch (status) {
    case Status.DEADLINE_EXCEEDED:
      return 'DEADLINE_EXCEEDED';
    case Status.CANCELLED:
      return 'ABORTED';
    case Status.INVALID_ARGUMENT:
    case Status.UNIMPLEMENTED:
      return 'INVALID_ARGUMENT';
    case Status.RESOURCE_EXHAUSTED:
      return 'OVERLOADED';
    default:
      return unavailableAs;
  }
}

function firstText(metadata: Metadata | undefined, key: string): string | undefined {
  const value = metadata?.get(key)[0];
  return value === undefined ? undefined : value.toString();
}

type DetailText = string | number | boolean | { readonly bigint: string };

/** JSON has no bigint: one becomes `{"bigint": "…"}`. */
function printDetails(details: ErrorDetails): string {
  return JSON.stringify(details, (_, value: unknown) =>
    typeof value === 'bigint' ? { bigint: String(value) } : value,
  );
}

function parseDetails(text: string): ErrorDetails {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) return {};
  const fields = Object.entries(parsed).flatMap(([name, value]: [string, unknown]) =>
    isDetail(value) ? [[name, plainDetail(value)] as const] : [],
  );
  return Object.fromEntries(fields);
}

function isDetail(value: unknown): value is DetailText {
  if (typeof value === 'object' && value !== null) {
    return 'bigint' in value && typeof value.bigint === 'string' && /^-?\d+$/.test(value.bigint);
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function plainDetail(value: DetailText): string | number | boolean | bigint {
  return typeof value === 'object' ? BigInt(value.bigint) : value;
}
