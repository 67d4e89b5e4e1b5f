// How large entries count against limits: as their protobuf encoding in go.etcd.io/raft (raft.proto, message
// Entry), so that both cut messages at the same place.
//
// One difference is left: etcd encodes the type of the empty entry that stands in for a refused conf
// change (2 bytes more), because it was set, if only to its default.
import type { Entry } from './messages.ts';
import { varintBytes } from './tagged-fields.ts';

const TAG_BYTES = 1;
/** Tag and number of a type other than the default. */
const TYPE_BYTES = 2;

export function entryBytes(entry: Entry): number {
  const head = TAG_BYTES + varintBytes(entry.term) + TAG_BYTES + varintBytes(entry.index);
  const type = entry.type === 'normal' ? 0 : TYPE_BYTES;
  const payload = entry.data.length;
  return head + type + (payload === 0 ? 0 : TAG_BYTES + varintBytes(payload) + payload);
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** Payloads only: what clients sent. Empty entries weigh nothing and are never refused. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** The part of entries[start, end) that stays within `maxBytes`, at least one when there is one. */
export function sliceWithin(
  entries: readonly Entry[],
  start: number,
  end: number,
  maxBytes: number,
): Entry[] {
  let bytes = 0;
  let cut = start;
  while (cut < end) {
    const entry = entries[cut];
    if (entry === undefined) break;
    bytes += entryBytes(entry);
    if (bytes > maxBytes && cut > start) break;
    cut++;
  }
  return entries.slice(start, cut);
}
