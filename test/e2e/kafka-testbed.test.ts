import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startKafka, type KafkaBroker, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import {
  startKafkaWorkload,
  type Codec,
  type KafkaWorkload,
  type Produced,
} from '../support/testbeds/kafka-workload.ts';
import { pauseMs } from '../support/testbeds/processes.ts';
import { expectedSummary } from '../support/workload-content.ts';

const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const POLL_MS = 100;
const POLLS = 1_800;

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let poll = 0; !(await isSo()); poll += 1) {
    if (poll === POLLS) throw new Error('it did not come to that');
    await pauseMs(POLL_MS);
  }
}

describe.each(['4.3.1', '3.9.2'] as const)('one stock broker of Kafka %s', (version) => {
  let kafka: KafkaTestbed;
  let broker: KafkaBroker;
  let workload: KafkaWorkload;

  beforeAll(async () => {
    kafka = await startKafka({ version, logDirsPerBroker: 2 });
    broker = kafka.brokers[0]!;
    workload = await startKafkaWorkload(kafka.bootstrap);
  });

  afterAll(async () => {
    await workload.stop();
    await kafka.stop();
  });

  test.each(CODECS)('gives back what was written with codec %s', async (codec) => {
    const topic = `codec-${codec}`;
    await workload.createTopic({ topic });
    const runs: Produced[] = [];
    let startIndex = 2 ** 32 - 50; // across the end of 32 bits
    for (const valueBytes of [0, 1, 6, 100, 1023, 65_536]) {
      const job = { topic, partition: 0, count: 40, valueBytes, codec, seed: -7, startIndex };
      runs.push(await workload.produce(job));
      startIndex += 40;
    }
    const count = 40 * runs.length;
    const seen = await workload.consume({ topic, partition: 0, fromOffset: 0n, count });
    expect(seen).toEqual(expectedSummary(runs));
    expect(seen.lastOffset).toBe(BigInt(count - 1));
  });

  test('shows a committed transaction and hides an aborted one from read_committed', async () => {
    const topic = 'transactions';
    await workload.createTopic({ topic });
    const job = { topic, partition: 0, count: 100, valueBytes: 500 };
    const first = await workload.produceTransaction({ ...job, outcome: 'commit' });
    const lost = await workload.produceTransaction({ ...job, seed: 2, outcome: 'abort' });
    const last = await workload.produceTransaction({ ...job, seed: 3, outcome: 'commit' });
    const everything = { topic, partition: 0, fromOffset: 0n };
    expect(
      await workload.consume({ ...everything, count: 200, isolation: 'read_committed' }),
    ).toEqual(expectedSummary([first, last]));
    expect(await workload.consume({ ...everything, count: 300 })).toEqual(
      expectedSummary([first, lost, last]),
    );
    // Three end markers take an offset each.
    expect(await workload.offset({ topic, partition: 0 }, 'latest')).toBe(303n);
  });

  test('rolls small segments and forgets records on request', async () => {
    const topic = 'segments';
    await workload.createTopic({ topic, configs: { 'segment.bytes': `${1024 * 1024}` } });
    const partition = { topic, partition: 0 };
    const all = await workload.produce({ ...partition, count: 400, valueBytes: 10_000 });
    expect(await workload.deleteRecords(partition, 250n)).toBe(250n);
    expect(await workload.offset(partition, 'earliest')).toBe(250n);
    const left = { ...all, startIndex: 250, count: 150, firstOffset: 250n };
    expect(await workload.consume({ ...partition, fromOffset: 250n, count: 150 })).toEqual(
      expectedSummary([left]),
    );
    await expect(workload.consume({ ...partition, fromOffset: 0n, count: 1 })).rejects.toThrow(
      'OffsetOutOfRange',
    );
  });

  test('moves a partition to its other log directory', async () => {
    const partition = { topic: 'wanderer', partition: 0 };
    await workload.createTopic({ topic: partition.topic });
    const all = await workload.produce({ ...partition, count: 10, valueBytes: 100 });
    const homes = async (): Promise<readonly boolean[]> =>
      Promise.all(broker.logDirs.map(async (dir) => (await readdir(dir)).includes('wanderer-0')));
    const before = await homes();
    expect(before.filter(Boolean)).toEqual([true]);
    await workload.moveLogDir(partition, broker.id, broker.logDirs[before[0] ? 1 : 0]!);
    await until(async () => (await homes()).every((isHome, at) => isHome !== before[at]));
    expect(await workload.consume({ ...partition, fromOffset: 0n, count: 10 })).toEqual(
      expectedSummary([all]),
    );
  });

  test('has lost nothing after kill -9 and a restart', async () => {
    const topic = 'survivor';
    await workload.createTopic({ topic });
    const job = { topic, partition: 0, count: 5000, valueBytes: 1000 };
    const before = await workload.produce(job);
    const { pid } = broker;
    await broker.kill('SIGKILL');
    expect(broker.alive).toBe(false);
    await broker.restart();
    expect(broker.pid).not.toBe(pid);
    const after = await workload.produce({ ...job, startIndex: 5000 });
    expect(await workload.consume({ topic, partition: 0, fromOffset: 0n, count: 10_000 })).toEqual(
      expectedSummary([before, after]),
    );
  });
});

describe('three brokers of Kafka 4.3.1', () => {
  let kafka: KafkaTestbed;
  let workload: KafkaWorkload;

  beforeAll(async () => {
    kafka = await startKafka({ version: '4.3.1', brokers: 3 });
    workload = await startKafkaWorkload(kafka.bootstrap);
  });

  afterAll(async () => {
    await workload.stop();
    await kafka.stop();
  });

  test('elect another leader while one is paused, and take it back', async () => {
    const partition = { topic: 'led', partition: 0 };
    await workload.createTopic({ topic: partition.topic, replication: 3 });
    const before = await workload.produce({ ...partition, count: 100, valueBytes: 100 });
    const leaderNow = async (): Promise<number> =>
      (await workload.describeTopic(partition.topic)).partitions[0]!.leader;
    const first = await leaderNow();
    const paused = kafka.brokers.find((broker) => broker.id === first)!;
    paused.pause();
    await until(async () => ![first, -1].includes(await leaderNow()));
    const after = await workload.produce({ ...partition, count: 100, valueBytes: 100, seed: 2 });
    paused.resume();
    await until(async () => {
      const { isr } = (await workload.describeTopic(partition.topic)).partitions[0]!;
      return isr.length === 3;
    });
    await workload.electLeader(partition);
    await until(async () => (await leaderNow()) === first); // brokers hear of it one by one
    expect(await workload.consume({ ...partition, fromOffset: 0n, count: 200 })).toEqual(
      expectedSummary([before, after]),
    );
  });

  test('move a replica to another broker', async () => {
    const partition = { topic: 'moved', partition: 0 };
    const id = await workload.createTopic({ topic: partition.topic });
    const all = await workload.produce({ ...partition, count: 100, valueBytes: 100 });
    const home = (await workload.describeTopic(partition.topic)).partitions[0]!.leader;
    const target = (home % 3) + 1;
    await workload.reassign(partition, [target]);
    await until(
      async () => (await workload.describeTopic(partition.topic)).partitions[0]!.leader === target,
    );
    expect((await workload.describeTopic(partition.topic)).topicId).toBe(id);
    expect(await workload.consume({ ...partition, fromOffset: 0n, count: 100 })).toEqual(
      expectedSummary([all]),
    );
  });
});
