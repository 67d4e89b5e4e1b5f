// Kafka's RemoteLogMetadataCache and RemoteLogLeaderEpochState, naively: maps that are walked from end to end.
// Two differences of ours are in it: a segment replaced at its own start stays listed, and look-ups for
// transactions go over holes.
import { type SegmentRecord, SegmentState } from '../../src/gen/logtier/v1/catalog_command.ts';

interface Epoch {
  readonly starts: Map<bigint, string>;
  readonly unreferenced: Set<string>;
  highestNext: bigint;
}

export class RemoteMetadataModel {
  private readonly epochs = new Map<number, Epoch>();
  readonly records = new Map<string, SegmentRecord>();

  started(record: SegmentRecord): void {
    this.records.set(record.segmentId, { ...record, state: SegmentState.COPY_SEGMENT_STARTED });
    for (const { epoch } of record.epochs) this.epoch(epoch).unreferenced.add(record.segmentId);
  }

  finished(id: string): void {
    const record = this.moved(id, SegmentState.COPY_SEGMENT_FINISHED);
    for (const { epoch, startOffset } of record.epochs) {
      const state = this.epoch(epoch);
      const next = nextOf(record, epoch);
      const last = (): bigint | undefined => [...state.starts.keys()].toSorted(ascending).at(-1);
      while ((last() ?? -1n) >= startOffset && state.highestNext <= next) {
        const key = last()!;
        state.unreferenced.add(state.starts.get(key)!);
        state.starts.delete(key);
      }
      const replaced = state.starts.get(startOffset);
      if (replaced !== undefined) state.unreferenced.add(replaced);
      state.starts.set(startOffset, id);
      state.unreferenced.delete(id);
      if (next > state.highestNext) state.highestNext = next;
    }
  }

  deleting(id: string): void {
    const record = this.moved(id, SegmentState.DELETE_SEGMENT_STARTED);
    for (const { epoch, startOffset } of record.epochs) {
      const state = this.epoch(epoch);
      if (state.starts.get(startOffset) === id) state.starts.delete(startOffset);
      state.unreferenced.add(id);
    }
  }

  ended(id: string): void {
    const record = this.records.get(id)!;
    for (const { epoch } of record.epochs) this.epoch(epoch).unreferenced.delete(id);
    this.records.delete(id);
  }

  find(epoch: number, offset: bigint): string | undefined {
    const floors = [...this.epoch(epoch).starts].filter(([start]) => start <= offset);
    const [floor] = floors.toSorted(([left], [right]) => ascending(right, left));
    if (floor === undefined) return undefined;
    return offset < nextOf(this.records.get(floor[1])!, epoch) ? floor[1] : undefined;
  }

  /** As Kafka asks: from one end to the next look-up, until nothing is found. */
  walkToTransactions(epoch: number, offset: bigint): string | undefined {
    for (let at = offset; ;) {
      const id = this.find(epoch, at);
      if (id === undefined) return undefined;
      const record = this.records.get(id)!;
      if (!record.txnIndexEmpty) return id;
      at = nextOf(record, epoch);
    }
  }

  nextWithTransactions(epoch: number, offset: bigint): string | undefined {
    const holding = this.find(epoch, offset);
    if (holding !== undefined && !this.records.get(holding)!.txnIndexEmpty) return holding;
    const later = [...this.epoch(epoch).starts].filter(
      ([start, id]) => start > offset && !this.records.get(id)!.txnIndexEmpty,
    );
    return later.toSorted(([left], [right]) => ascending(left, right))[0]?.[1];
  }

  /** Ids that hold offsets of the epoch, in any state. */
  listed(epoch: number): string[] {
    const { starts, unreferenced } = this.epoch(epoch);
    return [...new Set([...starts.values(), ...unreferenced])].toSorted();
  }

  highestNext(epoch: number): bigint {
    return this.epoch(epoch).highestNext;
  }

  upToTime(ms: bigint): string[] {
    return [...this.records.values()]
      .filter(({ state }) => state === SegmentState.COPY_SEGMENT_FINISHED)
      .filter(({ maxTimestampMs }) => maxTimestampMs <= ms)
      .map(({ segmentId }) => segmentId)
      .toSorted();
  }

  private moved(id: string, state: SegmentState): SegmentRecord {
    const record = { ...this.records.get(id)!, state };
    this.records.set(id, record);
    return record;
  }

  private epoch(epoch: number): Epoch {
    const known = this.epochs.get(epoch);
    if (known !== undefined) return known;
    const fresh = { starts: new Map(), unreferenced: new Set<string>(), highestNext: 0n };
    this.epochs.set(epoch, fresh);
    return fresh;
  }
}

function nextOf({ epochs, nextOffset }: SegmentRecord, epoch: number): bigint {
  const at = epochs.findIndex((entry) => entry.epoch === epoch);
  return epochs[at + 1]?.startOffset ?? nextOffset;
}

function ascending(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
