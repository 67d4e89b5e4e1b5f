// Types of the untyped package rocksdb-native 3.18.1, as far as rocksdb-engine.ts uses it.
// Source: its index.js and lib/{batch,iterator,state}.js.
declare module 'rocksdb-native' {
  import type { Readable } from 'node:stream';

  interface Entry {
    readonly key: Buffer;
    readonly value: Buffer;
  }

  /** `lt` of zero bytes means "no bound", `lt` below `gte` yields nothing. */
  interface IteratorOptions {
    readonly gte: Uint8Array;
    readonly lt: Uint8Array;
    readonly reverse: boolean;
    /** Entries in all; Infinity for all there are. */
    readonly limit: number;
    /** Entries fetched per hop to a worker thread. */
    readonly capacity: number;
  }

  /** A streamx Readable: near enough to Node's for `for await` and `destroy`. */
  type EntryStream = Pick<Readable, 'destroy'> & AsyncIterable<Entry>;

  interface BatchOptions {
    /** Operations to make room for at first. */
    readonly capacity: number;
  }

  interface ReadBatch {
    /** Settles after `tryFlush`; null when there is no such key. */
    get(key: Uint8Array): Promise<Buffer | null>;
    tryFlush(): void;
  }

  interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void;
    tryDelete(key: Uint8Array): void;
    /** Refused with EINVAL when `end` sorts below `start`. */
    tryDeleteRange(start: Uint8Array, end: Uint8Array): void;
    /** Rejects with an Error whose `cause` carries the errno as `code`. Never an fsync. */
    flush(): Promise<void>;
    /** Must be called after a flush: `close` waits for every batch. Throws while one is in flight. */
    destroy(): void;
  }

  /** The database itself, or a session of it that sees one snapshot. */
  class RocksDB {
    constructor(path: string, options?: { readonly maxBackgroundJobs?: number });
    /** Opens; `code` is EIO for a held lock too. */
    ready(): Promise<void>;
    snapshot(): RocksDB;
    iterator(options: IteratorOptions): EntryStream;
    read(options: BatchOptions & { readonly autoDestroy: boolean }): ReadBatch;
    write(options: BatchOptions): WriteBatch;
    /** Writes the memtable as a table file, with fdatasync. */
    flush(): Promise<void>;
    /** Waits for every batch and iterator; a snapshot's close frees it only. */
    close(): Promise<void>;
  }

  export = RocksDB;
}
