// Commands on their way into etcd: what is proposed while a transaction is under way goes with the next.
import { hasCode, LogtierError } from '../../../base/errors.ts';
import { onAbort } from '../../../base/on-abort.ts';
import { abortError } from '../../../platform/clock.ts';
import type { LogIndex } from '../replicated-log.ts';
import type { EtcdLogSettings } from './settings.ts';

/** In one batch: bounds the row's decoding. */
const BATCH_ENTRIES = 4096;

interface Waiting {
  readonly command: Uint8Array;
  resolve(index: LogIndex): void;
  reject(error: unknown): void;
}

/** Takes a batch over: the index of its last command. */
type Append = (commands: readonly Uint8Array[]) => Promise<LogIndex>;

export class Proposals {
  private readonly settings: EtcdLogSettings;
  private readonly append: Append;
  private queue: Waiting[] = [];
  private queuedBytes = 0;
  private running: Promise<void> | undefined;

  constructor(settings: EtcdLogSettings, append: Append) {
    this.settings = settings;
    this.append = append;
  }

  /** OVERLOADED and INVALID_ARGUMENT: surely not taken. */
  async add(command: Uint8Array, signal: AbortSignal): Promise<LogIndex> {
    const { maxCommandBytes, queuedBytes } = this.settings;
    if (command.length > maxCommandBytes) {
      const size = `a command of ${command.length} bytes`;
      throw new LogtierError('INVALID_ARGUMENT', `${size} exceeds ${maxCommandBytes}`);
    }
    if (this.queuedBytes + command.length > queuedBytes) {
      throw new LogtierError('OVERLOADED', `${this.queuedBytes} bytes wait for etcd`);
    }
    this.queuedBytes += command.length;
    const outcome = new Promise<LogIndex>((resolve, reject) => {
      this.queue.push({ command, resolve, reject });
    });
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return await orAborted(outcome, signal);
  }

  async settled(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    // What is proposed in the same turn goes together.
    await Promise.resolve();
    while (this.queue.length > 0) {
      const batch = this.takeBatch();
      try {
        const last = await this.append(batch.map(({ command }) => command));
        const first = last - BigInt(batch.length) + 1n;
        batch.forEach((waiting, at) => {
          waiting.resolve(first + BigInt(at));
        });
      } catch (error) {
        for (const waiting of batch) waiting.reject(error);
        this.refuseQueued(error);
      }
    }
  }

  private takeBatch(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { command } of this.queue) {
      bytes += command.length;
      if (count > 0 && (bytes > this.settings.batchBytes || count >= BATCH_ENTRIES)) break;
      count += 1;
    }
    const batch = this.queue.slice(0, count);
    this.queue = this.queue.slice(count);
    for (const { command } of batch) this.queuedBytes -= command.length;
    return batch;
  }

  /** They were never sent: who waits behind a batch that failed must not wait for as long again. */
  private refuseQueued(cause: unknown): void {
    const { queue } = this;
    this.queue = [];
    this.queuedBytes = 0;
    const error = hasCode(cause, 'OUTCOME_UNKNOWN')
      ? new LogtierError('METASTORE_UNAVAILABLE', 'etcd does not answer', { cause })
      : cause;
    for (const waiting of queue) waiting.reject(error);
  }
}

/** The entry stays on its way: who stops waiting for it learns nothing about it. */
function orAborted(outcome: Promise<LogIndex>, signal: AbortSignal): Promise<LogIndex> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      const cause = abortError(signal);
      reject(new LogtierError('OUTCOME_UNKNOWN', 'stopped waiting for etcd', { cause }));
    });
    void outcome.then(resolve, reject).finally(forget);
  });
}
