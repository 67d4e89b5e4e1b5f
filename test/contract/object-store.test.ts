import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { FilesystemStore } from '../../src/store/filesystem/filesystem-store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { describeObjectStore } from './object-store.ts';

/** Neither has parts or pages: more than two chunks and more than two directories are all there is to meet. */
const options = { largeBytes: 9 * 2 ** 20 + 123, manyKeys: 230 };

describeObjectStore(
  'memory',
  () => Promise.resolve({ store: new MemoryStore(), close: () => Promise.resolve() }),
  options,
);

describeObjectStore(
  'filesystem',
  async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'logtier-store-'));
    const deps = { disk: nodeDisk, random: systemRandom };
    return {
      store: new FilesystemStore(deps, { directory }),
      close: () => rm(directory, { recursive: true, force: true }),
    };
  },
  options,
);
