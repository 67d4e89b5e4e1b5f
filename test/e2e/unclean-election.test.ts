// Two histories of one partition: a leader writes alone and dies, the replica that missed it all is elected. Both are
// remote by then; what is read across the divergence is the lineage that survived, and nothing of the other.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  coveredEnd,
  expectAccounted,
  forgetLocally,
  remoteSegments,
  untilRemote,
} from '../support/remote-state.ts';
import { startMetastore, startSidecar, type RoleProcess } from '../support/sidecar-process.ts';
import { expectedRead, TieredReader } from '../support/tiered-reader.ts';
import { startKafka, type KafkaBroker, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../support/testbeds/kafka-workload.ts';

const TOPIC = 'orders';
const PARTITION = { topic: TOPIC, partition: 0 };
const POLL = { timeout: 90_000, interval: 100 };

let kafka: KafkaTestbed;
let workload: KafkaWorkload;
let metastore: RoleProcess;
let home: string;
const sidecars: RoleProcess[] = [];

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-unclean-'));
  await fs.mkdir(join(home, 'store'));
  kafka = await startKafka({ version: '4.3.1', brokers: 3 });
  workload = await startKafkaWorkload(kafka.bootstrap);
  metastore = await startMetastore();
});

afterAll(async () => {
  for (const sidecar of sidecars) await sidecar.stop();
  await metastore?.stop();
  await workload?.stop();
  await kafka?.stop();
  await fs.rm(home, { recursive: true, force: true });
});

async function sidecarOf(broker: KafkaBroker): Promise<RoleProcess> {
  const sidecar = await startSidecar({
    directory: join(home, `sidecar-${broker.id}`),
    broker,
    store: { kind: 'filesystem', directory: join(home, 'store') },
    topics: TOPIC,
    metastore: [metastore.grpc],
  });
  sidecars.push(sidecar);
  return sidecar;
}

async function partitionState(): Promise<{ leader: number; isr: number[] }> {
  const { partitions } = await workload.describeTopic(TOPIC);
  const { leader = -1, isr = [] } = partitions[0] ?? {};
  return { leader, isr: isr.toSorted((left, right) => left - right) };
}

/** Two replicas, led by the first: the third broker only keeps the quorum alive. */
async function place(first: number, second: number): Promise<void> {
  await workload.createTopic({
    topic: TOPIC,
    replication: 3,
    configs: {
      'segment.bytes': '1048576',
      'retention.ms': '-1',
      'min.insync.replicas': '1',
      'unclean.leader.election.enable': 'true',
    },
  });
  await workload.reassign(PARTITION, [first, second]);
  const isr = [first, second].toSorted((left, right) => left - right);
  await expect.poll(async () => (await partitionState()).isr, POLL).toEqual(isr);
  if ((await partitionState()).leader !== first) await workload.electLeader(PARTITION);
  await expect.poll(partitionState, POLL).toEqual({ leader: first, isr });
}

function produce(startIndex: number, count: number) {
  const job = { ...PARTITION, valueBytes: 1_000, batchBytes: 64 * 1024 };
  return workload.produce({ ...job, startIndex, count });
}

test('after an unclean election both histories are stored, and only the surviving one is read', async () => {
  const [lost, chosen] = kafka.brokers;
  if (lost === undefined || chosen === undefined) throw new Error('no brokers');
  await place(lost.id, chosen.id);
  const [ofLost, ofChosen] = [await sidecarOf(lost), await sidecarOf(chosen)];
  const shared = await produce(0, 5_500);

  await chosen.kill('SIGKILL');
  const alone = await produce(5_500, 4_000);
  const before = await untilRemote(ofLost, TOPIC);
  expect(coveredEnd(before)).toBeGreaterThan(alone.firstOffset + 2_000n);

  await lost.kill('SIGKILL');
  await chosen.restart();
  await expect.poll(async () => (await partitionState()).leader, POLL).toBe(chosen.id);
  const surviving = await produce(9_500, 7_000);
  expect(surviving.firstOffset).toBe(alone.firstOffset);
  const after = await untilRemote(ofChosen, TOPIC);

  const names = (segments: typeof after) => segments.map(({ segmentId }) => segmentId);
  expect(names(after)).toEqual(expect.arrayContaining(names(before)));
  await expectAccounted(metastore.grpc, kafka.clusterId, join(home, 'store'));
  const end = coveredEnd(after);
  expect(end).toBeGreaterThan(coveredEnd(before));
  await forgetLocally(workload, PARTITION, after);
  const reader = new TieredReader(ofChosen.grpc);
  const runs = [shared, surviving];
  const job = { ...PARTITION, fromOffset: 0n, isolation: 'read_uncommitted' as const };
  expect(await reader.readTiers(workload, job, runs)).toEqual(expectedRead(runs, end));
  reader.stop();
  expect(await remoteSegments(ofChosen, TOPIC)).toEqual(after);
});
