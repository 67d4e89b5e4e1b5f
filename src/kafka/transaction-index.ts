// The `.txnindex` file of a segment: transactions whose abort marker lies in it. Absent when there is none.
//
//   0 version, i16 = 0   2 producerId   10 firstOffset   18 lastOffset   26 lastStableOffset (i64 each)
//
// 34 bytes an entry, ascending by lastOffset, the marker's. lastStableOffset: where it stood after the abort.
// Layout: apache/kafka storage/src/main/java/org/apache/kafka/storage/internals/log/AbortedTxn.java
import { viewOf } from './big-endian.ts';
import { corrupt, truncated, unsupported } from './file-errors.ts';

export const TRANSACTION_ENTRY_BYTES = 34;
const VERSION = 0;

const damaged = corrupt('transaction index');
const torn = truncated('transaction index');

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
  /** Inclusive: of the abort marker. */
  readonly lastOffset: bigint;
  readonly lastStableOffset: bigint;
}

export function parseTransactionIndex(bytes: Uint8Array): AbortedTransaction[] {
  const view = viewOf(bytes);
  const entries: AbortedTransaction[] = [];
  for (let at = 0; at < bytes.length; at += TRANSACTION_ENTRY_BYTES) {
    if (at + TRANSACTION_ENTRY_BYTES > bytes.length) throw torn('ends inside an entry', at);
    const version = view.getInt16(at);
    if (version !== VERSION) {
      throw unsupported('transaction index')(`version ${version}`, at);
    }
    const entry: AbortedTransaction = {
      producerId: view.getBigInt64(at + 2),
      firstOffset: view.getBigInt64(at + 10),
      lastOffset: view.getBigInt64(at + 18),
      lastStableOffset: view.getBigInt64(at + 26),
    };
    requireOrder(entry, entries.at(-1), at);
    entries.push(entry);
  }
  return entries;
}

function requireOrder(
  entry: AbortedTransaction,
  last: AbortedTransaction | undefined,
  at: number,
): void {
  const { producerId, firstOffset, lastOffset, lastStableOffset } = entry;
  const isPlausible =
    producerId >= 0n && firstOffset >= 0n && firstOffset <= lastOffset && lastStableOffset >= 0n;
  if (!isPlausible) throw damaged('an entry has impossible offsets', at);
  if (last !== undefined && lastOffset <= last.lastOffset) {
    throw damaged('entries do not ascend', at);
  }
}

export interface AbortedInRange {
  readonly aborted: readonly AbortedTransaction[];
  /** False: a later segment may hold the abort marker of a transaction in this range; go on there. */
  readonly isComplete: boolean;
}

/**
 * The aborted transactions that touch offsets [from, upper). An entry whose last stable offset has reached
 * `upper` ends the search: all that began below it has been decided (TransactionIndex.collectAbortedTxns).
 */
export function collectAborted(
  entries: readonly AbortedTransaction[],
  from: bigint,
  upper: bigint,
): AbortedInRange {
  const stop = entries.findIndex((entry) => entry.lastStableOffset >= upper);
  const read = stop === -1 ? entries : entries.slice(0, stop + 1);
  const aborted = read.filter((entry) => entry.lastOffset >= from && entry.firstOffset < upper);
  return { aborted, isComplete: stop !== -1 };
}

export function printTransactionIndex(entries: readonly AbortedTransaction[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * TRANSACTION_ENTRY_BYTES);
  const view = viewOf(bytes);
  entries.forEach((entry, index) => {
    const at = index * TRANSACTION_ENTRY_BYTES;
    view.setInt16(at, VERSION);
    view.setBigInt64(at + 2, entry.producerId);
    view.setBigInt64(at + 10, entry.firstOffset);
    view.setBigInt64(at + 18, entry.lastOffset);
    view.setBigInt64(at + 26, entry.lastStableOffset);
  });
  return bytes;
}
