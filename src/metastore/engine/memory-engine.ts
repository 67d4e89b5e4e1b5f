// The memory home of KvEngine, for the simulator and for tests: same contract, no disk, no threads.
import { assert } from '../../base/assert.ts';
import { LogtierError } from '../../base/errors.ts';
import type { KvEngine, KvEntry, KvRange, KvReader, KvSnapshot, KvWrite } from './kv-engine.ts';
import {
  entriesIn,
  findIn,
  type Tree,
  withEntry,
  withoutKey,
  withoutRange,
} from './memory-tree.ts';

/** Batches that a crash can take back at most; older ones count as flushed, as RocksDB would have. */
const LONGEST_UNFLUSHED_TAIL = 4096;

/** What survives an engine: the directory of the memory home. Opened by one engine at a time. */
export class MemoryStore {
  /** States after the flush and after each batch since; never empty. */
  private states: Tree[] = [undefined];
  private openEngine: MemoryEngine | undefined;

  get unflushedBatches(): number {
    return this.states.length - 1;
  }

  open(): Promise<KvEngine> {
    if (this.openEngine !== undefined) {
      const hint = 'close the engine that has this store open';
      return Promise.reject(
        new LogtierError('ALREADY_RUNNING', 'the memory store is in use', { hint }),
      );
    }
    this.openEngine = new MemoryEngine(this);
    return Promise.resolve(this.openEngine);
  }

  /** Power loss: the open engine is dead, and of the unflushed batches only the first `kept` stay. */
  crash(kept: number): void {
    assert(kept >= 0 && kept <= this.unflushedBatches, 'kept counts unflushed batches');
    this.states = [this.states[kept]];
    this.openEngine?.die();
    this.openEngine = undefined;
  }

  newest(): Tree {
    return this.states.at(-1);
  }

  advance(state: Tree): void {
    this.states.push(state);
    if (this.states.length > LONGEST_UNFLUSHED_TAIL + 1) this.states.shift();
  }

  flush(): void {
    this.states = [this.newest()];
  }

  /** A clean close loses nothing: RocksDB replays its own log. */
  release(): void {
    this.openEngine = undefined;
  }
}

/** A store of its own for who needs no reopening. */
export async function openMemoryEngine(): Promise<KvEngine> {
  return await new MemoryStore().open();
}

class MemoryReader implements KvReader {
  private readonly state: () => Tree;

  constructor(state: () => Tree) {
    this.state = state;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return await Promise.resolve(findIn(this.state(), key));
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const state = this.state();
    return await Promise.resolve(keys.map((key) => findIn(state, key)));
  }

  async *range(range: KvRange): AsyncGenerator<KvEntry, void, undefined> {
    let left = range.limit ?? Infinity;
    const entries = entriesIn(this.state(), range.from, range.to, range.reverse ?? false);
    for (const { key, value } of entries) {
      if (left <= 0) return;
      left -= 1;
      yield await Promise.resolve({ key, value });
      // A range of an engine that died or closed in between must not go on.
      this.state();
    }
  }
}

class MemoryEngine extends MemoryReader implements KvEngine {
  private readonly store: MemoryStore;
  private readonly life: { isOpen: boolean };

  constructor(store: MemoryStore) {
    const life = { isOpen: true };
    super(() => {
      assert(life.isOpen, 'the memory engine is open');
      return store.newest();
    });
    this.store = store;
    this.life = life;
  }

  async batch(writes: readonly KvWrite[]): Promise<void> {
    assert(this.life.isOpen, 'the memory engine is open');
    if (writes.length > 0) this.store.advance(writes.reduce(applyWrite, this.store.newest()));
    await Promise.resolve();
  }

  async snapshot(): Promise<KvSnapshot> {
    assert(this.life.isOpen, 'the memory engine is open');
    return await Promise.resolve(new MemorySnapshot(this.store.newest(), this.life));
  }

  async flush(): Promise<void> {
    assert(this.life.isOpen, 'the memory engine is open');
    this.store.flush();
    await Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.life.isOpen) this.store.release();
    this.die();
    await Promise.resolve();
  }

  die(): void {
    this.life.isOpen = false;
  }
}

class MemorySnapshot extends MemoryReader implements KvSnapshot {
  private readonly own: { isOpen: boolean };

  constructor(state: Tree, engine: { readonly isOpen: boolean }) {
    const own = { isOpen: true };
    super(() => {
      assert(own.isOpen && engine.isOpen, 'the snapshot is open');
      return state;
    });
    this.own = own;
  }

  async close(): Promise<void> {
    this.own.isOpen = false;
    await Promise.resolve();
  }
}

function applyWrite(state: Tree, write: KvWrite): Tree {
  switch (write.kind) {
    case 'put':
      return withEntry(state, write.key, write.value);
    case 'delete':
      return withoutKey(state, write.key);
    case 'deleteRange':
      return withoutRange(state, write.from, write.to);
  }
}
