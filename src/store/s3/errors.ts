// What a refusal of an S3 server means to us, by its code first and its status second.
import { LogtierError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { abortError } from '../../platform/clock.ts';
import type { Answer } from '../transfer/http-exchange.ts';

export interface Refusal {
  /** HTTP status; undefined when nothing was answered. */
  readonly status: number | undefined;
  /** `NoSuchKey`; servers differ, radosgw and HEAD give none. */
  readonly code: string;
  readonly message: string;
}

const byCode: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'OBJECT_NOT_FOUND',
  NoSuchBucket: 'STORE_REFUSED',
  NoSuchUpload: 'STORE_REFUSED',
  PreconditionFailed: 'OBJECT_EXISTS',
  ConditionalRequestConflict: 'STORE_UNAVAILABLE',
  OperationAborted: 'STORE_UNAVAILABLE',
  SlowDown: 'STORE_UNAVAILABLE',
  RequestTimeout: 'STORE_UNAVAILABLE',
  RequestTimeTooSkewed: 'STORE_DENIED',
  ExpiredToken: 'STORE_DENIED',
  InvalidToken: 'STORE_DENIED',
  // The body was damaged or cut on the way: nothing was stored, a repeated put helps.
  BadDigest: 'STORE_UNAVAILABLE',
  XAmzContentChecksumMismatch: 'STORE_UNAVAILABLE',
  IncompleteBody: 'STORE_UNAVAILABLE',
};

function byStatus(status: number | undefined): ErrorCode {
  if (status === undefined) return 'STORE_UNAVAILABLE';
  if (status === 404) return 'OBJECT_NOT_FOUND';
  if (status === 412) return 'OBJECT_EXISTS';
  if (status === 401 || status === 403) return 'STORE_DENIED';
  if (status === 408 || status === 429) return 'STORE_UNAVAILABLE';
  if (status >= 500 && status !== 501) return 'STORE_UNAVAILABLE';
  return 'STORE_REFUSED';
}

const hints: Readonly<Record<string, string>> = {
  RequestTimeTooSkewed: 'Set this host’s clock: the store refuses requests signed minutes off.',
  NoSuchBucket: 'Create the bucket, or correct `bucket` in the settings.',
};

export function refusalError(refusal: Refusal, doing: string): LogtierError {
  const { status, code, message } = refusal;
  const hint = hints[code];
  const what = [status ?? 'no answer', code, message].filter((part) => part !== '').join(' ');
  return new LogtierError(byCode[code] ?? byStatus(status), `${doing}: ${what}`, {
    details: { ...(status === undefined ? {} : { status }), ...(code === '' ? {} : { s3: code }) },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The S3 code inside an error of ours, or ''. */
export function s3CodeOf(error: unknown): string {
  const code = error instanceof LogtierError ? error.details['s3'] : undefined;
  return typeof code === 'string' ? code : '';
}

function numberAt(holder: unknown, name: string): number | undefined {
  if (typeof holder !== 'object' || holder === null) return undefined;
  const value: unknown = Reflect.get(holder, name);
  return typeof value === 'number' ? value : undefined;
}

/** An error of the SDK as ours. Anything without a status broke on the way. */
export function sdkError(error: unknown, doing: string, signal: AbortSignal): LogtierError {
  if (signal.aborted) return abortError(signal);
  if (error instanceof LogtierError) return error;
  if (!(error instanceof Error))
    return refusalError({ status: undefined, code: '', message: String(error) }, doing);
  const status = '$metadata' in error ? numberAt(error.$metadata, 'httpStatusCode') : undefined;
  const isCredentials = error.name === 'CredentialsProviderError';
  if (isCredentials)
    return new LogtierError('STORE_DENIED', `${doing}: ${error.message}`, { cause: error });
  return refusalError({ status, code: error.name, message: error.message }, doing);
}

function element(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? '';
}

/** Reads the error document of a refused data request. */
export async function answerError(answer: Answer, doing: string): Promise<LogtierError> {
  const xml = await answer.text();
  return refusalError(
    { status: answer.status, code: element(xml, 'Code'), message: element(xml, 'Message') },
    doing,
  );
}
