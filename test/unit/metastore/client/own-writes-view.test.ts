import { expect, test } from 'vitest';
import { ownWritesView } from '../../../../src/metastore/client/own-writes-view.ts';
import {
  claimRequest,
  intent,
  MetastoreWorld,
  NEVER,
  segmentName,
  TOPIC,
} from '../../../support/metastore-world.ts';

test('who was answered sees it in the very next snapshot, however old the revision is that it names', async () => {
  const world = await MetastoreWorld.open();
  const client = world.client();
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  const view = ownWritesView(await world.view(), client.channel);
  const id = { topicId: TOPIC, partition: 0 };
  for (let number = 0; number < 5; number += 1) {
    await client.ledger.startCopy(claim, intent(number), NEVER);
    await client.ledger.finishCopy(claim, segmentName(number), NEVER);
    const { segments } = await view.snapshot(id, claim.revision, NEVER);
    expect(segments.map(({ state }) => state)).toEqual(
      Array.from({ length: number + 1 }, () => 'COPY_SEGMENT_FINISHED'),
    );
    expect(view.peek(id)?.segments).toEqual(segments);
  }
  await world.close();
});
