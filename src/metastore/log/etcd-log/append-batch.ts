// One batch, taken over by etcd at most once.
//
//   put entries and head, if head is at the revision I know ──yes──► committed
//     │ no answer: the same again; of both at most one can find that revision
//     └ no: who stands at my place? ── my nonce ──► committed after all
//                                    └ another ──► mine can no longer land there: go behind the others
import { hasCode, LogtierError } from '../../../base/errors.ts';
import { backoffMs } from '../../../base/backoff.ts';
import { abortError, type Clock } from '../../../platform/clock.ts';
import type { Random } from '../../../platform/random.ts';
import type { EtcdClient, Txn, TxnResult } from './etcd-client.ts';
import { entriesFrom, entryKey, type LogKeys } from './keys.ts';
import {
  type Batch,
  commandBytes,
  decodeBatch,
  decodeHead,
  encodeBatch,
  encodeHead,
  type Head,
} from './rows.ts';
import type { EtcdLogSettings } from './settings.ts';

export interface EtcdDeps {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Proposal {
  readonly keys: LogKeys;
  /** Where the log ends, as far as we know. */
  readonly head: Head;
  readonly commands: readonly Uint8Array[];
}

/** The new end of the log: the last command's index. */
export async function appendBatch(
  deps: EtcdDeps,
  settings: EtcdLogSettings,
  proposal: Proposal,
  signal: AbortSignal,
): Promise<Head> {
  const { keys, commands } = proposal;
  const nonce = deps.random.bytes(16);
  let head = proposal.head;
  let isUnknown = false;
  for (let attempt = 0; ; attempt += 1) {
    const batch = batchBehind(head, commands, nonce);
    const result = await tryTxn(deps, appendTxn(keys, head, batch), signal, isUnknown);
    if (result === undefined) {
      isUnknown = true;
      await pause(deps, settings, attempt, signal);
    } else if (result.succeeded) {
      return { ...headAfter(head, batch), modRevision: result.revision };
    } else {
      const seen = seenInstead(result, batch, head);
      if (seen.mine !== undefined) return seen.mine;
      if (isUnknown && !seen.isOthers) throw outcomeUnknown('its place was compacted meanwhile');
      isUnknown = false;
      head = seen.head;
    }
  }
}

function batchBehind(head: Head, commands: readonly Uint8Array[], nonce: Uint8Array): Batch {
  const firstIndex = head.lastIndex + 1n;
  const lastIndex = head.lastIndex + BigInt(commands.length);
  const totalBytes = head.totalBytes + BigInt(commandBytes(commands));
  return { firstIndex, lastIndex, nonce, commands, totalBytes };
}

function headAfter(before: Head, batch: Batch): Omit<Head, 'modRevision'> {
  const { etcdClusterId, beginsAfter } = before;
  const { lastIndex, totalBytes } = batch;
  return { lastIndex, totalBytes, etcdClusterId, beginsAfter };
}

function appendTxn(keys: LogKeys, head: Head, batch: Batch): Txn {
  const place = entriesFrom(keys, batch.firstIndex);
  const headValue = encodeHead(headAfter(head, batch));
  return {
    guards: [{ key: keys.head, modRevision: head.modRevision }],
    success: [
      { kind: 'put', key: entryKey(keys, batch.lastIndex), value: encodeBatch(batch), lease: 0n },
      { kind: 'put', key: keys.head, value: headValue, lease: 0n },
    ],
    failure: [
      { kind: 'range', start: keys.head, end: undefined, limit: 1, keysOnly: false },
      { kind: 'range', ...place, limit: 1, keysOnly: false },
    ],
  };
}

/** Undefined when nobody knows whether it was done. */
async function tryTxn(
  deps: EtcdDeps,
  txn: Txn,
  signal: AbortSignal,
  wasUnknown: boolean,
): Promise<TxnResult | undefined> {
  try {
    return await deps.client.txn(txn, signal);
  } catch (error) {
    const isNotTaken = hasCode(error, 'OVERLOADED', 'METASTORE_DENIED', 'INVALID_ARGUMENT');
    if (isNotTaken && !wasUnknown) throw error;
    if (isNotTaken || signal.aborted || !hasCode(error, 'METASTORE_UNAVAILABLE')) {
      throw outcomeUnknown('etcd did not answer in time', error);
    }
    return undefined;
  }
}

interface Seen {
  readonly head: Head;
  /** The end right behind my batch, when it is my batch that stands there. */
  readonly mine: Head | undefined;
  readonly isOthers: boolean;
}

function seenInstead({ ranges }: TxnResult, batch: Batch, known: Head): Seen {
  const row = ranges[0]?.rows[0];
  if (row === undefined) throw logGone('the log is gone from etcd');
  const head = decodeHead(row);
  if (head.lastIndex < known.lastIndex) {
    throw logGone(`the log went back from entry ${known.lastIndex} to ${head.lastIndex}`);
  }
  const placeRow = ranges[1]?.rows[0];
  const place = placeRow === undefined ? undefined : decodeBatch(placeRow);
  const isThere = place !== undefined && place.firstIndex === batch.firstIndex;
  const isMine = isThere && Buffer.compare(place.nonce, batch.nonce) === 0;
  if (!isMine) return { head, mine: undefined, isOthers: isThere };
  const modRevision = placeRow?.modRevision ?? head.modRevision;
  return { head, mine: { ...headAfter(known, batch), modRevision }, isOthers: false };
}

export function logGone(what: string): LogtierError {
  return new LogtierError('CORRUPT_STATE', `${what}: etcd was restored or replaced`, {
    hint: 'tokens must not go back: restore the metastore, which raises its incarnation',
  });
}

function outcomeUnknown(why: string, cause?: unknown): LogtierError {
  return new LogtierError('OUTCOME_UNKNOWN', `taken over or not: ${why}`, { cause });
}

async function pause(
  { clock, random }: EtcdDeps,
  settings: EtcdLogSettings,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await clock.sleep(backoffMs(settings, attempt, random.share()), signal);
  } catch {
    throw outcomeUnknown('etcd did not answer in time', abortError(signal));
  }
}
