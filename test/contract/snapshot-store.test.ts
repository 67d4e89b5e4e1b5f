import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { objectSnapshots } from '../../src/app/object-snapshots.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { FilesystemStore } from '../../src/store/filesystem/filesystem-store.ts';
import { MemorySnapshots } from '../support/etcd-log-world.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { snapshotStoreContract } from './snapshot-store.ts';

snapshotStoreContract('test’s own', () => {
  const stores = new Map<string, MemorySnapshots>();
  const open = (id: string): MemorySnapshots => {
    const store = stores.get(id) ?? new MemorySnapshots();
    stores.set(id, store);
    return store;
  };
  return Promise.resolve({ open, close: () => Promise.resolve() });
});

snapshotStoreContract('memory', () => {
  const objects = new MemoryStore();
  const open = (id: string) => objectSnapshots(objects, id);
  return Promise.resolve({ open, close: () => Promise.resolve() });
});

snapshotStoreContract('directory', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'logtier-snapshots-'));
  const objects = new FilesystemStore({ disk: nodeDisk, random: systemRandom }, { directory });
  return {
    open: (id) => objectSnapshots(objects, id),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
