// The referenced segments of one partition in flat arrays, 32 bytes each: what a look-up by offset searches.
import type { SegmentId } from '../../segment/ids.ts';
import { type EpochStart, segmentIdOf } from './index-keys.ts';

const ID_BYTES = 16;
/** Start, end and id. */
const ROW_BYTES = 8 + 8 + ID_BYTES;
const FIRST_ROWS = 8;

/** Rows of one epoch by start offset. */
class EpochColumns {
  private starts = new BigUint64Array(FIRST_ROWS);
  private nexts = new BigUint64Array(FIRST_ROWS);
  private ids = new Uint8Array(FIRST_ROWS * ID_BYTES);
  private count = 0;

  get bytes(): number {
    return this.starts.length * ROW_BYTES;
  }

  put({ startOffset, nextOffset, id }: EpochStart): void {
    const at = this.firstAt(startOffset);
    if (at === this.count || this.starts[at] !== startOffset) this.open(at);
    this.starts[at] = startOffset;
    this.nexts[at] = nextOffset;
    this.ids.set(Buffer.from(id, 'base64url'), at * ID_BYTES);
  }

  delete(startOffset: bigint): void {
    const at = this.firstAt(startOffset);
    if (at === this.count || this.starts[at] !== startOffset) return;
    this.shift(at + 1, -1);
    this.count -= 1;
  }

  /** The segment that begins nearest below `offset`, when it holds it. */
  find(offset: bigint): SegmentId | undefined {
    const at = this.firstAt(offset + 1n) - 1;
    const next = at < 0 ? undefined : this.nexts[at];
    if (next === undefined || offset >= next) return undefined;
    return segmentIdOf(this.ids.subarray(at * ID_BYTES, (at + 1) * ID_BYTES));
  }

  /** Of the first row that does not begin below `startOffset`. */
  private firstAt(startOffset: bigint): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.starts[middle];
      if (start !== undefined && start < startOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private open(at: number): void {
    if (this.count === this.starts.length) this.grow();
    this.shift(at, 1);
    this.count += 1;
  }

  private shift(from: number, by: 1 | -1): void {
    this.starts.copyWithin(from + by, from, this.count);
    this.nexts.copyWithin(from + by, from, this.count);
    this.ids.copyWithin((from + by) * ID_BYTES, from * ID_BYTES, this.count * ID_BYTES);
  }

  private grow(): void {
    const rows = this.count * 2;
    const { starts, nexts, ids } = this;
    this.starts = new BigUint64Array(rows);
    this.nexts = new BigUint64Array(rows);
    this.ids = new Uint8Array(rows * ID_BYTES);
    this.starts.set(starts);
    this.nexts.set(nexts);
    this.ids.set(ids);
  }
}

/** What a partition and an epoch cost beside their rows: maps and names. */
const OVERHEAD_BYTES = 512;

export class EpochTable {
  private readonly epochs = new Map<number, EpochColumns>();

  get bytes(): number {
    let bytes = OVERHEAD_BYTES;
    for (const columns of this.epochs.values()) bytes += OVERHEAD_BYTES + columns.bytes;
    return bytes;
  }

  put(start: EpochStart): void {
    const known = this.epochs.get(start.epoch);
    const columns = known ?? new EpochColumns();
    if (known === undefined) this.epochs.set(start.epoch, columns);
    columns.put(start);
  }

  delete({ epoch, startOffset }: Pick<EpochStart, 'epoch' | 'startOffset'>): void {
    this.epochs.get(epoch)?.delete(startOffset);
  }

  find(epoch: number, offset: bigint): SegmentId | undefined {
    return this.epochs.get(epoch)?.find(offset);
  }
}
