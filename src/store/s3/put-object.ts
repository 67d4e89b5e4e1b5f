// Bodies on their way up: one object in one put, or one part of an upload. The checksum header is part
// of the signature, so nobody on the way can change body and header together: a store that checks it
// has the bytes the source had, TLS or not (safety rule 9).
import type { ByteRange } from '../../base/byte-range.ts';
import { rangeBytes } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import type { ByteSource } from '../object-store.ts';
import type { Answer } from '../transfer/http-exchange.ts';
import { answerError } from './errors.ts';
import { printCrc32 } from './printed-crc.ts';
import type { S3Connection } from './s3-connection.ts';

export interface BodyPut {
  readonly key: string;
  readonly body: ByteSource;
  readonly range: ByteRange;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The bytes of `range`, or SOURCE_CHANGED when the source gives another number of them. */
async function* counted(put: BodyPut, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const expected = rangeBytes(put.range);
  let bytes = 0;
  for await (const piece of put.body.read(put.range, signal)) {
    bytes += piece.length;
    if (bytes > expected) break;
    yield piece;
  }
  if (bytes !== expected) {
    throw new LogtierError('SOURCE_CHANGED', `the source gave ${bytes} of ${expected} bytes`);
  }
}

/** Sends one body with its checksum; resolves with the headers of the server's consent. */
export async function putBody(
  connection: S3Connection,
  put: BodyPut,
  signal: AbortSignal,
): Promise<Answer['headers']> {
  const { key, query } = put;
  const headers = {
    'content-length': String(rangeBytes(put.range)),
    'content-type': 'application/octet-stream',
    'x-amz-checksum-crc32': printCrc32(put.body.crc32(put.range)),
    ...put.headers,
  };
  const body = counted(put, signal);
  const request = { method: 'PUT' as const, key, headers, body };
  const answer = await connection.data(
    query === undefined ? request : { ...request, query },
    signal,
  );
  if (answer.status !== 200) throw await answerError(answer, `putting ${key}`);
  await answer.text();
  return answer.headers;
}
