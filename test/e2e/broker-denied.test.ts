// A real broker that will not describe a topic to us (safety rule 5): it looks as if the topic were gone.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin, type Acl } from '@platformatic/kafka';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectOperator } from '../../src/cli/connect.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { listFiles, remoteSegments, untilRemote } from '../support/remote-state.ts';
import { startSidecar, type RoleProcess } from '../support/sidecar-process.ts';
import { startKafka, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../support/testbeds/kafka-workload.ts';

const TOPIC = 'orders';
const POLL = { timeout: 60_000, interval: 100 };
/** Who connects without a login; numbers as in apache/kafka: a topic, by its literal name, DESCRIBE, DENY. */
const DENIED: Acl = {
  resourceType: 2,
  resourceName: TOPIC,
  resourcePatternType: 3,
  principal: 'User:ANONYMOUS',
  host: '*',
  operation: 8,
  permissionType: 2,
};

let kafka: KafkaTestbed;
let workload: KafkaWorkload;
let admin: Admin;
let sidecar: RoleProcess;
let home: string;

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-denied-'));
  await fs.mkdir(join(home, 'store'));
  kafka = await startKafka({
    version: '4.3.1',
    properties: {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    },
  });
  workload = await startKafkaWorkload(kafka.bootstrap);
  admin = new Admin({ clientId: 'logtier-test', bootstrapBrokers: [kafka.bootstrap] });
});

afterAll(async () => {
  await sidecar?.stop();
  await admin?.close();
  await workload?.stop();
  await kafka?.stop();
  await fs.rm(home, { recursive: true, force: true });
});

async function findingCodes(): Promise<string[]> {
  const calls = connectOperator(systemClock, sidecar.grpc);
  try {
    const request = { topic: TOPIC, partition: 0 };
    const { findings } = await calls.explain(request, new AbortController().signal);
    return findings.map(({ code }) => code);
  } finally {
    calls.close();
  }
}

test('rule 5: without the right to describe a topic nothing of it is erased, and a finding tells it', async () => {
  const configs = { 'segment.bytes': '1048576', 'retention.ms': '-1' };
  await workload.createTopic({ topic: TOPIC, configs });
  await workload.produce({ topic: TOPIC, partition: 0, count: 4_000, valueBytes: 1_000 });
  sidecar = await startSidecar({
    directory: join(home, 'sidecar'),
    broker: kafka.brokers[0]!,
    topics: TOPIC,
    store: { kind: 'filesystem', directory: join(home, 'store') },
  });
  const remote = await untilRemote(sidecar, TOPIC);
  const objects = await listFiles(join(home, 'store'));
  expect(objects.length).toBe(remote.length);

  await workload.stop(); // its producer would complain of what follows
  await admin.createAcls({ creations: [DENIED] });
  await expect.poll(findingCodes, POLL).toEqual(['TOPIC_NOT_LISTED']);
  // A life that begins without the right knows the topic from its disk alone.
  await sidecar.restart();
  await expect.poll(findingCodes, POLL).toEqual(['TOPIC_NOT_LISTED']);
  expect(await remoteSegments(sidecar, TOPIC)).toEqual(remote);
  expect(await listFiles(join(home, 'store'))).toEqual(objects);

  await admin.deleteAcls({ filters: [DENIED] });
  await expect.poll(findingCodes, POLL).toEqual([]);
  expect(await listFiles(join(home, 'store'))).toEqual(objects);
  expect(await sidecar.cli('store', 'audit')).toContain('no findings');
});
