// One answer of a tier: whole batches, decoded, without markers and without aborted transactions.
import type { Decompress } from '../base/decompress.ts';
import type { ReadRecord } from '../gen/logtier/v1/operator.ts';
import { checkBatchCrc, readBatchHeader, type RecordBatchHeader } from '../kafka/record-batch.ts';
import { controlMarkerKind, decodeRecords, type KafkaRecord } from '../kafka/records.ts';

export type Tier = 'remote' | 'local';

export interface TierAnswer {
  readonly tier: Tier;
  /** Whole batches, ascending. */
  readonly bytes: Uint8Array;
  /** Transactions in them that were aborted; empty when all records are wanted. */
  readonly aborted: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[];
  readonly nextOffset: bigint;
}

/** Where whole batches end: the offset after the last one; undefined when there is none. */
export function endOfBatches(bytes: Uint8Array): bigint | undefined {
  let end: bigint | undefined;
  for (let position = 0; position < bytes.length;) {
    const header = readBatchHeader(bytes, position);
    end = header.lastOffset + 1n;
    position += header.batchBytes;
  }
  return end;
}

/** A list a batch, of records at or above `from`. CORRUPT_BATCH for bytes that are none. */
export async function* decodeAnswer(
  deps: { readonly decompress: Decompress },
  answer: TierAnswer,
  from: bigint,
): AsyncGenerator<ReadRecord[], void, undefined> {
  const { bytes, tier } = answer;
  const filter = new AbortedFilter(answer.aborted);
  for (let position = 0; position < bytes.length;) {
    const header = readBatchHeader(bytes, position);
    checkBatchCrc(bytes, position, header);
    const batch = { header, bytes: bytes.subarray(position, position + header.batchBytes) };
    position += header.batchBytes;
    if (header.isControl) filter.passMarker(header, await decodeRecords(deps.decompress, batch));
    else if (!filter.isAborted(header) && header.lastOffset >= from) {
      const records = await decodeRecords(deps.decompress, batch);
      yield records.filter(({ offset }) => offset >= from).map((record) => printed(record, tier));
    }
  }
}

/** As a consumer does (apache/kafka CompletedFetch): aborted from its first offset up to its marker. */
class AbortedFilter {
  private readonly waiting: { readonly producerId: bigint; readonly firstOffset: bigint }[];
  private readonly open = new Set<bigint>();

  constructor(aborted: TierAnswer['aborted']) {
    this.waiting = aborted.toSorted((left, right) =>
      left.firstOffset < right.firstOffset ? -1 : 1,
    );
  }

  isAborted(header: RecordBatchHeader): boolean {
    this.openUpTo(header.lastOffset);
    return header.isTransactional && this.open.has(header.producerId);
  }

  passMarker(header: RecordBatchHeader, records: readonly KafkaRecord[]): void {
    this.openUpTo(header.lastOffset);
    const [marker] = records;
    if (marker !== undefined && controlMarkerKind(marker) === 'abort')
      this.open.delete(header.producerId);
  }

  private openUpTo(offset: bigint): void {
    for (;;) {
      const [next] = this.waiting;
      if (next === undefined || next.firstOffset > offset) return;
      this.open.add(next.producerId);
      this.waiting.shift();
    }
  }
}

function printed(record: KafkaRecord, tier: Tier): ReadRecord {
  return {
    offset: record.offset,
    timestampMs: BigInt(record.timestampMs),
    key: viewOf(record.key),
    value: viewOf(record.value),
    headers: record.headers.map(({ key, value }) => ({ key, value: viewOf(value) })),
    tier,
  };
}

function viewOf(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
