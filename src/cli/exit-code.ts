// What a command's end tells a script. The same numbers for every command; docs/cli.md prints them.
import { LogtierError, type ErrorCode } from '../base/errors.ts';

export const exitCodes = {
  ok: { code: 0, meaning: 'Done.' },
  failed: { code: 1, meaning: 'The command failed; the error line says why.' },
  usage: { code: 2, meaning: 'Wrong usage or wrong settings.' },
  findings: {
    code: 3,
    meaning: 'The command ran and found something wrong with the data or the set-up.',
  },
  unreachable: { code: 4, meaning: 'A sidecar, metastore, store or broker does not answer.' },
  denied: { code: 5, meaning: 'Credentials or permissions are refused.' },
  notFound: { code: 6, meaning: 'No such topic, partition, segment or object.' },
  deadline: { code: 7, meaning: 'No answer within the deadline.' },
  conflict: {
    code: 8,
    meaning: 'Something else holds it already: another process, a newer owner.',
  },
  interrupted: { code: 130, meaning: 'Ended by Ctrl-C.' },
} as const;

export type ExitName = keyof typeof exitCodes;

/** Codes that are missing here end in `failed`. */
const byError: Partial<Record<ErrorCode, ExitName>> = {
  INVALID_CONFIG: 'usage',
  INVALID_ARGUMENT: 'usage',
  NOT_FOUND: 'notFound',
  OBJECT_NOT_FOUND: 'notFound',
  OFFSET_OUT_OF_RANGE: 'notFound',
  STORE_UNAVAILABLE: 'unreachable',
  METASTORE_UNAVAILABLE: 'unreachable',
  BROKER_UNAVAILABLE: 'unreachable',
  NOT_LEADER: 'unreachable',
  NOT_READY: 'unreachable',
  STORE_DENIED: 'denied',
  BROKER_DENIED: 'denied',
  METASTORE_DENIED: 'denied',
  DEADLINE_EXCEEDED: 'deadline',
  OUTCOME_UNKNOWN: 'deadline',
  ALREADY_RUNNING: 'conflict',
  FENCED_INSTANCE: 'conflict',
  FENCED_LEADER_EPOCH: 'conflict',
  MODE_CONFLICT: 'conflict',
  WRONG_CLUSTER: 'conflict',
  WRONG_DIRECTORY: 'conflict',
  MEMBER_REMOVED: 'conflict',
  OBJECT_CORRUPT: 'findings',
  ABORTED: 'interrupted',
};

export function exitCodeOf(error: unknown): number {
  const name = error instanceof LogtierError ? (byError[error.code] ?? 'failed') : 'failed';
  return exitCodes[name].code;
}
