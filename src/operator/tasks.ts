// Copies and erasures in flight, a look a second, with the rate of each and the time it has left.
import type { TaskLine, WatchTasksResponse } from '../gen/logtier/v1/operator.ts';
import type { Clock } from '../platform/clock.ts';
import type { CopyTask, UploaderStatus } from '../uploader/uploader-status.ts';

/** One object being erased. */
export interface EraseInFlight {
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: bigint;
  readonly step: string;
  readonly objectBytes: number;
  readonly attempt: number;
  /** Wall clock. */
  readonly sinceMs: number;
}

export interface TasksDeps {
  readonly uploader: Pick<UploaderStatus, 'tasks'>;
  /** What erasers have in their hands now; they are quick, so most looks see none. */
  readonly erasures: () => readonly EraseInFlight[];
  readonly clock: Clock;
}

const LOOK_MS = 1_000;
/** Weight of the newest second: an old rate counts half after about two looks. */
const NEWEST = 0.3;

/** Until `signal` fires. */
export async function* watchTasks(
  deps: TasksDeps,
  signal: AbortSignal,
): AsyncGenerator<WatchTasksResponse, void, undefined> {
  const { uploader, erasures, clock } = deps;
  const rates = new TaskRates();
  for (;;) {
    const { copies, queued } = uploader.tasks();
    const atMs = clock.wallMs();
    const now = { monotonicMs: clock.monotonicMs(), wallMs: atMs };
    const lines = rates.look(copies, now);
    yield {
      tasks: [...lines, ...erasures().map(eraseLine)],
      queued: BigInt(queued),
      atMs: BigInt(Math.round(atMs)),
    };
    await clock.sleep(LOOK_MS, signal);
  }
}

interface Seen {
  readonly attempt: number;
  readonly sentBytes: number;
  readonly atMs: number;
  readonly bytesPerSecond: number;
}

/** Exponentially weighted; a new attempt begins anew. */
export class TaskRates {
  private seen = new Map<string, Seen>();

  /** Forgets tasks that are not among `copies`. */
  look(
    copies: readonly CopyTask[],
    now: { readonly monotonicMs: number; readonly wallMs: number },
  ): TaskLine[] {
    const next = new Map<string, Seen>();
    const lines = copies.map((task) => {
      const key = `${task.topic}:${task.partition}:${task.startOffset}`;
      const bytesPerSecond = rateOf(this.seen.get(key), task, now);
      next.set(key, {
        attempt: task.attempt,
        sentBytes: task.sentBytes,
        atMs: now.monotonicMs,
        bytesPerSecond,
      });
      return copyLine(task, bytesPerSecond);
    });
    this.seen = next;
    return lines;
  }
}

function rateOf(
  seen: Seen | undefined,
  task: CopyTask,
  now: { readonly monotonicMs: number; readonly wallMs: number },
): number {
  if (seen === undefined || seen.attempt !== task.attempt || task.sentBytes < seen.sentBytes) {
    const elapsedMs = now.wallMs - task.sinceMs;
    return elapsedMs > 0 ? (task.sentBytes / elapsedMs) * 1_000 : 0;
  }
  const elapsedMs = now.monotonicMs - seen.atMs;
  if (elapsedMs <= 0) return seen.bytesPerSecond;
  const rate = ((task.sentBytes - seen.sentBytes) / elapsedMs) * 1_000;
  return NEWEST * rate + (1 - NEWEST) * seen.bytesPerSecond;
}

function copyLine(task: CopyTask, bytesPerSecond: number): TaskLine {
  const leftBytes = task.totalBytes - task.sentBytes;
  const isKnown = bytesPerSecond >= 1 && leftBytes >= 0 && task.totalBytes > 0;
  return {
    kind: 'copy',
    topic: task.topic,
    partition: task.partition,
    startOffset: task.startOffset,
    step: task.step,
    doneBytes: BigInt(task.sentBytes),
    totalBytes: BigInt(task.totalBytes),
    bytesPerSecond: BigInt(Math.round(bytesPerSecond)),
    etaMs: isKnown ? BigInt(Math.round((leftBytes / bytesPerSecond) * 1_000)) : undefined,
    attempt: task.attempt,
    sinceMs: BigInt(Math.round(task.sinceMs)),
  };
}

function eraseLine(erase: EraseInFlight): TaskLine {
  return {
    kind: 'erase',
    topic: erase.topic,
    partition: erase.partition,
    startOffset: erase.startOffset,
    step: erase.step,
    doneBytes: 0n,
    totalBytes: BigInt(erase.objectBytes),
    bytesPerSecond: 0n,
    etaMs: undefined,
    attempt: erase.attempt,
    sinceMs: BigInt(Math.round(erase.sinceMs)),
  };
}
