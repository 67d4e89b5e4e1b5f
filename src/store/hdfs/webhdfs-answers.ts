// WebHDFS's JSON, checked field by field.
import { LogtierError } from '../../base/errors.ts';
import { countOf, fieldOf, itemsOf, textOf } from './json-fields.ts';

export interface FileStatus {
  readonly type: 'FILE' | 'DIRECTORY';
  /** The entry's own name in a listing; '' when a path was asked for. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly replication: number;
}

export interface StatusBatch {
  readonly entries: readonly FileStatus[];
  /** Entries after these. */
  readonly remaining: number;
}

function strange(what: string, text: string): LogtierError {
  return new LogtierError('STORE_REFUSED', `no ${what} in the answer '${text.slice(0, 120)}'`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function statusFrom(value: unknown): FileStatus | undefined {
  const type = fieldOf(value, 'type');
  const name = textOf(fieldOf(value, 'pathSuffix'));
  const sizeBytes = countOf(fieldOf(value, 'length'));
  const modifiedMs = countOf(fieldOf(value, 'modificationTime'));
  const replication = countOf(fieldOf(value, 'replication'));
  const isKnown = type === 'FILE' || type === 'DIRECTORY';
  if (!isKnown || name === undefined || sizeBytes === undefined) return undefined;
  if (modifiedMs === undefined || replication === undefined) return undefined;
  return { type, name, sizeBytes, modifiedMs, replication };
}

export function statusOf(text: string): FileStatus {
  const status = statusFrom(fieldOf(parsed(text), 'FileStatus'));
  if (status === undefined) throw strange('FileStatus', text);
  return status;
}

/** Symbolic links and whatever else HDFS may hold are left out. */
export function batchOf(text: string): StatusBatch {
  const listing = fieldOf(parsed(text), 'DirectoryListing');
  const statuses = fieldOf(fieldOf(listing, 'partialListing'), 'FileStatuses');
  const items = itemsOf(fieldOf(statuses, 'FileStatus'));
  const remaining = countOf(fieldOf(listing, 'remainingEntries'));
  if (items === undefined || remaining === undefined) throw strange('DirectoryListing', text);
  const entries = items.map(statusFrom).filter((status) => status !== undefined);
  return { entries, remaining };
}

export function booleanOf(text: string): boolean | undefined {
  const value = fieldOf(parsed(text), 'boolean');
  return typeof value === 'boolean' ? value : undefined;
}

/** The DataNode's URL, from the body (`noredirect`) or the header of a redirect. */
export function locationOf(header: string | undefined, text: string): URL {
  const named = header ?? textOf(fieldOf(parsed(text), 'Location')) ?? '';
  if (!/^https?:\/\//.test(named) || !URL.canParse(named)) throw strange('Location', text);
  return new URL(named);
}

function replicasOf(block: unknown): number | undefined {
  if (fieldOf(block, 'corrupt') === true) return 0;
  const names = itemsOf(fieldOf(block, 'names'));
  return names === undefined ? undefined : new Set(names).size;
}

export function fewestReplicas(text: string): number | undefined {
  const locations = fieldOf(parsed(text), 'BlockLocations');
  const blocks = itemsOf(fieldOf(locations, 'BlockLocation'));
  const counts = blocks?.map(replicasOf).filter((count) => count !== undefined);
  if (counts === undefined || counts.length !== blocks?.length)
    throw strange('BlockLocations', text);
  return counts.length === 0 ? undefined : Math.min(...counts);
}
