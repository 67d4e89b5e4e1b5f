import type { ReadRecord } from '../gen/logtier/v1/operator.ts';

/** A message's worth: far below gRPC's limit, and many small records a message. */
const PAGE_BYTES = 2 ** 20;
const PAGE_RECORDS = 1_000;
/** What a record's offset, time, tier and headers add, roughly. */
const RECORD_OVERHEAD_BYTES = 40;

/** The records in pages that a message can carry, at most `count` in all. */
export async function* pagesOf(
  batches: AsyncIterable<readonly ReadRecord[]>,
  count: bigint,
): AsyncGenerator<ReadRecord[], void, undefined> {
  let left = count;
  let page: ReadRecord[] = [];
  let pageBytes = 0;
  for await (const records of batches) {
    for (const record of records) {
      page.push(record);
      pageBytes += sizeOf(record);
      left -= 1n;
      const isFull = pageBytes >= PAGE_BYTES || page.length >= PAGE_RECORDS;
      if (isFull || left <= 0n) {
        yield page;
        page = [];
        pageBytes = 0;
      }
      if (left <= 0n) return;
    }
  }
  if (page.length > 0) yield page;
}

function sizeOf({ key, value, headers }: ReadRecord): number {
  const headerBytes = headers.reduce(
    (bytes, header) => bytes + header.key.length + (header.value?.length ?? 0),
    0,
  );
  return RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0) + headerBytes;
}
