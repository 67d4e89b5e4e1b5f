// Objects as files of an HDFS cluster, by WebHDFS.
//
// Stated limits: an acknowledged block is in the memory of `minReplicas` DataNodes, not on their disks: all of
// them losing power at once loses it. No checksum of the whole object is given: whoever needs proof reads
// back. Simple authentication only. HttpFS is refused by the probe where it ignores `renameoptions`.
import { rangeBytes } from '../../base/byte-range.ts';
import type { ByteRange } from '../../base/byte-range.ts';
import { crc32 } from '../../base/checksum.ts';
import { LogtierError, hasCode } from '../../base/errors.ts';
import { throwIfAborted } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import { requireSameContent } from '../compare-existing.ts';
import { requireKey, UPLOADING_DIRECTORY } from '../object-key.ts';
import type {
  ByteSource,
  ObjectStore,
  PutObserver,
  RefusedDelete,
  StoredObject,
  StoreProbe,
} from '../object-store.ts';
import { keyOfPath, pathOfKey } from './file-name.ts';
import { listTree, statusIfThere } from './list-tree.ts';
import { probeHdfs } from './probe.ts';
import { publish, writeTemporary } from './publish-file.ts';
import type { HdfsStoreSettings } from './settings.ts';
import { WebhdfsClient } from './webhdfs-client.ts';
import type { WebhdfsDeps } from './webhdfs-client.ts';
import type { FileStatus } from './webhdfs-answers.ts';
import { exceptionOf } from './webhdfs-errors.ts';

export interface HdfsStoreDeps extends WebhdfsDeps {
  readonly random: Random;
}

/** For `reachDataNode`: DataNodes are reached at the addresses that the NameNode tells. */
export function asNamed(dataNode: URL): URL {
  return dataNode;
}

/** The first call opens the first connection. */
export function openHdfsStore(deps: HdfsStoreDeps, settings: HdfsStoreSettings): ObjectStore {
  return new HdfsStore(deps, settings);
}

const DELETES_IN_FLIGHT = 8;

/** Bound of the clean-up after a failed put; what it leaves, `abandon` finds by the observer's record. */
const CLEAN_UP_MS = 5_000;

class HdfsStore implements ObjectStore {
  private readonly deps: HdfsStoreDeps;
  private readonly settings: HdfsStoreSettings;
  private readonly client: WebhdfsClient;
  private hasUploadingDirectory = false;

  constructor(deps: HdfsStoreDeps, settings: HdfsStoreSettings) {
    this.deps = deps;
    this.settings = settings;
    this.client = new WebhdfsClient(deps, settings);
  }

  async put(
    key: string,
    body: ByteSource,
    observer: PutObserver,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    requireKey(key);
    throwIfAborted(signal);
    const existing = await this.statIfThere(key, signal);
    if (existing !== undefined) return this.sameContent(existing, body, signal);
    const uploadId = this.freshUploadId(key);
    await observer.uploadStarted(uploadId);
    const temporary = this.temporaryOf(uploadId);
    try {
      return await this.upload({ key, temporary, body }, signal);
    } catch (error) {
      await this.removeQuietly(temporary, signal);
      throw error;
    }
  }

  async *get(key: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    requireKey(key);
    throwIfAborted(signal);
    if (rangeBytes(range) > 0) {
      yield* this.client.open(this.fileOf(key), range, signal);
      return;
    }
    const { sizeBytes } = await this.stat(key, signal);
    if (range.end > sizeBytes) {
      throw new LogtierError('STORE_REFUSED', `${key} ends at ${sizeBytes}, not ${range.end}`);
    }
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject> {
    const found = await this.statIfThere(key, signal);
    if (found === undefined) throw new LogtierError('OBJECT_NOT_FOUND', `no file of ${key}`);
    return found;
  }

  async *list(prefix: string, after: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    const bounds = {
      prefix: pathOfKey(prefix),
      after: pathOfKey(after),
      hidden: UPLOADING_DIRECTORY,
    };
    const tree = { client: this.client, root: this.settings.directory, bounds };
    for await (const { path, status } of listTree(tree, signal)) {
      throwIfAborted(signal);
      const key = keyOfPath(path);
      if (key !== undefined) yield objectOf(key, status);
    }
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<RefusedDelete[]> {
    keys.forEach(requireKey);
    const refused: RefusedDelete[] = [];
    for (let start = 0; start < keys.length; start += DELETES_IN_FLIGHT) {
      const some = keys.slice(start, start + DELETES_IN_FLIGHT);
      const answers = await Promise.all(some.map((key) => this.deleteOne(key, signal)));
      refused.push(...answers.filter((answer) => answer !== undefined));
    }
    return refused;
  }

  async abandon(key: string, uploadIds: readonly string[], signal: AbortSignal): Promise<void> {
    const own = uploadIds.filter((id) => isUploadIdOf(key, id));
    for (const uploadId of own) await this.client.remove(this.temporaryOf(uploadId), signal);
  }

  wallClockMs(signal: AbortSignal): Promise<number> {
    return this.client.wallClockMs(signal);
  }

  probe(signal: AbortSignal): Promise<StoreProbe> {
    return probeHdfs({ ...this.deps, client: this.client }, this.settings, signal);
  }

  private async upload(
    input: { readonly key: string; readonly temporary: string; readonly body: ByteSource },
    signal: AbortSignal,
  ): Promise<StoredObject> {
    const { key, temporary, body } = input;
    const deps = { clock: this.deps.clock, client: this.client };
    await this.makeUploadingDirectory(signal);
    const status = await writeTemporary(deps, this.settings, { temporary, body }, signal);
    const outcome = await publish(deps, { temporary, file: this.fileOf(key) }, signal);
    if (outcome === 'new') return objectOf(key, status);
    const stored = await this.sameContent(await this.stat(key, signal), body, signal);
    await this.removeQuietly(temporary, signal);
    return stored;
  }

  /** Once: should it vanish, a CREATE makes it anew, only with HDFS's own permissions. */
  private async makeUploadingDirectory(signal: AbortSignal): Promise<void> {
    if (this.hasUploadingDirectory) return;
    const path = `${this.settings.directory}/${UPLOADING_DIRECTORY}`;
    await this.client.makeDirectories(path, signal);
    this.hasUploadingDirectory = true;
  }

  private async sameContent(
    existing: StoredObject,
    body: ByteSource,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    await requireSameContent(this, existing, body, signal);
    return existing;
  }

  private async statIfThere(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    requireKey(key);
    throwIfAborted(signal);
    const status = await statusIfThere(this.client, this.fileOf(key), signal);
    return status?.type === 'FILE' ? objectOf(key, status) : undefined;
  }

  private fileOf(key: string): string {
    return `${this.settings.directory}/${pathOfKey(key)}`;
  }

  private temporaryOf(uploadId: string): string {
    return `${this.settings.directory}/${UPLOADING_DIRECTORY}/${uploadId}`;
  }

  /** Bound to the key, so that an id recorded for one key can never end an upload of another. */
  private freshUploadId(key: string): string {
    return `${keyMark(key)}-${Buffer.from(this.deps.random.bytes(16)).toString('hex')}`;
  }

  private async deleteOne(key: string, signal: AbortSignal): Promise<RefusedDelete | undefined> {
    const file = this.fileOf(key);
    try {
      if (await this.client.remove(file, signal)) await this.removeEmptyParents(file, signal);
      return undefined;
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined;
      // Keys lie below it, so it is a directory: there is no object of this key.
      if (exceptionOf(error) === 'PathIsNotEmptyDirectoryException') return undefined;
      if (!hasCode(error, 'STORE_DENIED', 'STORE_REFUSED')) throw error;
      return { key, reason: error.message };
    }
  }

  /** Best effort: HDFS refuses to remove a directory that holds something. Only of a file that was there. */
  private async removeEmptyParents(file: string, signal: AbortSignal): Promise<void> {
    const { directory } = this.settings;
    for (let path = parentOf(file); path !== directory; path = parentOf(path)) {
      try {
        if (!(await this.client.remove(path, signal))) return;
      } catch {
        return;
      }
    }
  }

  private async removeQuietly(temporary: string, signal: AbortSignal): Promise<void> {
    const deadline = this.deps.clock.deadline(CLEAN_UP_MS, signal);
    try {
      await this.client.remove(temporary, deadline.signal);
    } catch {
      // It stays for `abandon`: its name was told to the observer.
    } finally {
      deadline.clear();
    }
  }
}

function objectOf(key: string, status: FileStatus): StoredObject {
  return { key, sizeBytes: status.sizeBytes, modifiedMs: status.modifiedMs };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function keyMark(key: string): string {
  return crc32(Buffer.from(key)).toString(16).padStart(8, '0');
}

const UPLOAD_ID = /^[0-9a-f]{8}-[0-9a-f]{32}$/;

function isUploadIdOf(key: string, uploadId: string): boolean {
  return UPLOAD_ID.test(uploadId) && uploadId.startsWith(`${keyMark(key)}-`);
}
