// An object above one part: create, record the upload id, send parts in parallel, complete.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
} from '@aws-sdk/client-s3';
import type { CompletedPart } from '@aws-sdk/client-s3';
import type { ByteRange } from '../../base/byte-range.ts';
import { splitRange } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import { CHUNK_BYTES } from '../object-store.ts';
import type { ByteSource, PutObserver } from '../object-store.ts';
import { linkedAbort } from '../transfer/linked-abort.ts';
import type { S3Capabilities } from './capabilities.ts';
import { s3CodeOf } from './errors.ts';
import { printCrc32 } from './printed-crc.ts';
import { putBody } from './put-object.ts';
import type { S3Connection } from './s3-connection.ts';

/** S3's limit for one upload. */
const MOST_PARTS = 10_000;

/** Equal parts on chunk borders; larger than asked when there would be too many. */
export function planParts(sizeBytes: number, partBytes: number): ByteRange[] {
  const least = Math.ceil(sizeBytes / MOST_PARTS / CHUNK_BYTES) * CHUNK_BYTES;
  return splitRange({ start: 0, end: sizeBytes }, Math.max(partBytes, least));
}

export interface MultipartPut {
  readonly key: string;
  readonly body: ByteSource;
  readonly observer: PutObserver;
  readonly capabilities: S3Capabilities;
  /** Throws once the put is too old to make another call (safety rule 24). */
  readonly requireInTime: () => void;
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

async function create(
  connection: S3Connection,
  { key, capabilities }: MultipartPut,
  signal: AbortSignal,
): Promise<Upload> {
  const target = { Bucket: connection.bucket, Key: connection.fullKey(key) };
  const checksum = capabilities.checksCrc32
    ? ({ ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' } as const)
    : {};
  const command = new CreateMultipartUploadCommand({
    ...target,
    ...checksum,
    ContentType: 'application/octet-stream',
  });
  const { UploadId } = await connection.control(
    (client, options) => client.send(command, options),
    `creating an upload of ${key}`,
    signal,
  );
  if (UploadId === undefined) {
    throw new LogtierError('STORE_REFUSED', `creating an upload of ${key}: no id was given`);
  }
  return { ...target, UploadId };
}

async function sendPart(
  connection: S3Connection,
  put: MultipartPut,
  part: { readonly range: ByteRange; readonly number: number; readonly uploadId: string },
  signal: AbortSignal,
): Promise<CompletedPart> {
  put.requireInTime();
  const { key, body } = put;
  const query = { partNumber: String(part.number), uploadId: part.uploadId };
  const { etag } = await putBody(connection, { key, body, range: part.range, query }, signal);
  const checksum = { ChecksumCRC32: printCrc32(body.crc32(part.range)) };
  return {
    PartNumber: part.number,
    ETag: etag,
    ...(put.capabilities.checksCrc32 ? checksum : {}),
  };
}

/** Sends all parts, some at once. The first failure stops the others, and is the one told. */
async function sendParts(
  connection: S3Connection,
  put: MultipartPut,
  uploadId: string,
  signal: AbortSignal,
): Promise<CompletedPart[]> {
  const ranges = planParts(put.body.sizeBytes, connection.settings.partBytes);
  const waiting = ranges.entries();
  const done: CompletedPart[] = [];
  const link = linkedAbort(signal);
  const worker = async (): Promise<void> => {
    try {
      for (const [index, range] of waiting) {
        const part = { range, number: index + 1, uploadId };
        done[index] = await sendPart(connection, put, part, link.signal);
      }
    } catch (error) {
      link.abort(error);
      throw error;
    }
  };
  const width = Math.min(connection.settings.partsInFlight, ranges.length);
  const workers = Array.from({ length: width }, worker);
  const all = Promise.all(workers);
  all.catch(() => undefined); // awaited below, once no worker sends any more
  await Promise.allSettled(workers);
  link.unlink();
  await all;
  return done;
}

async function complete(
  connection: S3Connection,
  put: MultipartPut,
  upload: Upload & { readonly parts: CompletedPart[] },
  signal: AbortSignal,
): Promise<void> {
  put.requireInTime();
  const { key, body, capabilities } = put;
  const { parts, ...target } = upload;
  const whole = { start: 0, end: body.sizeBytes };
  const checksum = {
    ChecksumCRC32: printCrc32(body.crc32(whole)),
    ChecksumType: 'FULL_OBJECT',
  } as const;
  const command = new CompleteMultipartUploadCommand({
    ...target,
    MultipartUpload: { Parts: parts },
    ...(capabilities.checksCrc32 ? checksum : {}),
    ...(capabilities.conditionalComplete ? { IfNoneMatch: '*' } : {}),
  });
  await connection.control(
    (client, options) => client.send(command, options),
    `completing the upload of ${key}`,
    signal,
  );
}

/** Codes by which servers say that there is no such upload; radosgw says NoSuchKey. */
const NO_SUCH_UPLOAD = new Set(['NoSuchUpload', 'NoSuchKey', 'NotFound']);

export async function abortUpload(
  connection: S3Connection,
  key: string,
  uploadId: string,
  signal: AbortSignal,
): Promise<void> {
  const command = new AbortMultipartUploadCommand({
    Bucket: connection.bucket,
    Key: connection.fullKey(key),
    UploadId: uploadId,
  });
  try {
    await connection.control(
      (client, options) => client.send(command, options),
      `aborting upload ${uploadId} of ${key}`,
      signal,
    );
  } catch (error) {
    if (!NO_SUCH_UPLOAD.has(s3CodeOf(error))) throw error;
  }
}

/**
 * Rejects with OBJECT_EXISTS when the store refuses to replace. A failed upload is aborted at once, so
 * that repeated puts do not pile up parts; a cancelled one is left to `abandon`.
 */
export async function putMultipart(
  connection: S3Connection,
  put: MultipartPut,
  signal: AbortSignal,
): Promise<void> {
  const upload = await create(connection, put, signal);
  try {
    await put.observer.uploadStarted(upload.UploadId);
    const parts = await sendParts(connection, put, upload.UploadId, signal);
    await complete(connection, put, { ...upload, parts }, signal);
  } catch (error) {
    if (!signal.aborted) {
      await abortUpload(connection, put.key, upload.UploadId, signal).catch(() => undefined);
    }
    throw error;
  }
}
