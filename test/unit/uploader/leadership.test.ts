import { expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.ts';
import { LogtierError } from '../../../src/base/errors.ts';
import { Leadership } from '../../../src/uploader/leadership.ts';
import { ORDERS_ID, ScriptedBroker } from '../../support/uploader-world.ts';

const { signal } = new AbortController();
const config = {
  cleanupPolicy: 'delete',
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 1,
  segmentMs: 1,
  remoteStorageEnabled: false,
};

function orders(): { broker: ScriptedBroker; leadership: Leadership } {
  const broker = new ScriptedBroker();
  broker.topics.set('orders', {
    topicId: ORDERS_ID,
    internal: false,
    config,
    partitions: new Map([[0, { leaderId: 1, leaderEpoch: 7, lastStableOffset: 0n }]]),
  });
  return { broker, leadership: new Leadership({ broker, clock: systemClock }) };
}

test('a belief is what the broker told last', async () => {
  const { broker, leadership } = orders();
  expect(leadership.belief('orders', 0)).toBeUndefined();
  await leadership.refresh(['orders'], signal);
  const belief = { topicId: ORDERS_ID, internal: false, leaderEpoch: 7, isLeader: true, config };
  expect(leadership.belief('orders', 0)).toEqual(belief);
  broker.partition('orders').leaderId = 2;
  broker.partition('orders').leaderEpoch = 8;
  await leadership.refresh(['orders'], signal);
  expect(leadership.belief('orders', 0)).toEqual({ ...belief, leaderEpoch: 8, isLeader: false });
});

test('a silent broker changes no belief, and since when is told', async () => {
  const { broker, leadership } = orders();
  await leadership.refresh(['orders'], signal);
  broker.isSilent = true;
  await leadership.refresh(['orders'], signal);
  const first = leadership.unreachable();
  await leadership.refresh(['orders'], signal);
  expect(first?.text).toBe('the broker is silent');
  expect(leadership.unreachable()).toEqual(first);
  expect(leadership.belief('orders', 0)?.isLeader).toBe(true);
  broker.isSilent = false;
  await leadership.refresh(['orders'], signal);
  expect(leadership.unreachable()).toBeUndefined();
});

test('an answer of another cluster changes no belief', async () => {
  const { broker, leadership } = orders();
  await leadership.refresh(['orders'], signal);
  broker.metadata = () => Promise.reject(new LogtierError('WRONG_CLUSTER', 'another cluster'));
  await leadership.refresh(['orders'], signal);
  expect(leadership.unreachable()?.text).toBe('another cluster');
  expect(leadership.belief('orders', 0)?.isLeader).toBe(true);
});

test('a topic that is no longer listed is no longer believed, which proves nothing', async () => {
  const { broker, leadership } = orders();
  await leadership.refresh(['orders'], signal);
  broker.topics.delete('orders');
  await leadership.refresh(['orders'], signal);
  expect(leadership.belief('orders', 0)).toBeUndefined();
  expect(leadership.unreachable()).toBeUndefined();
});

test('settings of a topic are asked once a minute, and at once for a new topic', async () => {
  const { broker, leadership } = orders();
  let asked = 0;
  const answer = broker.topicConfigs.bind(broker);
  broker.topicConfigs = (topics) => {
    asked += 1;
    return answer(topics);
  };
  await leadership.refresh(['orders'], signal);
  await leadership.refresh(['orders'], signal);
  expect(asked).toBe(1);
  await leadership.refresh(['orders', 'new'], signal);
  expect(asked).toBe(2);
});
