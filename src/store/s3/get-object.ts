// A ranged get: exactly the bytes asked for, or an error; never a quietly shorter stream.
import type { ByteRange } from '../../base/byte-range.ts';
import { rangeBytes } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import type { RangeAnswer } from '../transfer/socket-get.ts';
import { answerError } from './errors.ts';
import type { S3Connection } from './s3-connection.ts';

interface RangeSent {
  readonly contentRange: string;
  readonly contentBytes: number;
}

/** A server may cut a range at the object's end. */
function isExactly({ contentRange, contentBytes }: RangeSent, range: ByteRange): boolean {
  const asked = `bytes ${range.start}-${range.end - 1}/`;
  return contentRange.startsWith(asked) && contentBytes === rangeBytes(range);
}

/** The answer of the fast way, or of node:http, which also tells what is wrong. */
async function openRange(
  connection: S3Connection,
  key: string,
  headers: { readonly range: string },
  signal: AbortSignal,
): Promise<RangeAnswer> {
  const request = { method: 'GET' as const, key, headers };
  const fast = await connection.getRange(request, signal);
  if (fast !== undefined) return fast;
  const answer = await connection.data(request, signal);
  if (answer.status > 299) throw await answerError(answer, `getting ${key}`);
  const { 'content-range': contentRange = `status ${answer.status}` } = answer.headers;
  const contentBytes = Number(answer.headers['content-length'] ?? Number.NaN);
  return { contentRange, contentBytes, body: answer.body, drop: answer.drop };
}

/** `range` is not empty. */
export async function* getObject(
  connection: S3Connection,
  key: string,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const headers = { range: `bytes=${range.start}-${range.end - 1}` };
  const answer = await openRange(connection, key, headers, signal);
  if (!isExactly(answer, range)) {
    answer.drop();
    const { contentRange } = answer;
    throw new LogtierError(
      'STORE_REFUSED',
      `getting ${key}: asked ${headers.range}, got ${contentRange}`,
    );
  }
  let bytes = 0;
  for await (const piece of answer.body()) {
    bytes += piece.length;
    yield piece;
  }
  if (bytes !== rangeBytes(range)) {
    throw new LogtierError('STORE_UNAVAILABLE', `${key} ended after ${bytes} bytes of a range`);
  }
}
