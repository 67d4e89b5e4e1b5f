// Objects as plain files under one directory: for a mounted file system, tests and the first try.
import * as path from 'node:path';
import type { ByteRange } from '../../base/byte-range.ts';
import { LogtierError, hasCode } from '../../base/errors.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import type { Disk } from '../../platform/disk.ts';
import { errnoOf } from '../../platform/disk.ts';
import type { Random } from '../../platform/random.ts';
import { bytesSource } from '../byte-source.ts';
import { requireSameContent } from '../compare-existing.ts';
import { PROBE_PREFIX, requireKey, UPLOADING_DIRECTORY } from '../object-key.ts';
import { nobody } from '../object-store.ts';
import type {
  ByteSource,
  ObjectStore,
  PutObserver,
  RefusedDelete,
  StoredObject,
  StoreProbe,
} from '../object-store.ts';
import { isMissing, readError, writeError } from './errors.ts';
import { listFiles } from './list-files.ts';
import { publish, writeTemporary } from './publish-file.ts';
import { readPieces } from './read-file.ts';

export interface FilesystemDeps {
  readonly disk: Disk;
  readonly random: Random;
}

const UPLOAD_ID = /^[0-9a-f]{32}$/;

/**
 * `directory` must exist and be ours alone. A put links a synced temporary file to its name, so an
 * existing key is never replaced, by whatever race. The `crc32` of a put is that of the bytes read back from the
 * file as it was written.
 */
export class FilesystemStore implements ObjectStore {
  private readonly disk: Disk;
  private readonly random: Random;
  private readonly root: string;

  constructor(deps: FilesystemDeps, settings: { readonly directory: string }) {
    this.disk = deps.disk;
    this.random = deps.random;
    this.root = path.resolve(settings.directory);
  }

  async put(
    key: string,
    body: ByteSource,
    observer: PutObserver,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    requireKey(key);
    throwIfAborted(signal);
    const uploadId = Buffer.from(this.random.bytes(16)).toString('hex');
    const temporary = this.temporaryOf(uploadId);
    await observer.uploadStarted(uploadId);
    try {
      await this.disk.stat(this.root); // never made here: a missing root is a missing mount
      await this.disk.makeDirectory(path.join(this.root, UPLOADING_DIRECTORY));
      const crc = await writeTemporary(this.disk, temporary, body, signal);
      throwIfAborted(signal);
      const files = { root: this.root, temporary, file: this.fileOf(key) };
      const isNew = await publish(this.disk, files, signal);
      if (!isNew) return await this.requireSame(key, body, signal);
      return { ...(await this.stat(key, signal)), crc32: crc };
    } catch (error) {
      throw writeError(error, `putting ${key}`);
    } finally {
      await this.removeQuietly(temporary);
    }
  }

  async *get(key: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    requireKey(key);
    throwIfAborted(signal);
    const file = await this.disk.open(this.fileOf(key), 'read').catch((error: unknown) => {
      throw readError(error, `opening ${key}`);
    });
    try {
      const { kind, sizeBytes } = await file.stat();
      if (kind !== 'file') throw new LogtierError('OBJECT_NOT_FOUND', `${key} is a directory`);
      if (range.end > sizeBytes) {
        throw new LogtierError('STORE_REFUSED', `${key} ends at ${sizeBytes}, not ${range.end}`);
      }
      yield* readPieces(file, range, signal);
    } catch (error) {
      throw writeError(error, `reading ${key}`);
    } finally {
      await file.close();
    }
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject> {
    requireKey(key);
    throwIfAborted(signal);
    try {
      const { kind, sizeBytes, modifiedMs } = await this.disk.stat(this.fileOf(key));
      if (kind !== 'file') throw new LogtierError('OBJECT_NOT_FOUND', `${key} is a directory`);
      return { key, sizeBytes, modifiedMs };
    } catch (error) {
      throw readError(error, `asking for ${key}`);
    }
  }

  async *list(prefix: string, after: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    try {
      for await (const object of listFiles(this.disk, this.root, { prefix, after })) {
        throwIfAborted(signal);
        yield object;
      }
    } catch (error) {
      throw writeError(error, `listing ${prefix}`);
    }
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<RefusedDelete[]> {
    const refused: RefusedDelete[] = [];
    for (const key of keys) {
      requireKey(key);
      throwIfAborted(signal);
      const reason = await this.deleteOne(key);
      if (reason !== undefined) refused.push({ key, reason });
    }
    return refused;
  }

  async abandon(_key: string, uploadIds: readonly string[], signal: AbortSignal): Promise<void> {
    for (const uploadId of uploadIds.filter((id) => UPLOAD_ID.test(id))) {
      throwIfAborted(signal);
      try {
        await this.disk.unlink(this.temporaryOf(uploadId));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw writeError(error, `abandoning ${uploadId}`);
      }
    }
  }

  async wallClockMs(signal: AbortSignal): Promise<number> {
    const key = this.probeKey();
    const stored = await this.put(key, bytesSource(Buffer.from('clock')), nobody, signal);
    await this.delete([key], signal);
    return stored.modifiedMs;
  }

  /** Links twice under one name: the second must be refused, else nothing here is safe. */
  async probe(signal: AbortSignal): Promise<StoreProbe> {
    const key = this.probeKey();
    await this.put(key, bytesSource(Buffer.from('first')), nobody, signal);
    try {
      await this.put(key, bytesSource(Buffer.from('other')), nobody, signal);
      throw new LogtierError('STORE_REFUSED', `${this.root} replaces files that exist`);
    } catch (error) {
      if (!hasCode(error, 'OBJECT_EXISTS')) throw error;
    } finally {
      await this.delete([key], signal);
    }
    return {
      findings: [
        'publish without replacing: works',
        'checksum: of the bytes read back as they are written',
      ],
    };
  }

  /** The name was taken a moment ago; it may be gone again, or be a directory. */
  private async requireSame(
    key: string,
    body: ByteSource,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    const { kind, sizeBytes, modifiedMs } = await this.disk.stat(this.fileOf(key));
    if (kind !== 'file') throw new LogtierError('STORE_REFUSED', `${key} is a directory`);
    const existing = { key, sizeBytes, modifiedMs };
    await requireSameContent(this, existing, body, signal);
    return { ...existing, crc32: body.crc32({ start: 0, end: body.sizeBytes }) };
  }

  private probeKey(): string {
    return `${PROBE_PREFIX}${Buffer.from(this.random.bytes(8)).toString('hex')}`;
  }

  private fileOf(key: string): string {
    return path.join(this.root, key);
  }

  private temporaryOf(uploadId: string): string {
    return path.join(this.root, UPLOADING_DIRECTORY, uploadId);
  }

  /** Durable: the directory that loses the name is synced. Answers why it was refused. */
  private async deleteOne(key: string): Promise<string | undefined> {
    const file = this.fileOf(key);
    try {
      await this.disk.unlink(file);
      await this.disk.syncDirectory(path.dirname(file));
    } catch (error) {
      if (isMissing(error)) return undefined;
      return writeError(error, `deleting ${key}`).message;
    }
    await this.removeEmptyParents(path.dirname(file));
    return undefined;
  }

  /** Best effort: rmdir(2) refuses a directory that is not empty, or that got a file meanwhile. */
  private async removeEmptyParents(from: string): Promise<void> {
    for (let directory = from; directory !== this.root; directory = path.dirname(directory)) {
      try {
        await this.disk.removeDirectory(directory);
      } catch {
        return;
      }
    }
  }

  private async removeQuietly(file: string): Promise<void> {
    try {
      await this.disk.unlink(file);
    } catch {
      // Gone already, or it stays for `abandon`: its name was told to the observer.
    }
  }
}
