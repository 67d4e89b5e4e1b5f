// A sidecar that is killed, doubled or wrongly set up, beside a real broker.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { startSidecar, type RoleProcess, type SidecarOptions } from '../support/sidecar-process.ts';
import { expectedRead, TieredReader } from '../support/tiered-reader.ts';
import { startKafka, type KafkaTestbed } from '../support/testbeds/kafka.ts';
import { startKafkaWorkload, type KafkaWorkload } from '../support/testbeds/kafka-workload.ts';
import { freePort } from '../support/testbeds/ports.ts';
import { pauseMs, startProcess } from '../support/testbeds/processes.ts';
import {
  coveredEnd,
  expectSeamless,
  forgetLocally,
  listFiles,
  remoteSegments,
  untilRemote,
} from '../support/remote-state.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** 1 MiB segments, rolled by what is written. */
const SMALL_SEGMENTS = { 'segment.bytes': '1048576', 'retention.ms': '-1' };

let kafka: KafkaTestbed;
let workload: KafkaWorkload;
let home: string;

beforeAll(async () => {
  home = await fs.mkdtemp(join(tmpdir(), 'logtier-hard-cases-'));
  kafka = await startKafka({ version: '4.3.1' });
  workload = await startKafkaWorkload(kafka.bootstrap);
});

afterAll(async () => {
  await workload?.stop();
  await kafka?.stop();
  await fs.rm(home, { recursive: true, force: true });
});

async function sidecarOptions(name: string, topics: string): Promise<SidecarOptions> {
  const directory = join(home, name);
  const storeDirectory = join(directory, 'store');
  await fs.mkdir(storeDirectory, { recursive: true });
  const [broker] = kafka.brokers;
  if (broker === undefined) throw new Error('no broker');
  return { directory, broker, topics, store: { kind: 'filesystem', directory: storeDirectory } };
}

test('a sidecar killed again and again in mid-copy ends with everything remote exactly once', async () => {
  const topic = 'killed';
  await workload.createTopic({ topic, configs: SMALL_SEGMENTS });
  const run = await workload.produce({
    topic,
    partition: 0,
    count: 24_000,
    valueBytes: 1_000,
    batchBytes: 64 * 1024,
  });
  const options = await sidecarOptions('killed', topic);
  const storeDirectory = join(home, 'killed', 'store');
  // Slow enough that every kill meets a copy.
  const transfer = { uploadBytesPerSecond: '2MiB' };
  const sidecar = await startSidecar({ ...options, settings: { transfer } });
  try {
    for (let kill = 0; kill < 4; kill += 1) {
      await pauseMs(300 + 250 * kill);
      await sidecar.kill('SIGKILL');
      await sidecar.restart();
    }
    const segments = await untilRemote(sidecar, topic);
    expectSeamless(segments);
    await forgetLocally(workload, { topic, partition: 0 }, segments);
    const reader = new TieredReader(sidecar.grpc);
    const job = { topic, partition: 0, fromOffset: 0n, isolation: 'read_uncommitted' as const };
    const read = await reader.readTiers(workload, job, [run]);
    reader.stop();
    expect(read).toEqual(expectedRead([run], coveredEnd(segments)));
    const keys = segments.map(({ objectKey }) => objectKey).toSorted();
    await expect.poll(() => listFiles(storeDirectory), { timeout: 240_000 }).toEqual(keys);
  } finally {
    await sidecar.stop();
  }
});

test('a second sidecar of one broker exits with 8 and one clear line', async () => {
  const first = await startSidecar(await sidecarOptions('first', 'none'));
  try {
    const second = await sidecarOptions('second', 'none');
    const { code, lines } = await runSidecar('second', settingsOf(second));
    expect(code).toBe('code 8');
    expect(lines.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringContaining('the sidecar of broker'),
    ]);
    expect(first.alive).toBe(true);
  } finally {
    await first.stop();
  }
});

function settingsOf(options: SidecarOptions): Record<string, unknown> {
  const { broker, store, directory = home } = options;
  return {
    state: { dir: join(directory, 'state') },
    broker: { bootstrap: `${broker.host}:${broker.port}`, logDirs: broker.logDirs },
    listen: { grpc: '127.0.0.1:0', http: '127.0.0.1:0' },
    stores: { main: store },
    topics: [{ match: '*', store: 'main' }],
  };
}

/** To its end; what it says on standard error. */
async function runSidecar(
  name: string,
  settings: Record<string, unknown>,
): Promise<{ code: string; lines: string[] }> {
  const directory = join(home, name);
  await fs.mkdir(directory, { recursive: true });
  const file = join(directory, 'logtier.yaml');
  await fs.writeFile(file, stringify(settings));
  const logFile = join(directory, 'run.log');
  const child = await startProcess({
    name: `logtier ${name}`,
    command: process.execPath,
    args: ['--import', 'tsx', join(ROOT, 'src/app/main.ts'), '--config', file, 'sidecar'],
    cwd: ROOT,
    logFile,
  });
  const code = await child.exited;
  const lines = (await fs.readFile(logFile, 'utf8')).split('\n').filter((line) => line !== '');
  return { code, lines };
}

interface WrongCase {
  readonly what: string;
  readonly code: string;
  readonly says: string;
  readonly change: (settings: Record<string, unknown>) => Promise<Record<string, unknown>>;
}

const wrongCases: WrongCase[] = [
  {
    what: 'an unknown key',
    code: 'code 2',
    says: 'uploader.copiesAtOnce: unknown key',
    change: (settings) => Promise.resolve({ ...settings, uploader: { copiesAtOnce: 3 } }),
  },
  {
    what: 'a wrong unit',
    code: 'code 2',
    says: 'uploader.scanIntervalMs',
    change: (settings) => Promise.resolve({ ...settings, uploader: { scanIntervalMs: '3 MiB' } }),
  },
  {
    what: 'a log directory that does not exist',
    code: 'code 2',
    says: 'broker.logDirs: /nowhere/kafka does not exist',
    change: (settings) =>
      Promise.resolve({
        ...settings,
        broker: { bootstrap: '127.0.0.1:9092', logDirs: ['/nowhere/kafka'] },
      }),
  },
  {
    what: 'a store that does not answer',
    code: 'code 4',
    says: 'stores.main',
    change: async (settings) => {
      const secretAccessKeyFile = join(home, 'secret');
      await fs.writeFile(secretAccessKeyFile, 'secret', { mode: 0o600 });
      const store = {
        kind: 's3',
        bucket: 'tier',
        region: 'us-east-1',
        endpoint: `http://127.0.0.1:${await freePort()}`,
        forcePathStyle: true,
        credentials: { accessKeyId: 'logtier', secretAccessKeyFile },
      };
      return { ...settings, stores: { main: store } };
    },
  },
];

test.each(wrongCases)('$what is one clear line, and $code', async ({ code, says, change }) => {
  const settings = await change(settingsOf(await sidecarOptions('wrong', 'none')));
  const told = await runSidecar('wrong-run', settings);
  await fs.rm(join(home, 'wrong-run'), { recursive: true, force: true });
  expect(told.code).toBe(code);
  const errors = told.lines.filter((line) => line.startsWith('error'));
  expect(errors).toEqual([expect.stringContaining(says)]);
});

test('a log directory that vanishes unreadies the sidecar; its return with the broker heals it', async () => {
  const topic = 'vanishing';
  await workload.createTopic({ topic, configs: SMALL_SEGMENTS });
  await workload.produce({ topic, partition: 0, count: 3_000, valueBytes: 1_000 });
  const sidecar: RoleProcess = await startSidecar(await sidecarOptions('vanishing', topic));
  try {
    await untilRemote(sidecar, topic);
    const before = await remoteSegments(sidecar, topic);
    const [logDir = ''] = kafka.brokers[0]?.logDirs ?? [];
    await fs.rename(logDir, `${logDir}.gone`);
    try {
      await expect.poll(() => readiness(sidecar), { timeout: 240_000 }).toBe(503);
    } finally {
      await fs.rename(`${logDir}.gone`, logDir);
    }
    await kafka.brokers[0]?.restart(); // it ends itself when its only directory fails
    await expect.poll(() => readiness(sidecar), { timeout: 240_000 }).toBe(200);
    expect(await remoteSegments(sidecar, topic)).toEqual(before);
  } finally {
    await sidecar.stop();
  }
});

async function readiness(sidecar: RoleProcess): Promise<number> {
  return (await fetch(`http://${sidecar.http}/readyz`)).status;
}
