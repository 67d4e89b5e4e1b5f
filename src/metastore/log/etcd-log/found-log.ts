// Finds the log in etcd, or founds it.
import { LogtierError } from '../../../base/errors.ts';
import type { LogIndex } from '../replicated-log.ts';
import { type EtcdDeps, logGone } from './append-batch.ts';
import type { EtcdClient, Txn, TxnResult } from './etcd-client.ts';
import { entryKey, type LogKeys, metastoreOf } from './keys.ts';
import { requireSame } from './pinned-client.ts';
import { decodeBatch, decodeHead, encodeBatch, encodeHead, type Head } from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';
import { untilAnswered } from './until-answered.ts';

export interface FoundLog {
  readonly head: Head;
  readonly firstIndex: LogIndex;
  /** Of this log and no other: etcd's cluster id, and the revision at which it was founded. */
  readonly identity: string;
}

/** What the member brings along. */
export interface Seeker {
  /** Of the log it has been in; undefined: in none. */
  readonly known: string | undefined;
  /** Newest entry in its catalog. */
  readonly applied: LogIndex;
}

/** What a restored catalog counts as (src/metastore/member/restore.ts). */
const RESTORED_INDEX = 1n;
/** Keys that are looked at for another metastore's. */
const LOOK_KEYS = 100;

/**
 * A member that has been in a log founds none. Refused, before anything is written: INVALID_CONFIG, what the
 * member holds comes from elsewhere; CORRUPT_STATE and WRONG_CLUSTER, etcd holds another log, or an older one.
 */
export async function findLog(
  deps: EtcdDeps,
  settings: EtcdLogSettings,
  keys: LogKeys,
  seeker: Seeker,
): Promise<FoundLog> {
  if (seeker.known === undefined && seeker.applied > RESTORED_INDEX) throw ofAnotherHome(seeker);
  const never = new AbortController().signal;
  const ask = (txn: Txn): Promise<TxnResult> =>
    untilAnswered(deps, settings, (signal) => deps.client.txn(txn, signal), never);
  const seen = await ask(lookTxn(keys));
  const found = foundIn(seen);
  if (found !== undefined) return requireOurs(found, seeker);
  if (seeker.known !== undefined) throw logGone('etcd holds no log of this metastore');
  if (seeker.applied === 0n) requireAlone(keys, await ask(neighboursTxn(keys)));
  // Lost answers and other founders: whoever was first, the log is there afterwards.
  await ask(foundTxn(keys, seen.clusterId, seeker.applied, deps.random.bytes(16)));
  const founded = foundIn(await ask(lookTxn(keys)));
  if (founded === undefined) {
    throw new LogtierError('CORRUPT_STATE', 'the log vanished from etcd as it was founded');
  }
  return requireOurs(founded, seeker);
}

/** Undefined when there is no log. */
export async function readHead(
  client: EtcdClient,
  keys: LogKeys,
  signal: AbortSignal,
): Promise<Head | undefined> {
  const row = (await client.txn(lookTxn(keys), signal)).ranges[0]?.rows[0];
  return row === undefined ? undefined : decodeHead(row);
}

function lookTxn(keys: LogKeys): Txn {
  const one = { kind: 'range', end: undefined, limit: 1, keysOnly: false } as const;
  return {
    guards: [],
    success: [
      { ...one, start: keys.head },
      { ...one, ...keys.entries },
    ],
    failure: [],
  };
}

function foundIn({ ranges, clusterId }: TxnResult): FoundLog | undefined {
  const row = ranges[0]?.rows[0];
  if (row === undefined) return undefined;
  const head = decodeHead(row);
  requireSame(clusterId, head.etcdClusterId);
  const first = ranges[1]?.rows[0];
  const firstIndex = first === undefined ? head.lastIndex + 1n : decodeBatch(first).firstIndex;
  return { head, firstIndex, identity: `${clusterId.toString(16)}-${row.createRevision}` };
}

function requireOurs(found: FoundLog, { known, applied }: Seeker): FoundLog {
  const { head, identity } = found;
  if (known !== undefined && known !== identity) {
    throw logGone(`etcd holds another log, founded as ${identity}; this member was in ${known}`);
  }
  if (known === undefined && applied > head.beginsAfter) {
    throw new LogtierError('INVALID_CONFIG', 'etcd holds a log that began without this backup', {
      hint: 'start the restored member first, with the id that the restore printed as metastore.etcd.metastoreId',
    });
  }
  if (applied > head.lastIndex) {
    throw logGone(`the log ends at entry ${head.lastIndex}, this member has applied ${applied}`);
  }
  return found;
}

function ofAnotherHome({ applied }: Seeker): LogtierError {
  const message = `this member holds entries up to ${applied} of a log that was not in etcd`;
  return new LogtierError('INVALID_CONFIG', message, {
    hint: 'a metastore changes the home of its log through a backup: docs/runbooks/restore-a-backup.md',
  });
}

function neighboursTxn({ all }: LogKeys): Txn {
  const look = { kind: 'range', ...all, limit: LOOK_KEYS, keysOnly: true } as const;
  return { guards: [], success: [look], failure: [] };
}

/** A new metastore beside another one is a mistyped id, as a rule: two would answer the same sidecars. */
function requireAlone(keys: LogKeys, { ranges }: TxnResult): void {
  const ids = ranges[0]?.rows.map(({ key }) => metastoreOf(keys, key)) ?? [];
  // Another member of this very metastore may have founded the log meanwhile.
  const other = ids.find((id) => id !== undefined && id !== keys.groupId);
  if (other === undefined) return;
  const message = `etcd holds metastore ${other} under ${keys.prefix}, not ${keys.groupId}`;
  throw new LogtierError('INVALID_CONFIG', message, {
    hint: 'correct metastore.etcd.metastoreId; another metastore needs a metastore.etcd.prefix of its own',
  });
}

/** Like every other home, a log begins with the empty entry that opens its term, or behind a restored catalog. */
function foundTxn(
  keys: LogKeys,
  etcdClusterId: bigint,
  beginsAfter: LogIndex,
  nonce: Uint8Array,
): Txn {
  const opening = { firstIndex: 1n, nonce, commands: [new Uint8Array(0)], totalBytes: 0n };
  const head = { lastIndex: 1n, totalBytes: 0n, etcdClusterId, beginsAfter };
  const entry = {
    kind: 'put',
    key: entryKey(keys, 1n),
    value: encodeBatch(opening),
    lease: 0n,
  } as const;
  return {
    guards: [{ key: keys.head, createRevision: 0n }],
    success: [
      ...(beginsAfter === 0n ? [entry] : []),
      { kind: 'put', key: keys.head, value: encodeHead(head), lease: 0n },
    ],
    failure: [],
  };
}
