// The unfinished uploads of one key, as the store knows them: those too that nobody had time to record.
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import { LogtierError } from '../../base/errors.ts';
import type { S3Connection } from './s3-connection.ts';

/** Of up to 1,000 uploads. A put leaves one at most: more pages than this mean a store that repeats itself. */
const MOST_PAGES = 100;

/**
 * Upload ids of exactly `key`: the prefix of the request also matches longer keys, which come after it.
 * Not every store shows them all (MinIO answers nothing for a part of a key), so an id that was recorded
 * is ended by its record.
 */
export async function uploadsOf(
  connection: S3Connection,
  key: string,
  signal: AbortSignal,
): Promise<string[]> {
  const fullKey = connection.fullKey(key);
  const found: string[] = [];
  let after: UploadMarkers = {};
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const page = await uploadsPage(connection, key, after, signal);
    const uploads = page.Uploads ?? [];
    for (const { Key, UploadId } of uploads) {
      if (Key === fullKey && UploadId !== undefined) found.push(UploadId);
    }
    const last = uploads.at(-1);
    if (page.IsTruncated !== true || last?.Key !== fullKey) return found;
    after = { KeyMarker: fullKey, UploadIdMarker: last.UploadId ?? '' };
  }
  throw new LogtierError('STORE_REFUSED', `listing the uploads of ${key} came to no end`);
}

interface UploadMarkers {
  readonly KeyMarker?: string;
  readonly UploadIdMarker?: string;
}

function uploadsPage(
  connection: S3Connection,
  key: string,
  after: UploadMarkers,
  signal: AbortSignal,
): Promise<ListMultipartUploadsCommandOutput> {
  const command = new ListMultipartUploadsCommand({
    Bucket: connection.bucket,
    Prefix: connection.fullKey(key),
    ...after,
  });
  return connection.control(
    (client, options) => client.send(command, options),
    `listing the uploads of ${key}`,
    signal,
  );
}
