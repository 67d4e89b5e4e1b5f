// Two Kafka clusters, one metastore group, one store: a topic's namesake in the other cluster is never meant.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { CommandChannel } from '../../src/metastore/client/command-channel.ts';
import { OperatorCommands } from '../../src/metastore/client/operator-commands.ts';
import { metastoreClientSettings } from '../../src/metastore/client/settings.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { topicId } from '../../src/segment/ids.ts';
import {
  coveredEnd,
  expectAccounted,
  forgetLocally,
  listFiles,
  type RemoteSegment,
  remoteSegments,
  untilRemote,
} from '../support/remote-state.ts';
import { type RoleProcess, startMetastoreGroup, startSidecar } from '../support/sidecar-process.ts';
import { type KafkaTestbed, startKafka } from '../support/testbeds/kafka.ts';
import {
  type KafkaWorkload,
  type Produced,
  startKafkaWorkload,
} from '../support/testbeds/kafka-workload.ts';
import { expectedRead, TieredReader } from '../support/tiered-reader.ts';

const TOPIC = 'orders';
const PARTITION = { topic: TOPIC, partition: 0 };
const PATIENCE = { timeout: 120_000, interval: 200 };

interface Side {
  readonly kafka: KafkaTestbed;
  readonly workload: KafkaWorkload;
  readonly sidecar: RoleProcess;
  readonly topicId: string;
  readonly produced: Produced;
  readonly remote: readonly RemoteSegment[];
}

let home: string;
let store: string;
let metastore: RoleProcess[] = [];
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-two-clusters-'));
  stops.push(() => fs.rm(home, { recursive: true, force: true }));
  store = join(home, 'store');
  await fs.mkdir(store);
  metastore = await startMetastoreGroup(3);
  for (const member of metastore) stops.push(() => member.stop());
});

afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

/** A broker, a topic with more than a segment, and all of it remote but the active one. */
async function startSide(seed: number, count: number): Promise<Side> {
  const kafka = await startKafka({ version: '4.3.1' });
  stops.push(() => kafka.stop());
  const workload = await startKafkaWorkload(kafka.bootstrap);
  stops.push(() => workload.stop());
  const configs = { 'segment.bytes': '1048576', 'retention.ms': '-1' };
  const id = await workload.createTopic({ topic: TOPIC, configs });
  const sidecar = await startSidecar({
    broker: kafka.brokers[0]!,
    store: { kind: 'filesystem', directory: store },
    topics: TOPIC,
    metastore: metastore.map(({ grpc }) => grpc),
    settings: { uploader: { eraseIntervalMs: '1s' } },
  });
  stops.push(() => sidecar.stop());
  const produced = await workload.produce({ ...PARTITION, count, valueBytes: 1_000, seed });
  return {
    kafka,
    workload,
    sidecar,
    topicId: id,
    produced,
    remote: await untilRemote(sidecar, TOPIC),
  };
}

interface Listed {
  readonly clusterId: string;
  readonly items: readonly { readonly topic: string; readonly remoteSegments: string }[];
}

async function listed({ sidecar }: Side): Promise<Listed> {
  const { clusterId, items } = JSON.parse(
    await sidecar.cli('-o', 'json', 'inventory', 'ls'),
  ) as Listed;
  return {
    clusterId,
    items: items.map((item) => ({ topic: item.topic, remoteSegments: item.remoteSegments })),
  };
}

/** As an operator does who knows that the topic is gone for good. */
async function eraseTopic({ kafka, topicId: id }: Side): Promise<void> {
  const endpoints = metastore.map(({ grpc }) => grpc);
  const transport = grpcTransport(systemClock, endpoints);
  const deps = { transport, clock: systemClock, random: systemRandom, logger: silentLogger };
  const identity = { clusterId: kafka.clusterId, brokerId: -1, instance: 'operator' };
  const channel = new CommandChannel(deps, metastoreClientSettings.parse({}), identity);
  try {
    const bound = AbortSignal.timeout(PATIENCE.timeout);
    await new OperatorCommands(channel).deleteTopic(topicId(id), 'deleted in Kafka', bound);
  } finally {
    await channel.stop();
    transport.stop();
  }
}

async function expectReadBack({ sidecar, produced, remote }: Side): Promise<void> {
  const reader = new TieredReader(sidecar.grpc);
  try {
    const end = coveredEnd(remote);
    const job = { ...PARTITION, fromOffset: 0n, isolation: 'read_uncommitted' as const };
    expect(await reader.readRemote(job)).toEqual({
      summary: expectedRead([produced], end).remote,
      end,
    });
  } finally {
    reader.stop();
  }
}

function keysOf({ remote }: Side): string[] {
  return remote.map(({ objectKey }) => objectKey).toSorted();
}

test('deleting a topic of one cluster leaves its namesake of the other, records and objects, as it was', async () => {
  const [gone, kept] = await Promise.all([startSide(1, 5_000), startSide(2, 7_000)]);
  const lists = await Promise.all([gone, kept].map(listed));
  expect(lists).toEqual(
    [gone, kept].map(({ kafka, remote }) => ({
      clusterId: kafka.clusterId,
      items: [{ topic: TOPIC, remoteSegments: String(remote.length) }],
    })),
  );
  expect(gone.remote.length).toBeGreaterThan(1);
  expect(kept.remote.length).toBeGreaterThan(gone.remote.length);
  expect(await listFiles(store)).toEqual([...keysOf(gone), ...keysOf(kept)].toSorted());
  await forgetLocally(gone.workload, PARTITION, gone.remote);
  await forgetLocally(kept.workload, PARTITION, kept.remote);
  await Promise.all([gone, kept].map(expectReadBack));

  await gone.workload.deleteTopic(TOPIC);
  await eraseTopic(gone);
  await expect.poll(() => listFiles(store), PATIENCE).toEqual(keysOf(kept));
  await expectReadBack(kept);
  expect(await remoteSegments(kept.sidecar, TOPIC)).toEqual(kept.remote);
  for (const { grpc } of metastore) await expectAccounted(grpc, kept.kafka.clusterId, store);
});
