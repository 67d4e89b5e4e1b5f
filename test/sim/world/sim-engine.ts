// Engines that live in directories of a memory disk and take time. Power loss takes back any number of the
// newest batches, none of those that a completed flush was asked after (RocksDB's point in time).
import { assert } from '../../../src/base/assert.ts';
import type {
  KvEngine,
  KvEntry,
  KvRange,
  KvReader,
  KvSnapshot,
  KvWrite,
} from '../../../src/metastore/engine/kv-engine.ts';
import {
  entriesIn,
  findIn,
  type Tree,
  withEntry,
  withoutKey,
  withoutRange,
} from '../../../src/metastore/engine/memory-tree.ts';
import { type Disk, diskError, exists } from '../../../src/platform/disk.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import type { Draw } from '../../support/memory-disk.ts';
import type { Process } from './process.ts';

/** What survives a process: states after the last flush and after each batch since; never empty. */
export class SimStore {
  states: Tree[] = [undefined];
  user: Process | undefined;
  /** States that were let go: places in `states` begin here. */
  private gone = 0;

  get newest(): Tree {
    return this.states.at(-1);
  }

  get end(): number {
    return this.gone + this.states.length;
  }

  /** What was there when `end` was read is durable. */
  flushed(end: number): void {
    const count = end - 1 - this.gone;
    if (count <= 0) return;
    this.states = this.states.slice(count);
    this.gone += count;
  }

  losePower(draw: Draw): void {
    this.states = this.states.slice(0, 1 + Math.floor(draw() * this.states.length));
    this.states = [this.newest];
  }
}

class Reader implements KvReader {
  protected readonly process: Process;
  private readonly tree: () => Tree;

  constructor(process: Process, tree: () => Tree) {
    this.process = process;
    this.tree = tree;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.process.engineWait();
    return findIn(this.tree(), key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.process.engineWait();
    const tree = this.tree();
    return keys.map((key) => findIn(tree, key));
  }

  async *range({ from, to, reverse, limit }: KvRange): AsyncGenerator<KvEntry, void, undefined> {
    await this.process.engineWait();
    let left = limit ?? Infinity;
    for (const { key, value } of entriesIn(this.tree(), from, to, reverse ?? false)) {
      if (left <= 0) return;
      left -= 1;
      yield { key, value };
      this.tree();
    }
  }
}

export class SimEngine extends Reader implements KvEngine {
  private readonly store: SimStore;
  private last: Promise<void> = Promise.resolve();
  private readonly open: { is: boolean };

  constructor(process: Process, store: SimStore) {
    const open = { is: true };
    super(process, () => {
      assert(open.is, 'the engine is open');
      return store.newest;
    });
    this.store = store;
    this.open = open;
  }

  batch(writes: readonly KvWrite[]): Promise<void> {
    assert(this.open.is, 'the engine is open');
    const before = this.last;
    const write = async (): Promise<void> => {
      await before;
      await this.process.engineWait();
      if (writes.length > 0) this.store.states.push(writes.reduce(written, this.store.newest));
    };
    this.last = write();
    return this.last;
  }

  async snapshot(): Promise<KvSnapshot> {
    await this.process.engineWait();
    assert(this.open.is, 'the engine is open');
    return new SimSnapshot(this.process, this.store.newest, this.open);
  }

  async flush(): Promise<void> {
    assert(this.open.is, 'the engine is open');
    await this.last;
    const { end } = this.store;
    await this.process.diskWait();
    this.store.flushed(end);
  }

  async close(): Promise<void> {
    await this.last;
    if (this.open.is) this.store.user = undefined;
    this.open.is = false;
  }
}

class SimSnapshot extends Reader implements KvSnapshot {
  private readonly own: { is: boolean };

  constructor(process: Process, tree: Tree, engine: { readonly is: boolean }) {
    const own = { is: true };
    super(process, () => {
      assert(own.is && engine.is, 'the snapshot is open');
      return tree;
    });
    this.own = own;
  }

  async close(): Promise<void> {
    this.own.is = false;
    await Promise.resolve();
  }
}

function written(tree: Tree, write: KvWrite): Tree {
  switch (write.kind) {
    case 'put':
      return withEntry(tree, write.key, write.value);
    case 'delete':
      return withoutKey(tree, write.key);
    case 'deleteRange':
      return withoutRange(tree, write.from, write.to);
  }
}

/** A directory is one engine's as long as its marker file stands. */
export class SimEngines {
  private readonly stores: SimStore[] = [];

  openerOn(process: Process, disk: Disk): (directory: string) => Promise<KvEngine> {
    return async (directory) => {
      const store = await this.storeIn(disk, directory).catch((error: unknown) => {
        throw diskError(error, `opening ${directory}`);
      });
      if (store.user?.isAlive === true) {
        throw new LogtierError('ALREADY_RUNNING', `${directory} is in use`);
      }
      store.user = process;
      return new SimEngine(process, store);
    };
  }

  losePower(draw: Draw): void {
    for (const store of this.stores) store.losePower(draw);
  }

  private async storeIn(disk: Disk, directory: string): Promise<SimStore> {
    const marker = `${directory}/MARKER`;
    // A name may come back after power loss although its directory is gone.
    if ((await exists(disk, directory)) && (await exists(disk, marker))) {
      const known = this.stores[Number((await disk.readFile(marker)).toString('utf8') || -1)];
      if (known !== undefined) return known;
    }
    await disk.makeDirectory(directory);
    const file = await disk.open(marker, 'write');
    await file.write(Buffer.from(String(this.stores.length)), 0);
    await file.sync();
    await file.close();
    await disk.syncDirectory(directory);
    const store = new SimStore();
    this.stores.push(store);
    return store;
  }
}
