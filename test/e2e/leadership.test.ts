// A leader and its sidecar that stand still past an election: the stale pair must change nothing when it wakes.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  coveredEnd,
  expectAccounted,
  forgetLocally,
  localStates,
  remoteSegments,
  untilRemote,
} from '../support/remote-state.ts';
import { startMetastore, startSidecar, type RoleProcess } from '../support/sidecar-process.ts';
import { expectedRead, TieredReader } from '../support/tiered-reader.ts';
import { startKafka, type KafkaBroker, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../support/testbeds/kafka-workload.ts';

const TOPIC = 'orders';
const PARTITION = { topic: TOPIC, partition: 0 };
const BOUND_MS = 300_000;

let kafka: KafkaTestbed;
let workload: KafkaWorkload;
let metastore: RoleProcess;
let home: string;
const sidecars: RoleProcess[] = [];

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-leadership-'));
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

function brokerOf(id: number): KafkaBroker {
  const broker = kafka.brokers.find((one) => one.id === id);
  if (broker === undefined) throw new Error(`no broker ${id}`);
  return broker;
}

async function sidecarOf(id: number): Promise<RoleProcess> {
  const sidecar = await startSidecar({
    directory: join(home, `sidecar-${id}`),
    broker: brokerOf(id),
    store: { kind: 'filesystem', directory: join(home, 'store') },
    topics: TOPIC,
    metastore: [metastore.grpc],
    settings: { transfer: { uploadBytesPerSecond: '1MiB' } },
  });
  sidecars.push(sidecar);
  return sidecar;
}

async function leader(): Promise<number> {
  const { partitions } = await workload.describeTopic(TOPIC);
  return partitions[0]?.leader ?? -1;
}

function sorted(ids: readonly number[]): number[] {
  return ids.toSorted((left, right) => left - right);
}

/** Two replicas, led by the first of them. */
async function place(first: number, second: number): Promise<void> {
  await workload.createTopic({
    topic: TOPIC,
    replication: 3,
    configs: { 'segment.bytes': '1048576', 'retention.ms': '-1', 'min.insync.replicas': '1' },
  });
  await workload.reassign(PARTITION, [first, second]);
  const isr = async (): Promise<number[]> => {
    const { partitions } = await workload.describeTopic(TOPIC);
    return sorted(partitions[0]?.isr ?? []);
  };
  await expect.poll(isr, { timeout: BOUND_MS }).toEqual(sorted([first, second]));
  if ((await leader()) !== first) await workload.electLeader(PARTITION);
  await expect.poll(leader, { timeout: BOUND_MS }).toBe(first);
}

test('a leader and its sidecar paused past an election change nothing when they wake', async () => {
  const [oldId = 0, newId = 0] = kafka.brokers.map(({ id }) => id);
  await place(oldId, newId);
  const stale = await sidecarOf(oldId);
  const fresh = await sidecarOf(newId);
  const first = await workload.produce({
    ...PARTITION,
    count: 8_000,
    valueBytes: 1_000,
    batchBytes: 64 * 1024,
  });
  // One segment is remote and the next one is on its way: the pause falls into a copy.
  const begun = async (): Promise<boolean> => (await remoteSegments(stale, TOPIC)).length > 0;
  await expect.poll(begun, { timeout: BOUND_MS }).toBe(true);
  await stale.kill('SIGSTOP');
  brokerOf(oldId).pause();
  await expect.poll(leader, { timeout: BOUND_MS }).toBe(newId);
  const second = await workload.produce({
    ...PARTITION,
    count: 4_000,
    valueBytes: 1_000,
    batchBytes: 64 * 1024,
    startIndex: first.count,
  });
  const before = await untilRemote(fresh, TOPIC);
  coveredEnd(before);

  await stale.kill('SIGCONT');
  brokerOf(oldId).resume();
  const settled = async (): Promise<boolean> => {
    const states = await localStates(stale, TOPIC);
    return states.length > 0 && states.every((state) => state !== 'copying' && state !== 'queued');
  };
  await expect.poll(settled, { timeout: BOUND_MS }).toBe(true);

  const after = await remoteSegments(fresh, TOPIC);
  expect(after.map(({ segmentId }) => segmentId)).toEqual(before.map(({ segmentId }) => segmentId));
  await expectAccounted(metastore.grpc, kafka.clusterId, join(home, 'store'));
  await forgetLocally(workload, PARTITION, after);
  const reader = new TieredReader(fresh.grpc);
  const job = { ...PARTITION, fromOffset: 0n, isolation: 'read_uncommitted' as const };
  const read = await reader.readTiers(workload, job, [first, second]);
  reader.stop();
  expect(read).toEqual(expectedRead([first, second], coveredEnd(after)));
});
