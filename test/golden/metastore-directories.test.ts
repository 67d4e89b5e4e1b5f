// Directories that older versions wrote are opened by this one, and answer as they did.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAlone } from '../support/open-alone.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { answersOf, goldenSettings, printed, unpack } from '../support/golden-metastore.ts';
import { ManualClock } from '../support/metastore-clock.ts';

const GOLDEN = new URL('metastore', import.meta.url).pathname;
const NEVER: AbortSignal = new AbortController().signal;
const versions = await readdir(GOLDEN);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'golden-metastore-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function answers(): Promise<string> {
  const clock = new ManualClock();
  const deps = { disk: nodeDisk, clock, random: systemRandom, logger: silentLogger };
  const opened = await openAlone(deps, goldenSettings, directory);
  try {
    await opened.member.barrier(NEVER);
    return printed(await answersOf(opened.member));
  } finally {
    await opened.stop();
  }
}

test.each(versions)('a directory of %s answers as it did when it was written', async (version) => {
  await unpack(join(GOLDEN, version, 'directory.json.gz'), directory);
  const told = await readFile(join(GOLDEN, version, 'answers.json'), 'utf8');
  expect(await answers()).toBe(told);
  // And once more, as what the first start made of it.
  expect(await answers()).toBe(told);
});
