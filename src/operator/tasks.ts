// Copies in flight and erasures in flight or waiting, a look a second: rate, time left, next due time, last error.
import { LogtierError } from '../base/errors.ts';
import type { TaskLine, WatchTasksResponse } from '../gen/logtier/v1/operator.ts';
import { throwIfAborted, type Clock } from '../platform/clock.ts';
import { parseObjectKey } from '../segment/object-key.ts';
import type { CopyTask, EraserStatus, UploaderStatus } from '../uploader/uploader-status.ts';
import { bounded } from './bounded.ts';
import type { QueuedErase, RemoteCatalog } from './remote-catalog.ts';

export interface TasksDeps {
  readonly uploader: Pick<UploaderStatus, 'tasks' | 'erasures'>;
  readonly catalog: Pick<RemoteCatalog, 'eraseQueue'>;
  readonly clock: Clock;
}

export interface TasksSettings {
  /** Longest wait for the delete queue; a look goes on without it. */
  readonly metastoreWaitMs: number;
}

const LOOK_MS = 1_000;
/** Weight of the newest second: an old rate counts half after about two looks. */
const NEWEST = 0.3;
/** Erasures told, those that come due first: the queue may hold a whole topic. */
const MOST_ERASURES = 100;

/** Until `signal` fires. */
export async function* watchTasks(
  deps: TasksDeps,
  settings: TasksSettings,
  signal: AbortSignal,
): AsyncGenerator<WatchTasksResponse, void, undefined> {
  const { uploader, clock } = deps;
  const rates = new TaskRates();
  for (;;) {
    const { queue, unknown } = await queuedErasures(deps, settings, signal);
    const { copies, queued } = uploader.tasks();
    const atMs = clock.wallMs();
    const now = { monotonicMs: clock.monotonicMs(), wallMs: atMs };
    const told = queue.slice(0, MOST_ERASURES);
    yield {
      tasks: [
        ...rates.look(copies, now),
        ...told.map((queuedErase) => eraseLine(queuedErase, uploader.erasures(), atMs)),
      ],
      queued: BigInt(queued),
      atMs: BigInt(Math.round(atMs)),
      moreErasures: queue.length > told.length,
      erasuresUnknown: unknown,
    };
    await clock.sleep(LOOK_MS, signal);
  }
}

/** The delete queue is the metastore's: any sidecar may drain it. Copies are told while it is away. */
async function queuedErasures(
  { catalog, clock }: TasksDeps,
  { metastoreWaitMs }: TasksSettings,
  signal: AbortSignal,
): Promise<{ readonly queue: readonly QueuedErase[]; readonly unknown: string }> {
  const ask = (by: AbortSignal): Promise<readonly QueuedErase[]> =>
    catalog.eraseQueue(MOST_ERASURES + 1, by);
  try {
    return { queue: await bounded(clock, metastoreWaitMs, ask, signal), unknown: '' };
  } catch (error) {
    throwIfAborted(signal);
    if (!(error instanceof LogtierError)) throw error;
    return { queue: [], unknown: error.message };
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
    dueMs: undefined,
    error: '',
  };
}

/** Its topic is told by its key, which outlives the topic; a key of another form tells its partition's ids. */
function eraseLine(
  { id, objectKey, objectBytes, passes, queuedMs, dueInMs }: QueuedErase,
  { inHand, failures }: EraserStatus,
  atMs: number,
): TaskLine {
  const parsed = parseObjectKey(objectKey);
  const waiting = dueInMs > 0 ? 'outwaiting late writers' : 'due';
  return {
    kind: 'erase',
    topic: parsed?.topic ?? id.topicId,
    partition: id.partition,
    startOffset: parsed?.startOffset ?? 0n,
    step: inHand.has(objectKey) ? 'erasing' : waiting,
    doneBytes: 0n,
    totalBytes: BigInt(objectBytes),
    bytesPerSecond: 0n,
    etaMs: undefined,
    attempt: passes + 1,
    sinceMs: BigInt(Math.round(queuedMs)),
    dueMs: dueInMs > 0 ? BigInt(Math.round(atMs + dueInMs)) : undefined,
    error: failures.get(objectKey) ?? '',
  };
}
