// Entries from etcd in order: page by page what is there, then what the watch brings. Any doubt (a gap, a
// lost watch, a member that fell silent) ends in loading again behind the last entry handed out.
import { hasCode, LogtierError } from '../../../base/errors.ts';
import { backoffMs } from '../../../base/backoff.ts';
import type { Logger } from '../../../platform/log.ts';
import type { CommittedItem, LogEntry, LogIndex } from '../replicated-log.ts';
import { type EtcdDeps, logGone } from './append-batch.ts';
import type { KeyRow, TxnResult } from './etcd-client.ts';
import { entriesFrom, type LogKeys } from './keys.ts';
import {
  type Batch,
  decodeBatch,
  decodeHead,
  decodeSnapshotRow,
  entriesOf,
  ETCD_LOG_TERM,
  type Head,
  type SnapshotRow,
} from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';
import { patientSnapshots } from './patient-snapshots.ts';
import { readSnapshot, type SnapshotStore } from './snapshot-store.ts';

/** Batches of at most 1 MiB in one answer. */
const PAGE_BATCHES = 32;

export interface ReaderDeps extends EtcdDeps {
  readonly logger: Logger;
  readonly snapshots: SnapshotStore;
}

export interface ReaderPlace {
  readonly keys: LogKeys;
  readonly after: LogIndex;
  /** Told of the last batch of each answer: the log ends there or later. */
  seen(batch: Batch, row: KeyRow): void;
  /** Entries up to it are committed, as others of this process know. */
  known(): LogIndex;
}

/**
 * Ends when `signal` fires; with NOT_LEADER, the log's own stop, after what was committed before. Throws COMPACTED, CORRUPT_STATE and WRONG_CLUSTER; outlasts anything else.
 */
export async function* readCommitted(
  deps: ReaderDeps,
  settings: EtcdLogSettings,
  place: ReaderPlace,
  signal: AbortSignal,
): AsyncGenerator<CommittedItem, void, undefined> {
  const reader = new Reader(deps, settings, place);
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      for await (const item of reader.follow(signal)) {
        attempt = 0;
        yield item;
      }
    } catch (error) {
      if (signal.aborted) break;
      if (hasCode(error, 'COMPACTED', 'CORRUPT_STATE', 'WRONG_CLUSTER')) throw error;
      if (attempt === 2) deps.logger.warn({ reason: String(error) }, 'etcd cannot be read');
    }
    const waitMs = backoffMs(settings, attempt, deps.random.share());
    await deps.clock.sleep(waitMs, signal).catch(() => undefined);
  }
  if (hasCode(signal.reason, 'NOT_LEADER')) yield* reader.rest();
}

class Reader {
  private readonly deps: ReaderDeps;
  private readonly settings: EtcdLogSettings;
  private readonly place: ReaderPlace;
  private last: LogIndex;

  constructor(deps: ReaderDeps, settings: EtcdLogSettings, place: ReaderPlace) {
    this.deps = deps;
    this.settings = settings;
    this.place = place;
    this.last = place.after;
  }

  /** Ends when it is better to load again. */
  async *follow(signal: AbortSignal): AsyncGenerator<CommittedItem, void, undefined> {
    for (;;) {
      const page = await this.deps.client.txn(pageTxn(this.place.keys, this.last), signal);
      const [, entries] = page.ranges;
      const replacement = this.replacement(page);
      if (replacement !== undefined) {
        yield this.toInstall(replacement);
        this.last = replacement.index;
      } else if (entries !== undefined && entries.rows.length > 0) {
        const loaded = this.take(entries.rows);
        if (loaded.length > 0) yield loaded;
      }
      if (replacement === undefined && entries?.more !== true) {
        yield* this.watch(page.revision + 1n, signal);
        return;
      }
    }
  }

  /** What is known to be committed, if etcd gives it at once. */
  async *rest(): AsyncGenerator<CommittedItem, void, undefined> {
    const { client, clock } = this.deps;
    const deadline = clock.deadline(this.settings.callMs, new AbortController().signal);
    try {
      while (this.last < this.place.known()) {
        const page = await client.txn(pageTxn(this.place.keys, this.last), deadline.signal);
        const rows = page.ranges[1]?.rows ?? [];
        if (rows.length === 0 || this.leavesGap(rows)) return;
        yield this.take(rows);
      }
    } catch (error) {
      this.deps.logger.debug({ reason: String(error) }, 'the last entries are for the next start');
    } finally {
      deadline.clear();
    }
  }

  /** The snapshot to go on from when the next entry is gone. */
  private replacement({ ranges }: TxnResult): SnapshotRow | undefined {
    const headRow = ranges[0]?.rows[0];
    if (headRow === undefined) throw logGone('the log is gone from etcd');
    const head = decodeHead(headRow);
    if (head.lastIndex < this.last) {
      throw logGone(`the log ends at entry ${head.lastIndex}, before ${this.last}`);
    }
    const firstRow = ranges[1]?.rows[0];
    const next = firstRow === undefined ? head.lastIndex + 1n : decodeBatch(firstRow).firstIndex;
    if (next <= this.last + 1n) return undefined;
    const row = ranges[2]?.rows[0];
    const snapshot = row === undefined ? undefined : decodeSnapshotRow(row);
    if (snapshot !== undefined && snapshot.index > this.last) return snapshot;
    throw this.entryGone(head);
  }

  private entryGone({ beginsAfter }: Head): LogtierError {
    if (this.last >= beginsAfter) {
      return new LogtierError('COMPACTED', `entry ${this.last + 1n} is gone from etcd`);
    }
    const what = 'the restored catalog that the log begins with is not in the object store yet';
    return new LogtierError('METASTORE_UNAVAILABLE', what);
  }

  private toInstall(row: SnapshotRow): CommittedItem {
    const snapshots = patientSnapshots(this.deps, this.deps.snapshots);
    return {
      index: row.index,
      term: ETCD_LOG_TERM,
      content: (signal) => readSnapshot(snapshots, row, signal),
    };
  }

  private async *watch(
    fromRevision: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<CommittedItem, void, undefined> {
    const silent = new AbortController();
    const stopGuard = this.guardSilence(silent);
    const range = entriesFrom(this.place.keys, this.last + 1n);
    const watching = AbortSignal.any([signal, silent.signal]);
    try {
      for await (const { rows } of this.deps.client.watchPuts(range, fromRevision, watching)) {
        if (rows.length === 0) continue;
        if (this.leavesGap(rows)) return;
        const entries = this.take(rows);
        if (entries.length > 0) yield entries;
      }
    } catch (error) {
      // Revisions that etcd let go of: the entries are there all the same, or a snapshot is.
      if (hasCode(error, 'COMPACTED')) return;
      throw error;
    } finally {
      stopGuard();
    }
  }

  /** A member that takes nothing in tells nothing: others of this process may know better. */
  private guardSilence(silent: AbortController): () => void {
    let behind = this.last;
    let knownThen = this.place.known();
    return this.deps.clock.every(this.settings.callMs, () => {
      if (this.last === behind && knownThen > this.last) {
        silent.abort(new LogtierError('METASTORE_UNAVAILABLE', 'etcd’s watch fell silent'));
      }
      behind = this.last;
      knownThen = this.place.known();
    });
  }

  private leavesGap(rows: readonly KeyRow[]): boolean {
    let last = this.last;
    for (const row of rows) {
      const batch = decodeBatch(row);
      if (batch.firstIndex > last + 1n) return true;
      if (batch.lastIndex > last) last = batch.lastIndex;
    }
    return false;
  }

  /** Entries above the last handed out, without a gap. */
  private take(rows: readonly KeyRow[]): LogEntry[] {
    const taken: LogEntry[] = [];
    for (const row of rows) {
      const batch = decodeBatch(row);
      if (batch.firstIndex > this.last + 1n) throw logGone(`entry ${this.last + 1n} is missing`);
      for (const entry of entriesOf(batch, this.last)) taken.push(entry);
      if (batch.lastIndex > this.last) this.last = batch.lastIndex;
      this.place.seen(batch, row);
    }
    return taken;
  }
}

function pageTxn(keys: LogKeys, last: LogIndex): Parameters<EtcdDeps['client']['txn']>[0] {
  const one = { kind: 'range', end: undefined, limit: 1, keysOnly: false } as const;
  const next = entriesFrom(keys, last + 1n);
  return {
    guards: [],
    success: [
      { ...one, start: keys.head },
      { kind: 'range', ...next, limit: PAGE_BATCHES, keysOnly: false },
      { ...one, start: keys.snapshot },
    ],
    failure: [],
  };
}
