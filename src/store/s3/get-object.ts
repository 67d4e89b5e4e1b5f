// A ranged get: exactly the bytes asked for, or an error; never a quietly shorter stream.
import type { ByteRange } from '../../base/byte-range.ts';
import { rangeBytes } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import type { Answer } from '../transfer/http-exchange.ts';
import { answerError } from './errors.ts';
import type { S3Connection } from './s3-connection.ts';

/** Bytes the answer says it has of `range`; a server may cut a range at the object's end. */
function isExactly(answer: Answer, range: ByteRange): boolean {
  const asked = `bytes ${range.start}-${range.end - 1}/`;
  return (
    answer.status === 206 &&
    (answer.headers['content-range'] ?? '').startsWith(asked) &&
    answer.headers['content-length'] === String(rangeBytes(range))
  );
}

/** `range` is not empty. */
export async function* getObject(
  connection: S3Connection,
  key: string,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const headers = { range: `bytes=${range.start}-${range.end - 1}` };
  const answer = await connection.data({ method: 'GET', key, headers }, signal);
  if (answer.status > 299) throw await answerError(answer, `getting ${key}`);
  if (!isExactly(answer, range)) {
    answer.drop();
    const found = answer.headers['content-range'] ?? `status ${answer.status}`;
    throw new LogtierError('STORE_REFUSED', `getting ${key}: asked ${headers.range}, got ${found}`);
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
