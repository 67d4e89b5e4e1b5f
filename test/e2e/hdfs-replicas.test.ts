// Two DataNodes and the demand for two live replicas (safety rule 9): what one DataNode alone holds is not FINISHED.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hdfsStoreOn } from '../support/hdfs-store-on.ts';
import { startHdfs } from '../support/testbeds/hdfs.ts';
import type { HdfsTestbed } from '../support/testbeds/hdfs.ts';
import { closeUploaderWorlds, uploaderWorld } from '../support/uploader-world.ts';

const START_MS = 180_000;
let hdfs: HdfsTestbed;

beforeAll(async () => {
  hdfs = await startHdfs({ dataNodes: 2 });
}, START_MS);
afterAll(async () => {
  await closeUploaderWorlds();
  await hdfs.stop();
}, START_MS);

const POLL = { timeout: 60_000, interval: 50 };

test(
  'rule 9: with one DataNode left a copy waits with its reason, and is made when the other is back',
  async () => {
    const store = hdfsStoreOn(hdfs.nameNodeUrl, {
      replication: 2,
      minReplicas: 2,
      replicaWaitMs: '1s',
    });
    const world = await uploaderWorld({ wrapStore: () => store });
    await world.addPartition('orders', { segments: 2 });
    await world.uploader.start();
    await expect.poll(() => world.finishedStarts(), POLL).toEqual([0n, 20n]);

    await hdfs.kill('datanode2', 'SIGKILL');
    await world.roll('orders', 40n);
    // Until the NameNode takes it for dead, 12 s, a write may also fail on the way to it.
    const whyWaiting = async () => (await world.status()).segments[2]?.waiting;
    await expect
      .poll(whyWaiting, POLL)
      .toMatchObject({ reason: 'STORE_UNREACHABLE', detail: expect.stringMatching(LACKING) });
    expect(world.finishedStarts()).toEqual([0n, 20n]);

    await hdfs.restart('datanode2');
    await expect.poll(() => world.finishedStarts(), POLL).toEqual([0n, 20n, 40n]);
    expect((await world.status()).findings).toEqual([]);
  },
  START_MS,
);

const LACKING = /a block has 1 of 2 live replicas/;
