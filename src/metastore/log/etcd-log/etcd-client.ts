// What the log asks of etcd, without the wire: guarded transactions over text keys, puts as they come, leases.
// Homes: grpc-etcd-client.ts, and a fake of the tests; test/contract/etcd-client.ts holds both to this text.

export interface KeyRow {
  readonly key: string;
  /** Empty where only keys were asked for. */
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** 0 for none. */
  readonly lease: bigint;
}

/** Half-open. `end` undefined: the one key `start`. */
export interface KeyRange {
  readonly start: string;
  readonly end: string | undefined;
}

/** Holds while the key's revision is exactly this one; 0: while there is no such key. */
export type Guard =
  | { readonly key: string; readonly createRevision: bigint }
  | { readonly key: string; readonly modRevision: bigint };

export interface RangeOp extends KeyRange {
  readonly kind: 'range';
  /** 0: all. */
  readonly limit: number;
  readonly keysOnly: boolean;
}

export type TxnOp =
  | RangeOp
  | ({ readonly kind: 'delete' } & KeyRange)
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      /** 0 for none. */
      readonly lease: bigint;
    };

export interface Txn {
  readonly guards: readonly Guard[];
  /** Done at once when all guards hold. */
  readonly success: readonly TxnOp[];
  /** Done at once when one does not. */
  readonly failure: readonly TxnOp[];
}

export interface TxnResult {
  readonly succeeded: boolean;
  /** etcd's revision right after it. */
  readonly revision: bigint;
  readonly clusterId: bigint;
  /** Answers of the `range` operations that were done, in their order and in key order. */
  readonly ranges: readonly RangeRows[];
}

export interface RangeRows {
  readonly rows: readonly KeyRow[];
  /** The limit left some out. */
  readonly more: boolean;
}

export interface Puts {
  readonly clusterId: bigint;
  /** In the order of their revisions; those of one revision in the order of its operations. */
  readonly rows: readonly KeyRow[];
}

/**
 * One attempt each: METASTORE_UNAVAILABLE leaves open whether it was done, and the next call asks another
 * member. Surely not done: OVERLOADED, METASTORE_DENIED, INVALID_ARGUMENT.
 */
export interface EtcdClient {
  /** Linearizable, also when it only reads. */
  txn(txn: Txn, signal: AbortSignal): Promise<TxnResult>;
  /**
   * Puts into `range` from `fromRevision` on, each once, for ever; empty ones only tell that the watch stands.
   * COMPACTED when that revision is gone; METASTORE_UNAVAILABLE also when the member lost its quorum.
   */
  watchPuts(range: KeyRange, fromRevision: bigint, signal: AbortSignal): AsyncIterable<Puts>;
  /** Lets go of all revisions below; of one that is gone already: nothing happens. */
  compact(revision: bigint, signal: AbortSignal): Promise<void>;
  /** A new lease: its id. */
  grantLease(ttlMs: number, signal: AbortSignal): Promise<bigint>;
  /** False when the lease is gone, and its keys with it. */
  renewLease(lease: bigint, signal: AbortSignal): Promise<boolean>;
  /** Deletes its keys. Nothing happens when it is gone. */
  revokeLease(lease: bigint, signal: AbortSignal): Promise<void>;
  /** Idempotent; calls under way fail. */
  stop(): void;
}
