// An engine that can be replaced under its readers: those of the old one end with METASTORE_UNAVAILABLE,
// never with a mix of two contents.
import { LogtierError } from '../../base/errors.ts';
import type {
  KvEngine,
  KvEntry,
  KvRange,
  KvReader,
  KvSnapshot,
  KvWrite,
} from '../engine/kv-engine.ts';

interface Seat {
  readonly engine: KvEngine;
  calls: number;
  isReplaced: boolean;
  tellIdle: () => void;
}

export class SwitchingEngine implements KvEngine {
  private seat: Seat;

  constructor(engine: KvEngine) {
    this.seat = seatOf(engine);
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return call(this.seat, (engine) => engine.get(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return call(this.seat, (engine) => engine.getMany(keys));
  }

  async *range(range: KvRange): AsyncGenerator<KvEntry, void, undefined> {
    const { seat } = this;
    yield* entriesOf(seat, seat.engine, range);
  }

  batch(writes: readonly KvWrite[]): Promise<void> {
    return call(this.seat, (engine) => engine.batch(writes));
  }

  async snapshot(): Promise<KvSnapshot> {
    const { seat } = this;
    return new SeatSnapshot(seat, await call(seat, (engine) => engine.snapshot()));
  }

  /** What was batched before a switch is in the newer content, which is durable. */
  async flush(): Promise<void> {
    const { seat } = this;
    try {
      await call(seat, (engine) => engine.flush());
    } catch (error) {
      if (!seat.isReplaced) throw error;
    }
  }

  close(): Promise<void> {
    return this.seat.engine.close();
  }

  /** Later calls go to `engine`. Resolves once the old one, closed with what reads it, is out of use. */
  async switchTo(engine: KvEngine): Promise<void> {
    const old = this.seat;
    this.seat = seatOf(engine);
    old.isReplaced = true;
    if (old.calls > 0) {
      await new Promise<void>((resolve) => {
        old.tellIdle = resolve;
      });
    }
    await old.engine.close();
  }
}

function seatOf(engine: KvEngine): Seat {
  return { engine, calls: 0, isReplaced: false, tellIdle: () => undefined };
}

function replaced(cause?: unknown): LogtierError {
  const message = 'this metastore member has just installed a snapshot';
  return new LogtierError('METASTORE_UNAVAILABLE', message, { cause });
}

function requireSeated(seat: Seat): void {
  if (seat.isReplaced) throw replaced();
}

async function call<T>(seat: Seat, act: (engine: KvEngine) => Promise<T>): Promise<T> {
  requireSeated(seat);
  seat.calls += 1;
  try {
    return await act(seat.engine);
  } catch (error) {
    throw seat.isReplaced ? replaced(error) : error;
  } finally {
    seat.calls -= 1;
    if (seat.calls === 0) seat.tellIdle();
  }
}

/** What a reader got stays true of its moment; it only cannot go on. */
async function* entriesOf(
  seat: Seat,
  source: KvReader,
  range: KvRange,
): AsyncGenerator<KvEntry, void, undefined> {
  requireSeated(seat);
  try {
    for await (const entry of source.range(range)) {
      yield entry;
      requireSeated(seat);
    }
  } catch (error) {
    throw seat.isReplaced ? replaced(error) : error;
  }
}

class SeatSnapshot implements KvSnapshot {
  private readonly seat: Seat;
  private readonly inner: KvSnapshot;

  constructor(seat: Seat, inner: KvSnapshot) {
    this.seat = seat;
    this.inner = inner;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return call(this.seat, () => this.inner.get(key));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return call(this.seat, () => this.inner.getMany(keys));
  }

  range(range: KvRange): AsyncIterable<KvEntry> {
    return entriesOf(this.seat, this.inner, range);
  }

  async close(): Promise<void> {
    await this.inner.close();
  }
}
