// Whole immutable objects under one bucket and prefix. Homes: filesystem/, s3/, hdfs/; decorators wrap any of them.
import type { ByteRange } from '../base/byte-range.ts';

/** CRC-32 is known at these borders of a source: one chunk is what a cold read fetches. */
export const CHUNK_BYTES = 4 * 2 ** 20;

/** No chunk of a stream is larger, so that no synchronous step over one takes long. */
export const STREAM_CHUNK_BYTES = 2 ** 20;

/**
 * What is to be stored. A pure function of what it was made from: every pass gives the same bytes
 * (safety rule 20), or fails with SOURCE_CHANGED; a pass that ends well has checked them.
 */
export interface ByteSource {
  readonly sizeBytes: number;
  /** CRC-32 (IEEE) of `range`, known before a byte is sent. Borders: multiples of CHUNK_BYTES, or the size. */
  crc32(range: ByteRange): number;
  /** One pass over `range`. A chunk is ≤ STREAM_CHUNK_BYTES and valid until the next is asked for. */
  read(range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** When the store last wrote it, by the store's clock. */
  readonly modifiedMs: number;
  /**
   * CRC-32 of the whole object, only where the store itself computed it over what it keeps, the probe
   * found it honest, and the way there was protected, or where the bytes were read back as they were
   * written (safety rule 9). Absent: read back and compare.
   */
  readonly crc32?: number;
}

export interface RefusedDelete {
  readonly key: string;
  readonly reason: string;
}

/** Told of what an unfinished put may leave behind, before it can: recorded before the first byte (rule 24). */
export interface PutObserver {
  /** `uploadId`: a multipart upload's id or a temporary name; what `abandon` takes. Awaited before bytes are sent. */
  uploadStarted(uploadId: string): Promise<void>;
}

export interface StoreProbe {
  /** One line a person reads: `checksum crc32: honest`. */
  readonly findings: readonly string[];
}

/**
 * The store of one bucket and prefix. All errors are LogtierErrors: OBJECT_NOT_FOUND, OBJECT_EXISTS,
 * OBJECT_CORRUPT, STORE_UNAVAILABLE (retry), STORE_DENIED, STORE_REFUSED, DISK_FULL, ABORTED.
 * A put is atomic: readers see all of the object or OBJECT_NOT_FOUND.
 */
export interface ObjectStore {
  /**
   * Durable when it resolves. On an existing key: resolves when size and content are equal, else
   * OBJECT_EXISTS; never replaces. Cancelled or failed: may leave what `observer` was told of.
   */
  put(
    key: string,
    body: ByteSource,
    observer: PutObserver,
    signal: AbortSignal,
  ): Promise<StoredObject>;
  /**
   * Streams exactly `range` (which must lie inside the object) in chunks ≤ STREAM_CHUNK_BYTES, each
   * valid until the next is asked for. OBJECT_NOT_FOUND before the first byte, never after; a stream
   * that ends short throws STORE_UNAVAILABLE. Leaving the loop early frees the connection.
   */
  get(key: string, range: ByteRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
  stat(key: string, signal: AbortSignal): Promise<StoredObject>;
  /** Keys that start with `prefix` and come after `after` ('' = from the start), in key order (UTF-8 bytes). */
  list(prefix: string, after: string, signal: AbortSignal): AsyncIterable<StoredObject>;
  /** Deleting what is not there succeeds. Resolves with the keys that were refused, each with a reason. */
  delete(keys: readonly string[], signal: AbortSignal): Promise<RefusedDelete[]>;
  /**
   * Ends unfinished uploads of exactly this key: those named, and what else the store can tell of the key
   * (a crash may come before the record). Unknown ids are no error (rule 24).
   */
  abandon(key: string, uploadIds: readonly string[], signal: AbortSignal): Promise<void>;
  /** The store's own wall clock (HTTP Date header; for a directory the file system's), for rule 8. */
  wallClockMs(signal: AbortSignal): Promise<number>;
  /** Finds out what the store really does; writes and deletes small objects under `.logtier-probe/`. */
  probe(signal: AbortSignal): Promise<StoreProbe>;
}

/** For puts whose leftovers nobody records: probes, tests. */
export const nobody: PutObserver = { uploadStarted: () => Promise.resolve() };
