// Simulated time: everything that happens later is an event of one queue, so that a seed is a run.

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  nowMs = 0;
  steps = 0;
  /** Events by time, then by the order they were asked in: a binary heap. */
  private readonly heap: Event[] = [];
  private asked = 0;

  after(ms: number, run: () => void): void {
    this.asked += 1;
    const event = { atMs: this.nowMs + ms, order: this.asked, run };
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(event, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = event;
  }

  /** `check` runs after every event, when all that waited for nothing but promises has run. */
  async until(isDone: () => boolean, check: () => void): Promise<void> {
    while (!isDone()) {
      const event = this.take();
      if (event === undefined) throw new Error('nothing is left to happen');
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      this.steps += 1;
      check();
    }
  }

  private take(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below += 1;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(left: Event, right: Event): boolean {
  return left.atMs === right.atMs ? left.order < right.order : left.atMs < right.atMs;
}
