// Closed segments that wait for a copy: most urgent partition first, oldest segment first within it, one copy a
// partition at a time. Bounded: what does not fit stays on disk and is offered again.
import type { PartitionId } from '../segment/ids.ts';
import { partitionKey } from '../segment/ids.ts';

export interface QueuedCopy {
  readonly id: PartitionId;
  readonly startOffset: bigint;
  readonly logBytes: number;
  /** When Kafka's retention may delete the segment, by our wall clock; Infinity: never. */
  readonly deadlineMs: number;
  readonly queuedMs: number;
}

export type Offer = 'queued' | 'known' | 'full';

interface Lane<J extends QueuedCopy> {
  readonly waiting: J[];
  inFlight: J | undefined;
}

export class CopyQueue<J extends QueuedCopy> {
  private readonly lanes = new Map<string, Lane<J>>();
  private readonly limit: number;
  private waitingCount = 0;
  private readonly waiters: (() => void)[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.waitingCount;
  }

  /** Replaces what waits for the partition; `full` tells that some of it did not fit. */
  replace(id: PartitionId, jobs: readonly J[]): Offer {
    const lane = this.lane(id);
    this.waitingCount -= lane.waiting.length;
    const flying = lane.inFlight?.startOffset;
    const wanted = jobs.filter((job) => job.startOffset !== flying);
    const sorted = wanted.toSorted((a, b) => compareOffsets(a.startOffset, b.startOffset));
    const kept = sorted.slice(0, Math.max(0, this.limit - this.waitingCount));
    lane.waiting.splice(0, lane.waiting.length, ...kept);
    this.waitingCount += kept.length;
    this.dropIfIdle(id, lane);
    this.wakeAll();
    if (kept.length < sorted.length) return 'full';
    return kept.length > 0 ? 'queued' : 'known';
  }

  /** The next copy that may start, or undefined. The partition is busy until `done`. */
  take(): J | undefined {
    let best: Lane<J> | undefined;
    for (const lane of this.lanes.values()) {
      if (lane.inFlight === undefined && isMoreUrgent(lane.waiting[0], best?.waiting[0]))
        best = lane;
    }
    const job = best?.waiting.shift();
    if (best === undefined || job === undefined) return undefined;
    this.waitingCount -= 1;
    best.inFlight = job;
    return job;
  }

  done(job: J): void {
    const lane = this.lanes.get(partitionKey(job.id));
    if (lane === undefined) return;
    if (lane.inFlight === job) lane.inFlight = undefined;
    this.dropIfIdle(job.id, lane);
    this.wakeAll();
  }

  isWaiting(id: PartitionId, startOffset: bigint): boolean {
    const lane = this.lanes.get(partitionKey(id));
    return lane?.waiting.some((job) => job.startOffset === startOffset) ?? false;
  }

  /** Resolves when something changed that may let a copy start, or when `signal` fires. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      signal.addEventListener('abort', wake, { once: true });
      this.waiters.push(wake);
    });
  }

  private lane(id: PartitionId): Lane<J> {
    const key = partitionKey(id);
    const known = this.lanes.get(key);
    if (known !== undefined) return known;
    const lane: Lane<J> = { waiting: [], inFlight: undefined };
    this.lanes.set(key, lane);
    return lane;
  }

  private dropIfIdle(id: PartitionId, lane: Lane<J>): void {
    if (lane.waiting.length === 0 && lane.inFlight === undefined)
      this.lanes.delete(partitionKey(id));
  }

  private wakeAll(): void {
    for (const wake of this.waiters.splice(0)) wake();
  }
}

function isMoreUrgent(candidate: QueuedCopy | undefined, best: QueuedCopy | undefined): boolean {
  if (candidate === undefined || best === undefined) return candidate !== undefined;
  if (candidate.deadlineMs !== best.deadlineMs) return candidate.deadlineMs < best.deadlineMs;
  return candidate.queuedMs < best.queuedMs;
}

function compareOffsets(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
