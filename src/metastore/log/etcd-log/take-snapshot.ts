// Moves the log's beginning: the catalog into the object store, its name into etcd, then entries go.
//
// Only the keeper does it, and a keeper that lost its tenure without knowing cannot do harm: the snapshot is
// named under the guard of the tenure, and what is cleaned up was listed before the tenure was confirmed, so
// that it cannot belong to a successor.
import { LogtierError } from '../../../base/errors.ts';
import type { Logger } from '../../../platform/log.ts';
import type { LogIndex, Snapshot, SnapshotProvider } from '../replicated-log.ts';
import type { EtcdDeps } from './append-batch.ts';
import type { Guard, TxnResult } from './etcd-client.ts';
import { entriesThrough, type LogKeys } from './keys.ts';
import { decodeHead, decodeSnapshotRow, encodeSnapshotRow, type SnapshotRow } from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';
import { type SnapshotStore, storeSnapshot } from './snapshot-store.ts';

export interface SnapshotDeps extends EtcdDeps {
  readonly logger: Logger;
  readonly snapshots: SnapshotStore;
  readonly provider: SnapshotProvider;
}

export interface Upkeep {
  readonly keys: LogKeys;
  /** Of the log: its snapshots are named below it. */
  readonly identity: string;
  readonly ticket: Guard;
}

/** Keys of one deletion: keeps etcd's transactions short. */
const DELETE_KEYS = 500;

/** Undefined when there was too little to do; else where the log begins now. METASTORE_UNAVAILABLE and errors of the store: again later. */
export async function takeSnapshot(
  deps: SnapshotDeps,
  settings: EtcdLogSettings,
  upkeep: Upkeep,
  signal: AbortSignal,
): Promise<LogIndex | undefined> {
  const before = await readState(deps, upkeep, signal);
  if (!isDue(before, settings)) return undefined;
  await cleanUp(deps, upkeep, signal);
  const snapshot = await deps.provider.take(signal);
  try {
    if (snapshot.index <= (before.snapshot?.index ?? 0n)) return undefined;
    const revision = await publish(deps, upkeep, { before, snapshot }, signal);
    await cleanUp(deps, upkeep, signal);
    const through = snapshot.index - BigInt(settings.keptEntries);
    const firstIndex = await dropEntries(deps, upkeep.keys, through, signal);
    if (settings.compactRevisions) await deps.client.compact(revision, signal);
    deps.logger.info({ index: snapshot.index, firstIndex }, 'catalog snapshot stored, log cut');
    return firstIndex;
  } finally {
    await snapshot.close();
  }
}

interface LogState {
  readonly totalBytes: bigint;
  readonly beginsAfter: LogIndex;
  readonly snapshot: SnapshotRow | undefined;
}

/** A restored catalog is due at once: nobody can follow the log without it. */
function isDue(
  { totalBytes, beginsAfter, snapshot }: LogState,
  settings: EtcdLogSettings,
): boolean {
  if (snapshot === undefined && beginsAfter > 0n) return true;
  return totalBytes - (snapshot?.totalBytes ?? 0n) >= BigInt(settings.snapshotBytes);
}

/** ABORTED when another member does the upkeep by now. */
async function readState(
  { client }: EtcdDeps,
  { keys, ticket }: Upkeep,
  signal: AbortSignal,
): Promise<LogState> {
  const one = { kind: 'range', end: undefined, limit: 1, keysOnly: false } as const;
  const ops = [
    { ...one, start: keys.head },
    { ...one, start: keys.snapshot },
  ];
  const result = await client.txn({ guards: [ticket], success: ops, failure: [] }, signal);
  if (!result.succeeded) throw lostTenure();
  const headRow = result.ranges[0]?.rows[0];
  const head = headRow === undefined ? undefined : decodeHead(headRow);
  const row = result.ranges[1]?.rows[0];
  return {
    totalBytes: head?.totalBytes ?? 0n,
    beginsAfter: head?.beginsAfter ?? 0n,
    snapshot: row === undefined ? undefined : decodeSnapshotRow(row),
  };
}

function lostTenure(): LogtierError {
  return new LogtierError('ABORTED', 'another member does the upkeep of the log now');
}

/** Parts of this log that no snapshot names: of attempts that failed, and of snapshots before the last two. */
async function cleanUp(deps: SnapshotDeps, upkeep: Upkeep, signal: AbortSignal): Promise<void> {
  const listed: string[] = [];
  for await (const name of deps.snapshots.list(signal)) {
    if (name.startsWith(`${upkeep.identity}/`)) listed.push(name);
  }
  const { snapshot } = await readState(deps, upkeep, signal);
  const kept = [snapshot?.name, snapshot?.previousName].filter(
    (name) => name !== undefined && name !== '',
  );
  const stale = listed.filter((part) => !kept.some((name) => part.startsWith(`${name}/`)));
  if (stale.length > 0) await deps.snapshots.delete(stale, signal);
}

/** The revision at which the snapshot has its name in etcd. */
async function publish(
  deps: SnapshotDeps,
  { keys, identity, ticket }: Upkeep,
  { before, snapshot }: { readonly before: LogState; readonly snapshot: Snapshot },
  signal: AbortSignal,
): Promise<bigint> {
  const attempt = Buffer.from(deps.random.bytes(9)).toString('hex');
  const name = `${identity}/${String(snapshot.index).padStart(20, '0')}-${attempt}`;
  const stored = await storeSnapshot(deps.snapshots, name, snapshot, signal);
  const value = encodeSnapshotRow({
    index: snapshot.index,
    term: snapshot.term,
    name,
    parts: stored.parts,
    sizeBytes: BigInt(stored.sizeBytes),
    crc32: stored.crc32,
    totalBytes: before.totalBytes,
    previousName: before.snapshot?.name ?? '',
  });
  const one = { kind: 'range', end: undefined, limit: 1, keysOnly: false } as const;
  const txn = {
    guards: [ticket, { key: keys.snapshot, modRevision: before.snapshot?.modRevision ?? 0n }],
    success: [{ kind: 'put', key: keys.snapshot, value, lease: 0n } as const],
    failure: [{ ...one, start: keys.snapshot }],
  };
  const result = await deps.client.txn(txn, signal);
  if (!result.succeeded && namedIn(result) !== name) throw lostTenure();
  return result.revision;
}

function namedIn({ ranges }: TxnResult): string | undefined {
  const row = ranges[0]?.rows[0];
  return row === undefined ? undefined : decodeSnapshotRow(row).name;
}

/** Deletes batches that hold nothing above `through`, in steps; where the log begins then. */
async function dropEntries(
  { client }: EtcdDeps,
  keys: LogKeys,
  through: LogIndex,
  signal: AbortSignal,
): Promise<LogIndex> {
  const range = entriesThrough(keys, through < 0n ? 0n : through);
  let firstIndex = 1n;
  for (;;) {
    const look = { kind: 'range', ...range, limit: DELETE_KEYS, keysOnly: true } as const;
    const seen = await client.txn({ guards: [], success: [look], failure: [] }, signal);
    const last = seen.ranges[0]?.rows.at(-1);
    if (last === undefined) return firstIndex;
    const drop = { kind: 'delete', start: range.start, end: `${last.key}\0` } as const;
    await client.txn({ guards: [], success: [drop], failure: [] }, signal);
    firstIndex = BigInt(last.key.slice(keys.entries.start.length)) + 1n;
  }
}
