// Who reads on where it ended gets the next chunks loaded ahead, over the border of the segment.

/** Readers of one partition that are told apart. */
const READERS_KEPT = 8;
const PARTITIONS_KEPT = 4096;

/** Where the last answers of each partition ended. */
export class Sequences {
  private readonly ends = new Map<string, bigint[]>();

  /** Whether an answer of `partition` ended exactly at `offset`. */
  goesOn(partition: string, offset: bigint): boolean {
    return this.ends.get(partition)?.includes(offset) === true;
  }

  ended(partition: string, from: bigint, next: bigint): void {
    const others = (this.ends.get(partition) ?? []).filter((end) => end !== from && end !== next);
    this.ends.delete(partition);
    this.ends.set(partition, [...others.slice(1 - READERS_KEPT), next]);
    if (this.ends.size <= PARTITIONS_KEPT) return;
    for (const oldest of this.ends.keys()) {
      this.ends.delete(oldest);
      return;
    }
  }
}

export interface ChunkPosition {
  /** Being read now. */
  readonly chunk: number;
  readonly lastChunk: number;
}

export interface AheadPlan {
  /** Of the segment being read. */
  readonly here: readonly number[];
  /** First chunks of the segment after it. */
  readonly there: readonly number[];
}

/** The next `chunks` chunks after the one being read. */
export function planAhead({ chunk, lastChunk }: ChunkPosition, chunks: number): AheadPlan {
  const here = Math.max(0, Math.min(chunks, lastChunk - chunk));
  return {
    here: Array.from({ length: here }, (_, index) => chunk + 1 + index),
    there: Array.from({ length: chunks - here }, (_, index) => index),
  };
}
