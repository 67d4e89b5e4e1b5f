import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { FilesystemStore } from '../../src/store/filesystem/filesystem-store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { describeObjectStore } from './object-store.ts';

describeObjectStore('memory', () =>
  Promise.resolve({ store: new MemoryStore(), close: () => Promise.resolve() }),
);

describeObjectStore('filesystem', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'logtier-store-'));
  const deps = { disk: nodeDisk, random: systemRandom };
  return {
    store: new FilesystemStore(deps, { directory }),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
