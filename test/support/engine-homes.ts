// Homes for a member's engine in tests: one that stays, and whole directories of them in memory.
import { LogtierError } from '../../src/base/errors.ts';
import type { KvEngine } from '../../src/metastore/engine/kv-engine.ts';
import { MemoryStore } from '../../src/metastore/engine/memory-engine.ts';
import type { EngineHome } from '../../src/metastore/member/engine-home.ts';
import { type Disk, diskError, exists } from '../../src/platform/disk.ts';

/** For members whose log never hands out a snapshot. The engine's owner closes it. */
export function fixedHome(engine: KvEngine): EngineHome {
  return {
    engine,
    installedAt: 0n,
    replace: () => Promise.reject(new LogtierError('INVALID_ARGUMENT', 'this home is fixed')),
    close: () => Promise.resolve(),
  };
}

/**
 * Memory engines that live in directories of a disk: a directory is one engine's as long as its marker file
 * stands, so that removing it, or losing its name in a crash, loses the engine.
 */
export class MemoryEngines {
  private readonly stores: MemoryStore[] = [];

  /** What opens engines for one process on `disk`. */
  openerOn(disk: Disk): (directory: string) => Promise<KvEngine> {
    return async (directory) => {
      const store = await this.storeIn(disk, directory).catch((error: unknown) => {
        throw diskError(error, `opening ${directory}`);
      });
      return await store.open();
    };
  }

  /** Power loss: unflushed batches are gone, and no engine is open any more. */
  crash(): void {
    for (const store of this.stores) store.crash(0);
  }

  private async storeIn(disk: Disk, directory: string): Promise<MemoryStore> {
    const marker = `${directory}/MARKER`;
    if (await exists(disk, marker)) {
      const known = this.stores[Number((await disk.readFile(marker)).toString('utf8'))];
      if (known === undefined) throw new Error(`${marker} names no engine`);
      return known;
    }
    await disk.makeDirectory(directory);
    const file = await disk.open(marker, 'create');
    await file.write(Buffer.from(String(this.stores.length)), 0);
    await file.sync();
    await file.close();
    await disk.syncDirectory(directory);
    const store = new MemoryStore();
    this.stores.push(store);
    return store;
  }
}
