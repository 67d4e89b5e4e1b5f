import { LogtierError } from './errors.ts';

/**
 * First in, first out between one or many producers and one consumer, never longer than `limit`.
 *
 * `push` answers false when full: the producer decides whether to wait, drop or fail.
 */
export class BoundedQueue<T> implements AsyncIterable<T, undefined> {
  private readonly items: T[] = [];
  private readonly limit: number;
  private waiter: ((result: IteratorResult<T, undefined>) => void) | undefined;
  private closed = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.items.length;
  }

  push(item: T): boolean {
    if (this.closed) throw new LogtierError('ABORTED', 'the queue is closed');
    if (this.waiter !== undefined) {
      const wake = this.waiter;
      this.waiter = undefined;
      wake({ value: item, done: false });
      return true;
    }
    if (this.items.length >= this.limit) return false;
    this.items.push(item);
    return true;
  }

  /** No more pushes; the consumer still gets what is queued. */
  close(): void {
    this.closed = true;
    this.waiter?.({ value: undefined, done: true });
    this.waiter = undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.closed) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.waiter = resolve;
    });
  }
}
