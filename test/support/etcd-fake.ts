// etcd in memory, behind the client's interface: same contract, and answers that get lost on demand.
import { LogtierError } from '../../src/base/errors.ts';
import { abortError, throwIfAborted } from '../../src/platform/clock.ts';
import type {
  EtcdClient,
  Guard,
  KeyRange,
  KeyRow,
  Puts,
  RangeRows,
  Txn,
  TxnOp,
  TxnResult,
} from '../../src/metastore/log/etcd-log/etcd-client.ts';

export type EtcdMishap =
  | 'REQUEST_LOST'
  /** Done, but nobody learns it. */
  | 'REPLY_LOST'
  /** Unanswered, and done right before the next transaction that arrives. */
  | 'LATE'
  /** etcd is at its quota. */
  | 'NO_SPACE';

const CLUSTER_ID = 0xcafen;

export class EtcdFake {
  clusterId = CLUSTER_ID;
  /** Nobody is reached while true. */
  isDown = false;
  revision = 1n;
  compactedRevision = 0n;
  /** What happens to the next transactions, first come first. */
  mishap: () => EtcdMishap | undefined = () => undefined;
  rows = new Map<string, KeyRow>();
  private history: KeyRow[] = [];
  private late: Txn[] = [];
  private leases = new Set<bigint>();
  private nextLease = 1n;
  private wakers = new Set<() => void>();

  connect(): EtcdFakeClient {
    return new EtcdFakeClient(this);
  }

  /** As when their holders fell silent. */
  expireLeases(): void {
    for (const lease of this.leases) this.endLease(lease);
  }

  arrive(txn: Txn): TxnResult {
    const { late } = this;
    this.late = [];
    for (const each of late) this.run(each);
    return this.run(txn);
  }

  arriveLater(txn: Txn): void {
    this.late.push(txn);
  }

  grant(): bigint {
    const lease = this.nextLease;
    this.nextLease += 1n;
    this.leases.add(lease);
    return lease;
  }

  hasLease(lease: bigint): boolean {
    return this.leases.has(lease);
  }

  endLease(lease: bigint): void {
    this.leases.delete(lease);
    const keys = [...this.rows.values()].filter((row) => row.lease === lease);
    if (keys.length > 0) this.revision += 1n;
    for (const { key } of keys) this.rows.delete(key);
  }

  compact(revision: bigint): void {
    if (revision <= this.compactedRevision) return;
    this.compactedRevision = revision;
    this.history = this.history.filter(({ modRevision }) => modRevision >= revision);
  }

  putsSince({ start, end }: KeyRange, revision: bigint): KeyRow[] {
    if (revision < this.compactedRevision) {
      throw new LogtierError('COMPACTED', 'the revision is gone');
    }
    return this.history.filter(
      ({ key, modRevision }) => modRevision >= revision && isIn(key, { start, end }),
    );
  }

  /** Back to what `rows` and `revision` were: a restore from a backup. */
  backup(): () => void {
    const rows = new Map(this.rows);
    const { revision } = this;
    return () => {
      this.rows = rows;
      this.revision = revision;
      this.history = [...rows.values()];
      this.wake();
    };
  }

  onChange(wake: () => void): () => void {
    this.wakers.add(wake);
    return () => this.wakers.delete(wake);
  }

  wake(): void {
    for (const wake of this.wakers) wake();
  }

  private run({ guards, success, failure }: Txn): TxnResult {
    const succeeded = guards.every((guard) => this.holds(guard));
    const ops = succeeded ? success : failure;
    if (ops.some(({ kind }) => kind !== 'range')) this.revision += 1n;
    const ranges = ops.flatMap((op) => this.do(op));
    this.wake();
    return { succeeded, revision: this.revision, clusterId: this.clusterId, ranges };
  }

  private holds(guard: Guard): boolean {
    const row = this.rows.get(guard.key);
    return 'modRevision' in guard
      ? (row?.modRevision ?? 0n) === guard.modRevision
      : (row?.createRevision ?? 0n) === guard.createRevision;
  }

  private do(op: TxnOp): RangeRows[] {
    if (op.kind === 'put') {
      const createRevision = this.rows.get(op.key)?.createRevision ?? this.revision;
      const { key, value, lease } = op;
      const row = { key, value, lease, createRevision, modRevision: this.revision };
      this.rows.set(key, row);
      this.history.push(row);
      return [];
    }
    const found = [...this.rows.values()]
      .filter(({ key }) => isIn(key, op))
      .toSorted((left, right) => (left.key < right.key ? -1 : 1));
    if (op.kind === 'delete') {
      for (const { key } of found) this.rows.delete(key);
      return [];
    }
    const limit = op.limit === 0 ? found.length : op.limit;
    const rows = found.slice(0, limit);
    const shown = op.keysOnly ? rows.map((row) => ({ ...row, value: new Uint8Array(0) })) : rows;
    return [{ rows: shown, more: found.length > limit }];
  }
}

export class EtcdFakeClient implements EtcdClient {
  private readonly etcd: EtcdFake;
  private readonly gone = new AbortController();

  constructor(etcd: EtcdFake) {
    this.etcd = etcd;
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    await this.reach(signal);
    const mishap = this.etcd.mishap();
    if (mishap === 'NO_SPACE') throw new LogtierError('OVERLOADED', 'database space exceeded');
    if (mishap === 'LATE') this.etcd.arriveLater(txn);
    if (mishap === 'LATE' || mishap === 'REQUEST_LOST') throw unavailable(mishap);
    const result = this.etcd.arrive(txn);
    if (mishap !== undefined) throw unavailable(mishap);
    await Promise.resolve();
    throwIfAborted(this.gone.signal);
    return result;
  }

  async *watchPuts(
    range: KeyRange,
    fromRevision: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<Puts, void, undefined> {
    await this.reach(signal);
    const ending = AbortSignal.any([signal, this.gone.signal]);
    const change = { isNew: true, wake: (): void => undefined };
    const forget = this.etcd.onChange(() => {
      change.isNew = true;
      change.wake();
    });
    const onAbort = (): void => {
      change.wake();
    };
    ending.addEventListener('abort', onAbort);
    try {
      yield { clusterId: this.etcd.clusterId, rows: [] };
      for (let next = fromRevision; ;) {
        if (ending.aborted) throw abortError(ending);
        if (this.etcd.isDown) throw unavailable('down');
        change.isNew = false;
        const rows = this.etcd.putsSince(range, next);
        next = this.etcd.revision + 1n;
        if (rows.length > 0) yield { clusterId: this.etcd.clusterId, rows };
        while (!change.isNew && !ending.aborted) {
          await new Promise<void>((resolve) => {
            change.wake = resolve;
          });
        }
      }
    } finally {
      forget();
      ending.removeEventListener('abort', onAbort);
    }
  }

  async compact(revision: bigint, signal: AbortSignal): Promise<void> {
    await this.reach(signal);
    this.etcd.compact(revision);
  }

  async grantLease(_ttlMs: number, signal: AbortSignal): Promise<bigint> {
    await this.reach(signal);
    return this.etcd.grant();
  }

  async renewLease(lease: bigint, signal: AbortSignal): Promise<boolean> {
    await this.reach(signal);
    return this.etcd.hasLease(lease);
  }

  async revokeLease(lease: bigint, signal: AbortSignal): Promise<void> {
    await this.reach(signal);
    this.etcd.endLease(lease);
  }

  /** As kill -9 of the process: calls under way get no answer any more. */
  stop(): void {
    this.gone.abort(unavailable('the client is gone'));
  }

  private async reach(signal: AbortSignal): Promise<void> {
    await Promise.resolve();
    throwIfAborted(signal);
    throwIfAborted(this.gone.signal);
    if (this.etcd.isDown) throw unavailable('down');
  }
}

function unavailable(why: string): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', `etcd: ${why}`);
}

function isIn(key: string, { start, end }: KeyRange): boolean {
  return end === undefined ? key === start : key >= start && key < end;
}
