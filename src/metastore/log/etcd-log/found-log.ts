// Finds the log in etcd, or founds it.
import { LogtierError } from '../../../base/errors.ts';
import type { LogIndex } from '../replicated-log.ts';
import { type EtcdDeps, logGone } from './append-batch.ts';
import type { EtcdClient, Txn, TxnResult } from './etcd-client.ts';
import { entryKey, type LogKeys } from './keys.ts';
import { requireSame } from './pinned-client.ts';
import { decodeBatch, decodeHead, encodeBatch, encodeHead, type Head } from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';
import { untilAnswered } from './until-answered.ts';

export interface FoundLog {
  readonly head: Head;
  readonly firstIndex: LogIndex;
}

/** Like every other home, a log begins with the empty entry that opens its term. */
export async function findLog(
  deps: EtcdDeps,
  settings: EtcdLogSettings,
  { keys, mayFound }: { readonly keys: LogKeys; readonly mayFound: boolean },
): Promise<FoundLog> {
  const never = new AbortController().signal;
  const ask = (txn: Txn): Promise<TxnResult> =>
    untilAnswered(deps, settings, (signal) => deps.client.txn(txn, signal), never);
  const seen = await ask(lookTxn(keys));
  const found = foundIn(seen);
  if (found !== undefined) return found;
  if (!mayFound) throw logGone('etcd holds no log of this metastore');
  // Lost answers and other founders: whoever was first, the log is there afterwards.
  await ask(foundTxn(keys, seen.clusterId, deps.random.bytes(16)));
  const founded = foundIn(await ask(lookTxn(keys)));
  if (founded === undefined) {
    throw new LogtierError('CORRUPT_STATE', 'the log vanished from etcd as it was founded');
  }
  return founded;
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
  return { head, firstIndex };
}

function foundTxn(keys: LogKeys, etcdClusterId: bigint, nonce: Uint8Array): Txn {
  const opening = { firstIndex: 1n, nonce, commands: [new Uint8Array(0)], totalBytes: 0n };
  const head = { lastIndex: 1n, totalBytes: 0n, etcdClusterId };
  return {
    guards: [{ key: keys.head, createRevision: 0n }],
    success: [
      { kind: 'put', key: entryKey(keys, 1n), value: encodeBatch(opening), lease: 0n },
      { kind: 'put', key: keys.head, value: encodeHead(head), lease: 0n },
    ],
    failure: [],
  };
}
