// Ordered keys and values under the catalog. Homes: rocksdb, memory; one contract suite.

export type KvWrite =
  | { readonly kind: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: 'delete'; readonly key: Uint8Array }
  | { readonly kind: 'deleteRange'; readonly from: Uint8Array; readonly to: Uint8Array };

export interface KvRange {
  /** Inclusive. */
  readonly from: Uint8Array;
  /** Exclusive. A range that ends at or before its start is empty. */
  readonly to: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export interface KvEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Reads that all see one moment. Bytes handed out are not to be changed. */
export interface KvReader {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** One answer a key, in the order asked. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Unsigned byte order. Sees the moment of its first `next`. */
  range(range: KvRange): AsyncIterable<KvEntry>;
}

export interface KvSnapshot extends KvReader {
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * One batch is atomic and its writes are applied in order. Durability is the log's business: after a
 * crash the engine comes back at some batch border, never with a hole. A failed write is DISK_FAILED or
 * DISK_FULL, and the process must end: nothing about later writes is known, so they are all refused.
 */
export interface KvEngine extends KvReader {
  /** Batches are applied in the order of the calls, awaited or not. Keys and values are taken over. */
  batch(writes: readonly KvWrite[]): Promise<void>;
  snapshot(): Promise<KvSnapshot>;
  /** Everything batched before the call is durable when it resolves. */
  flush(): Promise<void>;
  /** Waits for batches under way, ends open snapshots and ranges. Idempotent. */
  close(): Promise<void>;
}
