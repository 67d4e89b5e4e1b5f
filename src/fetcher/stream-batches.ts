// The batches of one segment on their way to a reader: read a window, cut it, read the next one ahead, send.
import { LogtierError, hasCode } from '../base/errors.ts';
import { LOG_CHUNK_BYTES } from '../segment/segment-object.ts';
import { throwIfAborted } from '../platform/clock.ts';
import { BATCH_HEADER_BYTES } from '../kafka/record-batch.ts';
import {
  BatchCutter,
  type Cut,
  type IsUndecided,
  type StreamRules,
  type StreamStop,
} from './cut-batches.ts';
import type { OpenSegment } from './index-reader.ts';
import {
  MESSAGE_BYTES,
  MESSAGE_HEADROOM_BYTES,
  type MessageBuffers,
  type MessageBytes,
} from './message-buffers.ts';
import type { FetcherMetrics } from './metrics.ts';
import { distrustRange, readRange, type ReadDeps } from './read-range.ts';

/** A small answer does not read a whole message's worth. */
const SMALLEST_WINDOW_BYTES = 64 * 2 ** 10;

export interface StreamDeps {
  readonly reads: ReadDeps;
  readonly buffers: MessageBuffers;
  readonly metrics: FetcherMetrics;
}

export interface StreamPlan {
  readonly segment: OpenSegment;
  /** Where in the log to begin: at or before the batch that holds `rules.from`. */
  readonly position: number;
  /** Soft: at least one batch is sent. */
  readonly maxBytes: number;
  readonly rules: StreamRules;
  /** Told each time the first bytes of another chunk have come. */
  readonly onChunk: (chunk: number) => void;
  /** Asked at most once, and only when a transactional batch is met. */
  readonly outcomes: () => Promise<IsUndecided>;
}

export interface StreamEnd {
  readonly nextOffset: bigint;
  readonly isAnySent: boolean;
  readonly hasTransactions: boolean;
  readonly stop: StreamStop | 'end-of-log';
}

interface Window {
  readonly buffer: Buffer;
  readonly bytes: Buffer;
  readonly position: number;
}

/** At most two buffers are in its hands at once, besides those it has yielded. */
export async function* streamBatches(
  deps: StreamDeps,
  plan: StreamPlan,
  signal: AbortSignal,
): AsyncGenerator<MessageBytes, StreamEnd, undefined> {
  const stream = new BatchStream(deps, plan, signal);
  let reading = stream.read(plan.position, 0);
  for (;;) {
    throwIfAborted(signal);
    const window = await reading;
    stream.enter(window.position + window.bytes.length - 1);
    const cut = await stream.cut(window);
    const step = stream.stepAfter(cut);
    if (step === 'read') reading = stream.read(cut.position, cut.largeBytes);
    if (cut.end > cut.start) yield stream.message(window, cut);
    else deps.buffers.giveBack(window.buffer);
    if (step === 'end') return stream.end(cut.stop);
    if (step === 'read') continue;
    if (step === 'ask') await stream.learnOutcomes();
    else yield* stream.large(cut);
    const position = step === 'ask' ? cut.position : cut.position + cut.largeBytes;
    if (position >= stream.logBytes) return stream.end(undefined);
    reading = stream.read(position, 0);
  }
}

class BatchStream {
  readonly logBytes: number;
  private readonly deps: StreamDeps;
  private readonly plan: StreamPlan;
  private readonly signal: AbortSignal;
  private readonly cutter: BatchCutter;
  private sentBytes = 0;
  private chunk = -1;

  constructor(deps: StreamDeps, plan: StreamPlan, signal: AbortSignal) {
    this.deps = deps;
    this.plan = plan;
    this.signal = signal;
    this.cutter = new BatchCutter(plan.rules);
    this.logBytes = plan.segment.record.logBytes;
  }

  /** A window of the log from `position`, at least `needBytes` long where the log and a message allow. */
  read(position: number, needBytes: number): Promise<Window> {
    const roomBytes = Math.max(0, this.plan.maxBytes - this.sentBytes);
    const wantedBytes = Math.max(SMALLEST_WINDOW_BYTES, Math.min(roomBytes, MESSAGE_BYTES));
    const bytes = Math.min(
      MESSAGE_BYTES,
      Math.max(wantedBytes, needBytes),
      this.logBytes - position,
    );
    const window = this.fill(position, bytes);
    window.catch(() => undefined); // told when it is awaited; never unhandled when the stream is left
    return window;
  }

  /** A batch that is none is read again once, after its chunk was compared with the manifest (rule 19). */
  async cut(window: Window): Promise<Cut> {
    try {
      return this.cutNow(window);
    } catch (error) {
      if (!hasCode(error, 'CORRUPT_BATCH', 'UNSUPPORTED_FORMAT')) throw error;
      return await this.cutAgain(window, error);
    }
  }

  /** `read`: the next window may be read at once, ahead of the reader. */
  stepAfter(cut: Cut): 'read' | 'ask' | 'large' | 'end' {
    if (cut.stop === 'outcomes') return 'ask';
    if (cut.stop !== undefined || cut.position >= this.logBytes) return 'end';
    return cut.largeBytes > MESSAGE_BYTES && cut.start === cut.end ? 'large' : 'read';
  }

  async learnOutcomes(): Promise<void> {
    this.cutter.learnOutcomes(await this.plan.outcomes());
  }

  message(window: Window, cut: Cut): MessageBytes {
    this.sentBytes += cut.end - cut.start;
    const start = MESSAGE_HEADROOM_BYTES + cut.start;
    return this.messageOf(window.buffer, start, MESSAGE_HEADROOM_BYTES + cut.end);
  }

  /** A batch larger than a message, in pieces. */
  async *large({ position, largeBytes }: Cut): AsyncGenerator<MessageBytes> {
    const end = position + largeBytes;
    for (let at = position; at < end; at += MESSAGE_BYTES) {
      const bytes = Math.min(MESSAGE_BYTES, end - at);
      const window = await this.fill(at, bytes);
      this.enter(at + bytes - 1);
      if (at === position) this.cutter.sendLarge(window.bytes.subarray(0, BATCH_HEADER_BYTES));
      this.sentBytes += bytes;
      yield this.messageOf(window.buffer, MESSAGE_HEADROOM_BYTES, MESSAGE_HEADROOM_BYTES + bytes);
    }
  }

  end(why: StreamStop | undefined): StreamEnd {
    const stop = why ?? 'end-of-log';
    const { bound, segmentNext } = this.plan.rules;
    const { nextOffset, isAnySent, hasTransactions } = this.cutter;
    // The log may end before the segment's last offset: compacted away.
    const endOfLog = bound < segmentNext ? bound : segmentNext;
    const isLogEnd = stop === 'end-of-log' && nextOffset < endOfLog;
    return { nextOffset: isLogEnd ? endOfLog : nextOffset, isAnySent, hasTransactions, stop };
  }

  private cutNow({ bytes, position }: Window): Cut {
    const roomBytes = this.plan.maxBytes - this.sentBytes;
    return this.cutter.cut({ bytes, position, roomBytes, logBytes: this.logBytes });
  }

  private async cutAgain(window: Window, first: LogtierError): Promise<Cut> {
    const { reads, metrics } = this.deps;
    const range = { start: window.position, end: window.position + window.bytes.length };
    distrustRange(reads, this.plan.segment, range);
    await readRange(reads, this.plan.segment, { range, into: window.bytes }, this.signal);
    try {
      const cut = this.cutNow(window);
      metrics.fetcher_bad_batches_total.add(1, { outcome: 'repaired' });
      return cut;
    } catch (error) {
      if (!hasCode(error, 'CORRUPT_BATCH', 'UNSUPPORTED_FORMAT')) throw error;
      metrics.fetcher_bad_batches_total.add(1, { outcome: 'stored' });
      const { objectKey, segmentId } = this.plan.segment.record;
      throw new LogtierError('OBJECT_CORRUPT', `the stored log holds no batch: ${error.message}`, {
        details: { objectKey, segmentId },
        cause: first,
      });
    }
  }

  private async fill(position: number, bytes: number): Promise<Window> {
    const { reads, buffers } = this.deps;
    const buffer = buffers.take();
    const into = buffer.subarray(MESSAGE_HEADROOM_BYTES, MESSAGE_HEADROOM_BYTES + bytes);
    const range = { start: position, end: position + bytes };
    // On a failure the buffer is dropped: a read that was left may still write into it.
    await readRange(reads, this.plan.segment, { range, into }, this.signal);
    return { buffer, bytes: into, position };
  }

  /** Told when its bytes are here: what is loaded ahead must not hold up what is waited for. */
  enter(position: number): void {
    const chunk = Math.floor(position / LOG_CHUNK_BYTES);
    if (chunk <= this.chunk) return;
    this.chunk = chunk;
    this.plan.onChunk(chunk);
  }

  private messageOf(buffer: Buffer, start: number, end: number): MessageBytes {
    let isOut = true;
    const release = (): void => {
      if (isOut) this.deps.buffers.giveBack(buffer);
      isOut = false;
    };
    return { buffer, start, end, release };
  }
}
