// An object store in memory for tests and the simulator; obeys test/contract/object-store.ts.
import type { ByteRange } from '../../src/base/byte-range.ts';
import { splitRange } from '../../src/base/byte-range.ts';
import { crc32 } from '../../src/base/checksum.ts';
import { LogtierError } from '../../src/base/errors.ts';
import { throwIfAborted } from '../../src/platform/clock.ts';
import { requireSameContent } from '../../src/store/compare-existing.ts';
import { compareKeys, requireKey } from '../../src/store/object-key.ts';
import { STREAM_CHUNK_BYTES } from '../../src/store/object-store.ts';
import type {
  ByteSource,
  ObjectStore,
  PutObserver,
  RefusedDelete,
  StoredObject,
  StoreProbe,
} from '../../src/store/object-store.ts';

interface Kept {
  bytes: Buffer;
  readonly modifiedMs: number;
}

export interface MemoryStoreOptions {
  readonly wallMs?: () => number;
  /** Reports a CRC-32 of what it holds, as an honest store does. */
  readonly reportsCrc32?: boolean;
}

export class MemoryStore implements ObjectStore {
  /** What is stored, for tests that look behind the door or damage an object. */
  readonly objects = new Map<string, Kept>();
  /** Uploads that were started and neither finished nor abandoned, by id. */
  readonly unfinished = new Map<string, string>();
  private readonly wallMs: () => number;
  private readonly reportsCrc32: boolean;
  private uploads = 0;

  constructor(options: MemoryStoreOptions = {}) {
    this.wallMs = options.wallMs ?? Date.now;
    this.reportsCrc32 = options.reportsCrc32 ?? true;
  }

  async put(
    key: string,
    body: ByteSource,
    observer: PutObserver,
    signal: AbortSignal,
  ): Promise<StoredObject> {
    requireKey(key);
    throwIfAborted(signal);
    this.uploads += 1;
    const uploadId = `upload-${this.uploads}`;
    this.unfinished.set(uploadId, key);
    await observer.uploadStarted(uploadId);
    const pieces: Buffer[] = [];
    for await (const piece of body.read({ start: 0, end: body.sizeBytes }, signal)) {
      pieces.push(Buffer.from(piece));
    }
    throwIfAborted(signal);
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== body.sizeBytes) {
      throw new LogtierError('SOURCE_CHANGED', `got ${bytes.length} of ${body.sizeBytes} bytes`);
    }
    if (!this.unfinished.delete(uploadId)) {
      throw new LogtierError('STORE_REFUSED', 'the upload was abandoned while it ran');
    }
    const existing = this.objects.get(key);
    if (existing !== undefined) {
      const stored = this.told(key, existing);
      await requireSameContent(this, stored, body, signal);
      return stored;
    }
    const kept = { bytes, modifiedMs: this.wallMs() };
    this.objects.set(key, kept);
    return this.told(key, kept);
  }

  async *get(key: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { bytes } = this.find(key, signal);
    await Promise.resolve();
    if (range.end > bytes.length) {
      throw new LogtierError('STORE_REFUSED', `${key} ends at ${bytes.length}, not ${range.end}`);
    }
    for (const piece of splitRange(range, STREAM_CHUNK_BYTES)) {
      throwIfAborted(signal);
      yield Buffer.from(bytes.subarray(piece.start, piece.end));
    }
  }

  async stat(key: string, signal: AbortSignal): Promise<StoredObject> {
    await Promise.resolve();
    return this.told(key, this.find(key, signal));
  }

  async *list(prefix: string, after: string, signal: AbortSignal): AsyncGenerator<StoredObject> {
    await Promise.resolve();
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix) && compareKeys(key, after) > 0)
      .toSorted(compareKeys);
    for (const key of keys) {
      throwIfAborted(signal);
      const kept = this.objects.get(key);
      if (kept !== undefined) {
        yield { key, sizeBytes: kept.bytes.length, modifiedMs: kept.modifiedMs };
      }
    }
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<RefusedDelete[]> {
    throwIfAborted(signal);
    await Promise.resolve();
    for (const key of keys) {
      requireKey(key);
      this.objects.delete(key);
    }
    return [];
  }

  /** As S3 does: all that is unfinished under the key, whatever is named. */
  async abandon(key: string, _uploadIds: readonly string[], signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    await Promise.resolve();
    for (const [uploadId, of] of this.unfinished) if (of === key) this.unfinished.delete(uploadId);
  }

  async wallClockMs(signal: AbortSignal): Promise<number> {
    throwIfAborted(signal);
    await Promise.resolve();
    return this.wallMs();
  }

  async probe(signal: AbortSignal): Promise<StoreProbe> {
    throwIfAborted(signal);
    await Promise.resolve();
    return { findings: ['memory: nothing to find out'] };
  }

  private find(key: string, signal: AbortSignal): Kept {
    requireKey(key);
    throwIfAborted(signal);
    const kept = this.objects.get(key);
    if (kept === undefined) throw new LogtierError('OBJECT_NOT_FOUND', `no ${key}`);
    return kept;
  }

  private told(key: string, { bytes, modifiedMs }: Kept): StoredObject {
    const stored = { key, sizeBytes: bytes.length, modifiedMs };
    return this.reportsCrc32 ? { ...stored, crc32: crc32(bytes) } : stored;
  }
}
