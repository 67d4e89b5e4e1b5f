import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ObjectStore } from '../../../../src/store/object-store.ts';
import { hdfsStoreOn } from '../../../support/hdfs-store-on.ts';
import { never } from '../../../support/store-probes.ts';
import { startWebhdfsFake } from '../../../support/webhdfs-fake.ts';
import type { WebhdfsFake } from '../../../support/webhdfs-fake.ts';

let fake: WebhdfsFake;
let store: ObjectStore;
beforeEach(async () => {
  fake = await startWebhdfsFake();
  store = hdfsStoreOn(fake.nameNodeUrl, { replicaWaitMs: '10ms' });
});
afterEach(() => fake.stop());

const leftovers = (): string[] =>
  [...fake.tree.nodes.keys()].filter((path) => path.startsWith('/tiered/.logtier-probe/'));

test('the probe tells in words what it found, and removes its files', async () => {
  const { findings } = await store.probe(never);
  expect(findings.map((finding) => finding.replace(/-?\d+ s$/, 'N s'))).toEqual([
    'writing: allowed, no safe mode',
    'replicas: 3 live of 3 asked, 2 required',
    'creating without replacing: works',
    'publish by renaming, without replacing: works',
    'reading ranges: works',
    'listing in pages: works',
    'appending: possible (not used), new length told at once',
    'clock of the NameNode less ours: N s',
    'checksum of whole objects: none, read back',
  ]);
  expect(leftovers()).toEqual([]);
});

test('a gateway that ignores the rename options is refused', async () => {
  fake.tree.knowsRenameOptions = false;
  await expect(store.probe(never)).rejects.toMatchObject({
    code: 'STORE_REFUSED',
    hint: 'name the NameNodes themselves, not an HttpFS gateway',
  });
  expect(leftovers()).toEqual([]);
});

test('a cluster that cannot hold the replicas is told, with what to do', async () => {
  fake.tree.liveReplicas = 1;
  await expect(store.probe(never)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('1 of 2 live replicas'),
    hint: 'start more DataNodes, or lower minReplicas and accept the risk',
  });
  expect(leftovers()).toEqual([]);
});

test('unpaged listings are told and lived with', async () => {
  Object.assign(fake.tree, { knowsStartAfter: false, pageEntries: 1000 });
  const { findings } = await store.probe(never);
  expect(findings).toContain('listing in pages: no, whole directories come at once');
});

test('bytes that come back otherwise than they went are refused', async () => {
  fake.faults.push({ op: 'OPEN', step: 'data', act: { kind: 'flip', at: 3 } });
  await expect(store.probe(never)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
});

test('in safe mode the probe fails as every write does', async () => {
  fake.tree.isSafe = true;
  await expect(store.probe(never)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});
