// Objects in one bucket and prefix of S3 or a compatible store.
import { DeleteObjectsCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { HeadObjectCommandOutput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import type { ByteRange } from '../../base/byte-range.ts';
import { LogtierError, hasCode } from '../../base/errors.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import { requireSameContent } from '../compare-existing.ts';
import { compareKeys, PROBE_PREFIX, requireKey } from '../object-key.ts';
import type {
  ByteSource,
  ObjectStore,
  PutObserver,
  RefusedDelete,
  StoredObject,
  StoreProbe,
} from '../object-store.ts';
import type { S3Capabilities } from './capabilities.ts';
import { describeCapabilities, probeCapabilities } from './capabilities.ts';
import { getObject } from './get-object.ts';
import { uploadsOf } from './list-uploads.ts';
import { parseCrc32 } from './printed-crc.ts';
import { abortUpload, putMultipart } from './put-multipart.ts';
import type { MultipartPut } from './put-multipart.ts';
import { putBody } from './put-object.ts';
import type { S3ConnectionDeps } from './s3-connection.ts';
import { S3Connection } from './s3-connection.ts';
import type { S3StoreSettings } from './settings.ts';

/** S3's limit for one DeleteObjects; MinIO and radosgw refuse more. */
const DELETE_BATCH_KEYS = 1000;

/** A put above this size asks first whether the key is there, so as not to send the body in vain. */
const ASK_FIRST_BYTES = 2 ** 20;

export interface S3StoreDeps extends S3ConnectionDeps {
  readonly random: Random;
}

export class S3Store implements ObjectStore {
  private readonly connection: S3Connection;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly probing = new SingleFlight<S3Capabilities>();
  private capabilities: S3Capabilities | undefined;

  constructor(deps: S3StoreDeps, settings: S3StoreSettings) {
    this.connection = new S3Connection(deps, settings);
    this.random = deps.random;
    this.clock = deps.clock;
  }

  async put(
    key: string,
    body: ByteSource,
    observer: PutObserver,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    requireKey(key);
    const requireInTime = this.untilTooOld(key);
    const capabilities = await this.capable(signal);
    const put = { key, body, observer, capabilities, requireInTime };
    try {
      await this.send(put, signal);
    } catch (error) {
      return this.existingAfter(error, put, signal);
    }
    return this.requireStored(key, body, signal);
  }

  async *get(key: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    requireKey(key);
    if (range.start === range.end) await this.stat(key, signal);
    else yield* getObject(this.connection, key, range, signal);
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject> {
    requireKey(key);
    const command = new HeadObjectCommand({
      Bucket: this.connection.bucket,
      Key: this.connection.fullKey(key),
      ChecksumMode: 'ENABLED',
    });
    const head = await this.connection.control(
      (client, options) => client.send(command, options),
      `asking for ${key}`,
      signal,
    );
    return this.storedObject(key, head);
  }

  /** Each page starts after the last key seen, so a list needs no state in the store. */
  async *list(prefix: string, after: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    let last = after;
    for (let isMore = true; isMore;) {
      const page = await this.listPage(prefix, last, signal);
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const key = Key.slice(this.connection.settings.prefix.length);
        if (compareKeys(key, last) <= 0) {
          throw new LogtierError('STORE_REFUSED', `listing ${prefix}: ${key} is out of order`);
        }
        last = key;
        if (!key.endsWith('/')) {
          yield { key, sizeBytes: Size, modifiedMs: LastModified?.getTime() ?? 0 };
        }
      }
      isMore = page.IsTruncated === true && (page.Contents ?? []).length > 0;
    }
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<RefusedDelete[]> {
    for (const key of keys) requireKey(key);
    const refused: RefusedDelete[] = [];
    for (let at = 0; at < keys.length; at += DELETE_BATCH_KEYS) {
      refused.push(...(await this.deleteBatch(keys.slice(at, at + DELETE_BATCH_KEYS), signal)));
    }
    return refused;
  }

  async abandon(key: string, uploadIds: readonly string[], signal: AbortSignal): Promise<void> {
    requireKey(key);
    const ids = new Set([...uploadIds, ...(await this.unnamedUploads(key, signal))]);
    for (const uploadId of ids) await abortUpload(this.connection, key, uploadId, signal);
  }

  /** Asks for what is not there: any answer carries the store's Date. */
  async wallClockMs(signal: AbortSignal): Promise<number> {
    const answer = await this.connection.data(
      { method: 'HEAD', key: `${PROBE_PREFIX}clock` },
      signal,
    );
    await answer.text();
    const dateMs = Date.parse(answer.headers.date ?? '');
    if (answer.status >= 500 || Number.isNaN(dateMs)) {
      throw new LogtierError('STORE_UNAVAILABLE', `no Date in an answer of ${answer.status}`);
    }
    return dateMs;
  }

  async probe(signal: AbortSignal): Promise<StoreProbe> {
    this.capabilities = undefined;
    return { findings: describeCapabilities(await this.capable(signal)) };
  }

  /** Closes idle connections; calls in flight fail. */
  stop(): void {
    this.connection.stop();
  }

  /** Found out once, by the first put; who joins a probe that its starter cancelled starts another. */
  private async capable(signal: AbortSignal): Promise<S3Capabilities> {
    while (this.capabilities === undefined) {
      try {
        this.capabilities = await this.probing.run('probe', () =>
          probeCapabilities(this.connection, this.random, signal),
        );
      } catch (error) {
        if (signal.aborted || !hasCode(error, 'ABORTED')) throw error;
      }
    }
    return this.capabilities;
  }

  /** DEADLINE_EXCEEDED once the put is too old: the eraser takes a late writer for dead. */
  private untilTooOld(key: string): () => void {
    const startedMs = this.clock.uptimeMs();
    const { longestPutMs } = this.connection.settings;
    return () => {
      if (this.clock.uptimeMs() - startedMs <= longestPutMs) return;
      throw new LogtierError('DEADLINE_EXCEEDED', `putting ${key} took over ${longestPutMs} ms`);
    };
  }

  /** Asks first where the body is large enough to be worth it, or where the store would replace. */
  private async send(put: MultipartPut, signal: AbortSignal): Promise<void> {
    const { key, body, capabilities } = put;
    const isMultipart = body.sizeBytes > this.connection.settings.partBytes;
    const isGuarded = isMultipart ? capabilities.conditionalComplete : capabilities.conditionalPut;
    if (!isGuarded || body.sizeBytes > ASK_FIRST_BYTES) await this.requireAbsent(key, signal);
    if (isMultipart) {
      await putMultipart(this.connection, put, signal);
      return;
    }
    put.requireInTime();
    const headers = capabilities.conditionalPut ? { 'if-none-match': '*' } : {};
    const range = { start: 0, end: body.sizeBytes };
    await putBody(this.connection, { key, body, range, headers }, signal);
  }

  /**
   * A put that failed may have met an object, or made one: a server that refuses in mid-body closes
   * the connection before its answer is read, and an answer may be lost.
   */
  private async existingAfter(
    failure: unknown,
    { key, body }: MultipartPut,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    if (!hasCode(failure, 'OBJECT_EXISTS', 'STORE_UNAVAILABLE')) throw failure;
    const existing = await this.statIfThere(key, signal);
    if (existing === undefined) throw failure;
    await requireSameContent(this, existing, body, signal);
    return existing;
  }

  /** For a put that failed already: a stat that fails too tells nothing new. */
  private async statIfThere(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      return await this.stat(key, signal);
    } catch {
      return undefined;
    }
  }

  private async requireAbsent(key: string, signal: AbortSignal): Promise<void> {
    try {
      await this.stat(key, signal);
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return;
      throw error;
    }
    throw new LogtierError('OBJECT_EXISTS', `${key} is there already`);
  }

  /** Looks at what was just stored: a store that took the put and shows something else is not trusted. */
  private async requireStored(
    key: string,
    body: ByteSource,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    const stored = await this.stat(key, signal);
    const crc32 = body.crc32({ start: 0, end: body.sizeBytes });
    const isSame =
      stored.sizeBytes === body.sizeBytes && (stored.crc32 === undefined || stored.crc32 === crc32);
    if (!isSame) {
      throw new LogtierError('OBJECT_CORRUPT', `${key} does not hold what was put`, {
        details: { storedBytes: stored.sizeBytes, sentBytes: body.sizeBytes },
      });
    }
    // Every byte was checked by the store against a header under the signature.
    return this.capabilities?.checksCrc32 === true ? { ...stored, crc32 } : stored;
  }

  private storedObject(key: string, head: HeadObjectCommandOutput): StoredObject {
    const stored = {
      key,
      sizeBytes: head.ContentLength ?? 0,
      modifiedMs: head.LastModified?.getTime() ?? 0,
    };
    const isProven = this.capabilities?.checksCrc32 === true && head.ChecksumType !== 'COMPOSITE';
    const crc32 = isProven ? parseCrc32(head.ChecksumCRC32 ?? '') : undefined;
    return crc32 === undefined ? stored : { ...stored, crc32 };
  }

  /** What is recorded is ended also where a store does not list: the unrecorded are empty (rule 24). */
  private async unnamedUploads(key: string, signal: AbortSignal): Promise<string[]> {
    try {
      return await uploadsOf(this.connection, key, signal);
    } catch (error) {
      if (hasCode(error, 'STORE_DENIED', 'STORE_REFUSED', 'OBJECT_NOT_FOUND')) return [];
      throw error;
    }
  }

  private listPage(
    prefix: string,
    after: string,
    signal: AbortSignal,
  ): Promise<ListObjectsV2CommandOutput> {
    const command = new ListObjectsV2Command({
      Bucket: this.connection.bucket,
      Prefix: this.connection.fullKey(prefix),
      ...(after === '' ? {} : { StartAfter: this.connection.fullKey(after) }),
    });
    return this.connection.control(
      (client, options) => client.send(command, options),
      `listing ${prefix}`,
      signal,
    );
  }

  private async deleteBatch(
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<RefusedDelete[]> {
    const Objects = keys.map((key) => ({ Key: this.connection.fullKey(key) }));
    const command = new DeleteObjectsCommand({
      Bucket: this.connection.bucket,
      Delete: { Objects, Quiet: true },
    });
    const { Errors = [] } = await this.connection.control(
      (client, options) => client.send(command, options),
      `deleting ${keys.length} objects`,
      signal,
    );
    return Errors.filter(({ Code }) => Code !== 'NoSuchKey').map(({ Key = '', Code, Message }) => ({
      key: Key.slice(this.connection.settings.prefix.length),
      reason: `${Code ?? 'refused'}: ${Message ?? ''}`,
    }));
  }
}
