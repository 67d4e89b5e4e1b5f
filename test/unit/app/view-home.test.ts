import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openViewHome } from '../../../src/app/view-home.ts';
import { forgetfulHome, type ViewHome } from '../../../src/metastore/client/view-home.ts';
import { nodeDisk } from '../../../src/platform/disk.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { topicId } from '../../../src/segment/ids.ts';
import { CLUSTER, TOPIC_ID } from '../../support/metastore-catalog.ts';

const POSITION = { incarnation: 1, index: 7n };
const ID = { topicId: topicId(TOPIC_ID), partition: 3 };

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'view-home-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function open(): Promise<ViewHome> {
  const deps = { disk: nodeDisk, logger: silentLogger };
  return openViewHome(deps, join(directory, 'view'), CLUSTER);
}

async function keepOne(home: ViewHome): Promise<void> {
  await home.restored();
  const keeper = home.begin();
  const partition = { id: ID, loadedAt: POSITION, row: undefined, segments: [] };
  keeper.keep(POSITION, [{ kind: 'whole', partition }]);
  home.live(keeper);
  await home.stop();
}

test('what a process kept on its disk is there for the next one', async () => {
  await keepOne(await open());
  const home = await open();
  const restored = await home.restored();
  expect(restored?.view).toEqual({
    position: POSITION,
    partitions: [{ id: ID, loadedAt: POSITION, row: undefined, segments: [] }],
    topics: new Map(),
  });
  await home.stop();
});

test('a kept view that is damaged is thrown away, and the next one is kept', async () => {
  await keepOne(await open());
  const view = join(directory, 'view');
  for (const name of await readdir(view)) {
    if (name.startsWith('MANIFEST')) await writeFile(join(view, name), 'damaged');
  }
  const home = await open();
  expect(await home.restored()).toBeUndefined();
  await keepOne(home);
  const again = await open();
  expect((await again.restored())?.view.position).toEqual(POSITION);
  await again.stop();
});

test('where a view cannot be kept, the process goes on without', async () => {
  await writeFile(join(directory, 'view'), 'a file');
  expect(await open()).toBe(forgetfulHome);
});
