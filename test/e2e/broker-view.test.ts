// What one real broker says, asked by its own sidecar's client.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FetchQuery, OffsetQuery } from '../../src/broker/broker-view.ts';
import { KafkaBrokerView } from '../../src/broker/kafka-broker-view.ts';
import { readBatchHeader } from '../../src/kafka/record-batch.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../support/testbeds/kafka-workload.ts';
import { startKafka, type KafkaTestbed } from '../support/testbeds/kafka.ts';

const never = new AbortController().signal;

function stableAt(leaderEpoch: number | undefined): OffsetQuery {
  return { topic: 'stable', partition: 0, leaderEpoch };
}

function bytesAt(offset: bigint): FetchQuery {
  return { topic: 'bytes', partition: 0, offset, committedOnly: true };
}

describe.each(['4.3.1', '3.9.2'] as const)('a broker of Kafka %s', (version) => {
  let kafka: KafkaTestbed;
  let workload: KafkaWorkload;
  let view: KafkaBrokerView;

  beforeAll(async () => {
    kafka = await startKafka({ version });
    workload = await startKafkaWorkload(kafka.bootstrap);
    view = viewOf(kafka.clusterId);
  });

  afterAll(async () => {
    await view.stop();
    await workload.stop();
    await kafka.stop();
  });

  function viewOf(clusterId: string): KafkaBrokerView {
    const [broker] = kafka.brokers;
    const bootstrap = { host: broker!.host, port: broker!.port };
    const connection = { connectTimeout: 60_000, requestTimeout: 60_000 };
    return new KafkaBrokerView(
      { clock: systemClock },
      { brokerId: broker!.id, bootstrap, clusterId, connection },
    );
  }

  test('tells leaders, topic ids and settings, and nothing of a topic that is not there', async () => {
    const topicId = await workload.createTopic({
      topic: 'facts',
      partitions: 2,
      configs: { 'retention.ms': '86400000', 'retention.bytes': '1048576' },
    });
    const metadata = await view.metadata(['facts', 'absent'], never);
    const [broker] = kafka.brokers;
    expect(metadata.clusterId).toBe(kafka.clusterId);
    expect(metadata.topics).toEqual([
      {
        name: 'facts',
        topicId,
        internal: false,
        partitions: [0, 1].map((partition) => ({
          partition,
          leaderId: broker!.id,
          leaderEpoch: 0,
        })),
      },
    ]);
    const configs = await view.topicConfigs(['facts', 'absent'], never);
    expect([...configs.keys()]).toEqual(['facts']);
    expect(configs.get('facts')).toMatchObject({
      cleanupPolicy: 'delete',
      retentionMs: 86_400_000,
      retentionBytes: 1_048_576,
      remoteStorageEnabled: false,
    });
  });

  test('tells the last stable offset for the right epoch, and refuses a wrong one by name', async () => {
    await workload.createTopic({ topic: 'stable' });
    await workload.produce({ topic: 'stable', partition: 0, count: 10, valueBytes: 10 });
    for (const epoch of [0, undefined]) {
      const answers = await view.offsets([stableAt(epoch)], 'latest', true, never);
      expect(answers).toEqual([{ offset: 10n, leaderEpoch: 0 }]);
    }
    expect(await view.offsets([stableAt(7)], 'latest', true, never)).toEqual([
      { refused: 'UNKNOWN_LEADER_EPOCH' },
    ]);
    const absent = { topic: 'absent', partition: 0, leaderEpoch: undefined };
    expect(await view.offsets([absent], 'latest', true, never)).toEqual([
      { refused: 'UNKNOWN_TOPIC_OR_PARTITION' },
    ]);
  });

  test('gives the bytes of whole batches from the one that holds the offset', async () => {
    await workload.createTopic({ topic: 'bytes' });
    await workload.produce({
      topic: 'bytes',
      partition: 0,
      count: 100,
      valueBytes: 100,
      flushEvery: 10,
    });
    const fetched = await view.fetch(bytesAt(15n), never);
    const first = readBatchHeader(fetched.batches, 0);
    expect(first.baseOffset <= 15n && first.lastOffset >= 15n).toBe(true);
    expect(fetched).toMatchObject({
      highWatermark: 100n,
      lastStableOffset: 100n,
      logStartOffset: 0n,
      aborted: [],
    });
    const ask = { topic: 'bytes', partition: 0, leaderEpoch: undefined };
    const ends = await view.offsets([ask], 'logEnd', false, never);
    expect(ends).toMatchObject([{ offset: 100n }]);
    await expect(view.fetch(bytesAt(101n), never)).rejects.toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    });
  });

  test('names aborted transactions to who asks for committed records only', async () => {
    await workload.createTopic({ topic: 'undone' });
    const job = { topic: 'undone', partition: 0, count: 5, valueBytes: 10 };
    await workload.produceTransaction({ ...job, outcome: 'abort' });
    const query = { topic: 'undone', partition: 0, offset: 0n };
    const committed = await view.fetch({ ...query, committedOnly: true }, never);
    const { producerId } = readBatchHeader(committed.batches, 0);
    expect(committed.aborted).toEqual([{ producerId, firstOffset: 0n }]);
    const all = await view.fetch({ ...query, committedOnly: false }, never);
    expect(all.aborted).toEqual([]);
  });

  test('a broker of another cluster is refused, not believed', async () => {
    const stranger = viewOf('AAAAAAAAAAAAAAAAAAAAAA');
    await expect(stranger.metadata([], never)).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
    await stranger.stop();
  });

  test('while the broker is gone it is BROKER_UNAVAILABLE, and afterwards it answers again', async () => {
    const [broker] = kafka.brokers;
    await broker!.kill('SIGKILL');
    await expect(view.metadata([], never)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await broker!.restart();
    const metadata = await view.metadata(['bytes'], never);
    expect(metadata.topics).toHaveLength(1);
  });
});
