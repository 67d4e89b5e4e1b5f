// The asking half of the read benchmarks: a segment in a store, a sidecar in its own process, and a client that
// counts bytes without looking at them.
import { fork, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { FetchRequest, Isolation } from '../../src/gen/logtier/v1/record_fetch.ts';
import { printLeaderEpochCheckpoint } from '../../src/kafka/leader-epoch-checkpoint.ts';
import { segmentFileName } from '../../src/kafka/segment-files.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { segmentId, topicId } from '../../src/segment/ids.ts';
import { buildObjectKey } from '../../src/segment/object-key.ts';
import { writeObjectTail } from '../../src/segment/segment-object-writer.ts';
import { fileSource } from '../../src/store/byte-source.ts';
import { nobody, type ObjectStore } from '../../src/store/object-store.ts';
import { chunkCrcsOf } from '../../test/support/segment-objects.ts';
import { buildProducerSnapshot } from '../../test/support/kafka-files.ts';
import type { BenchSegment } from './kafka-segment.ts';
import { writeBenchSegment } from './kafka-segment.ts';
import {
  BARE_MESSAGE_BYTES,
  BARE_PATH,
  type SidecarConfig,
  type SidecarReady,
  type SidecarUsage,
} from './read-sidecar.ts';

const TOPIC = 'orders';
const FETCH_PATH = '/logtier.v1.RecordFetchService/Fetch';

export interface StoredSegment extends BenchSegment {
  readonly key: string;
  readonly objectBytes: number;
}

/** A segment of about `logBytes` in `directory`, not yet in a store. */
export function writeSegment(directory: string, logBytes: number): Promise<BenchSegment> {
  return writeBenchSegment(directory, { startOffset: 0n, logBytes, leaderEpoch: 0 });
}

export async function storeSegment(
  store: ObjectStore,
  directory: string,
  segment: BenchSegment,
): Promise<StoredSegment> {
  const log = await fs.readFile(segment.logPath);
  const read = (kind: 'index' | 'timeindex'): Promise<Buffer> =>
    fs.readFile(join(directory, segmentFileName(segment.startOffset, kind)));
  const epochs = [{ epoch: 0, startOffset: 0n }];
  const facts = {
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    topic: TOPIC,
    topicId: topicId('zNXW4P_MSfSWcZnwHAkGbA'),
    partition: 0,
    segmentId: segmentId('AZqxlI1YcXm9vGnYrm6xOA'),
    firstToken: { incarnation: 1, index: 1n },
    brokerId: 1,
    intentMs: 0,
    startOffset: segment.startOffset,
    nextOffset: segment.nextOffset,
    maxTimestampMs: 1_700_000_000_000,
    epochs,
    rebuilt: false,
    noProducerSnapshot: false,
  };
  const logCrcs = chunkCrcsOf(log);
  const tail = writeObjectTail(
    facts,
    { bytes: log.length, chunkCrcs: logCrcs },
    {
      offsetIndex: await read('index'),
      timeIndex: await read('timeindex'),
      transactionIndex: undefined,
      producerSnapshot: buildProducerSnapshot([]),
      leaderEpochCheckpoint: Buffer.from(printLeaderEpochCheckpoint(epochs)),
    },
  );
  const key = buildObjectKey({
    ...facts,
    id: { topicId: facts.topicId, partition: 0 },
    token: facts.firstToken,
  });
  const file = await nodeDisk.open(segment.logPath, 'read');
  const body = fileSource({ log: file, logBytes: log.length, logCrcs, tail: tail.bytes });
  await store.put(key, body, nobody, new AbortController().signal);
  await file.close();
  return { ...segment, key, objectBytes: tail.objectBytes };
}

export interface Sidecar {
  readonly ready: SidecarReady;
  cpuSeconds(): Promise<number>;
  stop(): Promise<void>;
}

export async function startSidecar(config: SidecarConfig): Promise<Sidecar> {
  const file = join(import.meta.dirname, 'read-sidecar.ts');
  const child = fork(file, [JSON.stringify(config)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {
      ...process.env,
      // As the unit file sets it: large buffers come from the heap, not from new pages each.
      MALLOC_MMAP_THRESHOLD_: '1073741824',
      MALLOC_TRIM_THRESHOLD_: '2147483648',
    },
  });
  const ready = (await nextMessage(child)) as SidecarReady;
  return {
    ready,
    cpuSeconds: async () => {
      const answer = nextMessage(child);
      child.send('usage');
      return ((await answer) as SidecarUsage).cpuSeconds;
    },
    stop: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await gone;
    },
  };
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the sidecar ended with ${code}`));
    };
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
}

export function openClient(address: string): Client {
  return new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc-node.flow_control_window': 16 * 2 ** 20,
  });
}

const same = (bytes: Buffer): Buffer => bytes;

export interface Received {
  /** Of messages, the few bytes of their tags included. */
  readonly bytes: number;
  /** From the request to the first message of more than 1 KiB. */
  readonly firstMs: number;
}

function receive(client: Client, path: string, request: Buffer): Promise<Received> {
  return new Promise((resolve, reject) => {
    const beganMs = performance.now();
    let [bytes, firstMs] = [0, 0];
    const call = client.makeServerStreamRequest(path, same, same, request, new Metadata());
    call.on('data', (message: Buffer) => {
      if (firstMs === 0 && message.length > 1024) firstMs = performance.now() - beganMs;
      bytes += message.length;
    });
    call.on('error', reject);
    call.on('end', () => {
      resolve({ bytes, firstMs });
    });
  });
}

export function fetchSegment(client: Client, offset: bigint, maxBytes: number): Promise<Received> {
  const request = FetchRequest.encode({
    clusterId: '',
    topic: TOPIC,
    partition: 0,
    offset,
    maxBytes,
    isolation: Isolation.READ_COMMITTED,
  }).finish();
  return receive(client, FETCH_PATH, Buffer.from(request));
}

export function streamBarely(client: Client, bytes: number): Promise<Received> {
  const request = Buffer.alloc(4);
  request.writeUInt32BE(Math.ceil(bytes / BARE_MESSAGE_BYTES));
  return receive(client, BARE_PATH, request);
}

/** The whole file through one buffer of 1 MiB. */
export async function preadAll(path: string): Promise<number> {
  const buffer = Buffer.alloc(2 ** 20);
  const file = await fs.open(path, 'r');
  let position = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) break;
    position += bytesRead;
  }
  await file.close();
  return position;
}

export function median(values: readonly number[]): number {
  return (
    values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
  );
}
