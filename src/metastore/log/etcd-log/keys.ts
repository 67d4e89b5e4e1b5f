// Keys of one log in etcd. Entries sort by the index of a batch's last command.
import type { LogIndex } from '../replicated-log.ts';
import type { KeyRange } from './etcd-client.ts';

/** Digits of the largest uint64. */
const INDEX_DIGITS = 20;

export interface LogKeys {
  readonly prefix: string;
  readonly groupId: string;
  /** Of all logs under the prefix. */
  readonly all: KeyRange;
  readonly head: string;
  readonly snapshot: string;
  readonly keeper: string;
  readonly entries: KeyRange;
}

export function logKeys(prefix: string, groupId: string): LogKeys {
  const base = `${prefix}/${groupId}`;
  return {
    prefix,
    groupId,
    all: { start: `${prefix}/`, end: `${prefix}0` }, // 0 follows / in ASCII
    head: `${base}/head`,
    snapshot: `${base}/snapshot`,
    keeper: `${base}/keeper`,
    entries: { start: `${base}/log/`, end: `${base}/log0` },
  };
}

/** Whose log a key under the prefix is of; undefined: of none. */
export function metastoreOf({ all }: LogKeys, key: string): string | undefined {
  return METASTORE_KEY.exec(key.slice(all.start.length))?.[1];
}

/** An id is 22 characters of base64url. */
const METASTORE_KEY = /^([A-Za-z0-9_-]{22})\/(?:head|log\/|snapshot)/;

export function entryKey(keys: LogKeys, lastIndex: LogIndex): string {
  return `${keys.entries.start}${String(lastIndex).padStart(INDEX_DIGITS, '0')}`;
}

/** Batches that hold an entry at `index` or above. */
export function entriesFrom(keys: LogKeys, index: LogIndex): KeyRange {
  return { start: entryKey(keys, index), end: keys.entries.end };
}

/** Batches that hold no entry above `index`. */
export function entriesThrough(keys: LogKeys, index: LogIndex): KeyRange {
  return { start: keys.entries.start, end: entryKey(keys, index + 1n) };
}
