// The `<next offset>.snapshot` file: what the broker knew of each producer at that offset.
//
//   0 version, i16 = 1   2 crc, u32   6 count, i32   10 entries of 46 bytes
//   entry: 0 producerId i64   8 epoch i16   10 lastSequence i32   14 lastOffset i64   22 offsetDelta i32
//         26 timestamp i64   34 coordinatorEpoch i32   38 currentTxnFirstOffset i64 (-1 none)
//
// The CRC-32C covers [6, end).
// Layout: apache/kafka storage/src/main/java/org/apache/kafka/storage/internals/log/ProducerStateManager.java
import { crc32c } from '../base/checksum.ts';
import { readMs, viewOf } from './big-endian.ts';
import { corrupt, truncated, unsupported } from './file-errors.ts';

const VERSION = 1;
const CRC_START = 6;
const HEADER_BYTES = 10;
const ENTRY_BYTES = 46;

const damaged = corrupt('producer snapshot');
const torn = truncated('producer snapshot');

export interface ProducerState {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastOffset: bigint;
  /** Of the last batch: its last offset less its base offset. */
  readonly offsetDelta: number;
  readonly timestampMs: number;
  readonly coordinatorEpoch: number;
  /** First offset of the transaction that was open at the snapshot. */
  readonly openTransactionStart: bigint | undefined;
}

function producerAt(view: DataView, at: number): ProducerState {
  const start = view.getBigInt64(at + 38);
  return {
    producerId: view.getBigInt64(at),
    producerEpoch: view.getInt16(at + 8),
    lastSequence: view.getInt32(at + 10),
    lastOffset: view.getBigInt64(at + 14),
    offsetDelta: view.getInt32(at + 22),
    timestampMs: readMs(view, at + 26),
    coordinatorEpoch: view.getInt32(at + 34),
    openTransactionStart: start < 0n ? undefined : start,
  };
}

/** No producers at all is legal. */
export function parseProducerSnapshot(bytes: Uint8Array): ProducerState[] {
  if (bytes.length < HEADER_BYTES) throw torn('ends inside the header', bytes.length);
  const view = viewOf(bytes);
  const version = view.getInt16(0);
  if (version !== VERSION) throw unsupported('producer snapshot')(`version ${version}`, 0);
  const count = view.getInt32(CRC_START);
  const missingBytes = HEADER_BYTES + count * ENTRY_BYTES - bytes.length;
  if (count >= 0 && missingBytes > 0) throw torn(`${missingBytes} bytes are missing`, bytes.length);
  const crc = crc32c(bytes.subarray(CRC_START));
  if (crc !== view.getUint32(2)) throw damaged(`CRC-32C is ${crc}`, 2);
  if (count < 0 || missingBytes < 0) throw damaged(`it counts ${count} producers`, CRC_START);
  return Array.from({ length: count }, (_, index) =>
    producerAt(view, HEADER_BYTES + index * ENTRY_BYTES),
  );
}

/**
 * First offset of the oldest transaction open at the snapshot, undefined when there is none: below it all
 * is decided. From a file, so it orders the queue only (safety rule 16).
 */
export function oldestOpenTransaction(producers: readonly ProducerState[]): bigint | undefined {
  return producers
    .map((producer) => producer.openTransactionStart)
    .reduce(
      (oldest, start) =>
        oldest === undefined || (start !== undefined && start < oldest) ? start : oldest,
      undefined,
    );
}
