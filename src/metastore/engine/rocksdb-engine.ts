// The RocksDB home of KvEngine: one column family, no synced writes, the log is what is durable.
//
// The package's close() waits for every batch and iterator for ever, so each is ended in `finally`
// and what a caller left open is ended first.
import RocksDB from 'rocksdb-native';
import { assert } from '../../base/assert.ts';
import { LogtierError } from '../../base/errors.ts';
import { diskError, errnoOf } from '../../platform/disk.ts';
import { isEmptyRange } from './byte-order.ts';
import type { KvEngine, KvEntry, KvRange, KvSnapshot, KvWrite } from './kv-engine.ts';

/** Keys asked for in one hop to a worker thread. */
const READ_BATCH_KEYS = 256;

/** Entries an iterator fetches in one hop; the package's default of 8 costs 3 times the CPU. */
const ITERATOR_ENTRIES = 128;

type OpenRange = ReturnType<RocksDB['iterator']>;

/** Opens or creates the database in `directory`, which no other process may have open. */
export async function openRocksdbEngine(directory: string): Promise<KvEngine> {
  const db = new RocksDB(directory);
  try {
    await db.ready();
  } catch (error) {
    throw openError(error, directory);
  }
  return new RocksdbEngine(db, directory);
}

function openError(error: unknown, directory: string): LogtierError {
  const text = error instanceof Error ? error.message : String(error);
  if (/\/LOCK: /.test(text)) {
    return new LogtierError('ALREADY_RUNNING', `the metastore database ${directory} is in use`, {
      hint: `another process holds ${directory}/LOCK: stop it, or give this one its own directory`,
      cause: error,
    });
  }
  if (/^Corruption|checksum mismatch|CURRENT file|MANIFEST/i.test(text)) {
    return new LogtierError('CORRUPT_STATE', `the metastore database ${directory}: ${text}`, {
      hint: 'delete this directory and keep the log next to it when it reaches back to entry 1; else restore a backup',
      cause: error,
    });
  }
  return engineError(error, `opening the metastore database ${directory}`);
}

/** A refused batch says only that much; the errno is its cause's (rocksdb-native/lib/batch.js). */
function engineError(error: unknown, doing: string): LogtierError {
  const inner = error instanceof Error && errnoOf(error.cause) !== undefined ? error.cause : error;
  const text = inner instanceof Error ? `${doing}: ${inner.message}` : doing;
  return diskError(inner, text);
}

class RocksdbEngine implements KvEngine {
  private readonly db: RocksDB;
  private readonly directory: string;
  private readonly ranges = new Set<OpenRange>();
  private readonly snapshots = new Set<RocksdbSnapshot>();
  private lastWrite: Promise<void> = Promise.resolve();
  private failure: LogtierError | undefined;
  private closing: Promise<void> | undefined;

  constructor(db: RocksDB, directory: string) {
    this.db = db;
    this.directory = directory;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.getMany([key]).then(([value]) => value);
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.length <= READ_BATCH_KEYS
      ? this.readBatch(this.db, keys)
      : this.readAtOneMoment(keys);
  }

  range(range: KvRange): AsyncIterable<KvEntry> {
    return this.iterate(this.db, range);
  }

  batch(writes: readonly KvWrite[]): Promise<void> {
    this.requireOpen();
    const written = this.lastWrite.then(() => this.write(writes));
    this.lastWrite = written.catch(() => undefined);
    return written;
  }

  snapshot(): Promise<KvSnapshot> {
    return Promise.resolve(this.openSnapshot());
  }

  async flush(): Promise<void> {
    this.requireOpen();
    await this.lastWrite;
    if (this.failure !== undefined) throw this.failure;
    try {
      await this.db.flush();
    } catch (error) {
      this.failure = engineError(error, `flushing the metastore database ${this.directory}`);
      throw this.failure;
    }
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  /** Shared with snapshots: reads `keys` from `source` in one hop. */
  async readBatch(
    source: RocksDB,
    keys: readonly Uint8Array[],
  ): Promise<(Uint8Array | undefined)[]> {
    this.requireOpen();
    if (keys.length === 0) return [];
    const batch = source.read({ capacity: keys.length, autoDestroy: true });
    const answers = keys.map((key) => batch.get(key));
    batch.tryFlush();
    try {
      const values = await Promise.all(answers);
      return values.map((value) => value ?? undefined);
    } catch (error) {
      throw engineError(error, `reading the metastore database ${this.directory}`);
    }
  }

  /** Shared with snapshots. */
  async *iterate(source: RocksDB, range: KvRange): AsyncGenerator<KvEntry, void, undefined> {
    this.requireOpen();
    const limit = range.limit ?? Infinity;
    if (limit <= 0 || isEmptyRange(range.from, range.to)) return;
    const capacity = Math.min(ITERATOR_ENTRIES, limit);
    const { from: gte, to: lt, reverse = false } = range;
    const entries = source.iterator({ gte, lt, reverse, limit, capacity });
    this.ranges.add(entries);
    try {
      for await (const entry of entries) yield entry;
    } catch (error) {
      this.requireOpen();
      throw engineError(error, `reading the metastore database ${this.directory}`);
    } finally {
      this.ranges.delete(entries);
      entries.destroy();
    }
    // close() ends the stream quietly: a cut range must not look like a whole one.
    this.requireOpen();
  }

  forget(snapshot: RocksdbSnapshot): void {
    this.snapshots.delete(snapshot);
  }

  private requireOpen(): void {
    assert(this.closing === undefined, `the engine in ${this.directory} is open`);
  }

  private openSnapshot(): RocksdbSnapshot {
    this.requireOpen();
    const snapshot = new RocksdbSnapshot(this, this.db.snapshot());
    this.snapshots.add(snapshot);
    return snapshot;
  }

  /** Several hops must not see several moments. */
  private async readAtOneMoment(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const snapshot = this.openSnapshot();
    try {
      return await snapshot.getMany(keys);
    } finally {
      await snapshot.close();
    }
  }

  private async write(writes: readonly KvWrite[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    if (writes.length === 0) return;
    const batch = this.db.write({ capacity: writes.length });
    try {
      for (const write of writes) addWrite(batch, write);
      await batch.flush();
    } catch (error) {
      this.failure = engineError(error, `writing the metastore database ${this.directory}`);
      throw this.failure;
    } finally {
      batch.destroy();
    }
  }

  private async closeAll(): Promise<void> {
    await this.lastWrite;
    for (const entries of this.ranges) entries.destroy();
    for (const snapshot of this.snapshots) await snapshot.close();
    await this.db.close();
  }
}

function addWrite(batch: ReturnType<RocksDB['write']>, write: KvWrite): void {
  switch (write.kind) {
    case 'put':
      batch.tryPut(write.key, write.value);
      return;
    case 'delete':
      batch.tryDelete(write.key);
      return;
    case 'deleteRange':
      if (!isEmptyRange(write.from, write.to)) batch.tryDeleteRange(write.from, write.to);
  }
}

class RocksdbSnapshot implements KvSnapshot {
  private readonly engine: RocksdbEngine;
  private readonly session: RocksDB;
  private isClosed = false;

  constructor(engine: RocksdbEngine, session: RocksDB) {
    this.engine = engine;
    this.session = session;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.getMany([key]).then(([value]) => value);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values: (Uint8Array | undefined)[] = [];
    for (let start = 0; start < keys.length; start += READ_BATCH_KEYS) {
      this.requireOpen();
      const part = keys.slice(start, start + READ_BATCH_KEYS);
      values.push(...(await this.engine.readBatch(this.session, part)));
    }
    return values;
  }

  range(range: KvRange): AsyncIterable<KvEntry> {
    this.requireOpen();
    return this.engine.iterate(this.session, range);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.engine.forget(this);
    await this.session.close();
  }

  private requireOpen(): void {
    assert(!this.isClosed, 'the snapshot is open');
  }
}
