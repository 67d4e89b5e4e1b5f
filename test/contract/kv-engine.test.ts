import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KvEngine } from '../../src/metastore/engine/kv-engine.ts';
import { MemoryStore } from '../../src/metastore/engine/memory-engine.ts';
import { openRocksdbEngine } from '../../src/metastore/engine/rocksdb-engine.ts';
import { type EngineHome, kvEngineContract } from './kv-engine.ts';

function rememberOpened(open: () => Promise<KvEngine>, remove: () => Promise<void>): EngineHome {
  const opened: KvEngine[] = [];
  return {
    open: async () => {
      const engine = await open();
      opened.push(engine);
      return engine;
    },
    remove: async () => {
      for (const engine of opened) await engine.close();
      await remove();
    },
  };
}

kvEngineContract('memory', () => {
  const store = new MemoryStore();
  return Promise.resolve(
    rememberOpened(
      () => store.open(),
      () => Promise.resolve(),
    ),
  );
});

kvEngineContract('RocksDB', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kv-engine-'));
  return rememberOpened(
    () => openRocksdbEngine(join(directory, 'db')),
    () => rm(directory, { recursive: true, force: true }),
  );
});
