import { expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import { CLUSTER, PARTITION } from '../../../support/metastore-catalog.ts';
import { codeOf, MetastoreWorld, NEVER } from '../../../support/metastore-world.ts';

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages) continue;
}

test('a list is linearizable: who cannot ask the leader shows no old one', async () => {
  const world = await MetastoreWorld.open();
  const list = () =>
    drain(world.door.listSegments({ clusterId: CLUSTER, partition: PARTITION }, NEVER));
  expect(await codeOf(list())).toBe('none');
  world.log.readBarrier = () => Promise.reject(new LogtierError('NOT_LEADER', 'cut off'));
  expect(await codeOf(list())).toBe('NOT_LEADER');
  await world.close();
});
