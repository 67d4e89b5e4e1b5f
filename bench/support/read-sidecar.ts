// The serving half of the read benchmarks, in a process of its own: the real RecordFetchService over one segment,
// and beside it a bare grpc-js stream of as many bytes from memory. Talks to its parent by IPC.
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { ChunkCache } from '../../src/cache/chunk-cache.ts';
import { cacheMetrics } from '../../src/cache/metrics.ts';
import { cacheSettings } from '../../src/cache/settings.ts';
import { Fetcher } from '../../src/fetcher/fetcher.ts';
import { fetcherMetrics } from '../../src/fetcher/metrics.ts';
import { fetcherSettings } from '../../src/fetcher/settings.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { createLogger } from '../../src/platform/log.ts';
import { createMetrics } from '../../src/platform/metrics.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultServeSettings, serve } from '../../src/rpc/serve.ts';
import { recordOf } from '../../src/segment/manifest-record.ts';
import { readManifest } from '../../src/segment/segment-object-reader.ts';
import type { PartitionSnapshot } from '../../src/segment/segment-record.ts';
import { recordFetchService } from '../../src/services/record-fetch.ts';
import { FilesystemStore } from '../../src/store/filesystem/filesystem-store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { S3Store } from '../../src/store/s3/s3-store.ts';
import { s3StoreSettings } from '../../src/store/s3/settings.ts';

export interface SidecarConfig {
  /** A directory, or the settings of an S3 store. */
  readonly store: { readonly directory: string } | { readonly s3: unknown };
  readonly key: string;
  readonly objectBytes: number;
  readonly cacheDirectory: string;
  readonly cacheBytes: number;
}

/** First message to the parent. */
export interface SidecarReady {
  readonly address: string;
  readonly bareAddress: string;
}

/** Answer to any message of the parent: CPU seconds of this process so far. */
export interface SidecarUsage {
  readonly cpuSeconds: number;
}

export const BARE_PATH = '/bench.Bare/Stream';
export const BARE_MESSAGE_BYTES = 2 ** 20;

function openStore(config: SidecarConfig): ObjectStore {
  const deps = { clock: systemClock, disk: nodeDisk, random: systemRandom };
  return 's3' in config.store
    ? new S3Store(deps, s3StoreSettings.parse(config.store.s3))
    : new FilesystemStore(deps, config.store);
}

async function snapshotOf(store: ObjectStore, config: SidecarConfig): Promise<PartitionSnapshot> {
  const { signal } = new AbortController();
  const read = async (range: { start: number; end: number }): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    for await (const piece of store.get(config.key, range, signal)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  };
  const manifest = await readManifest(config.objectBytes, read, signal);
  const found = { store: 'main', objectKey: config.key, objectBytes: config.objectBytes };
  return {
    id: { topicId: manifest.topicId, partition: manifest.partition },
    topic: manifest.topic,
    revision: manifest.firstToken,
    lineage: manifest.epochs,
    remoteStart: manifest.startOffset,
    claim: undefined,
    segments: [recordOf(manifest, found)],
  };
}

async function openFetcher(store: ObjectStore, config: SidecarConfig): Promise<Fetcher> {
  const snapshot = await snapshotOf(store, config);
  const registry = createMetrics();
  const logger = createLogger('warn', 'bench');
  const cache = await ChunkCache.open(
    {
      disk: nodeDisk,
      clock: systemClock,
      random: systemRandom,
      logger,
      metrics: registry.live(cacheMetrics),
    },
    cacheSettings.parse({}),
    { directory: config.cacheDirectory, sizeBytes: config.cacheBytes },
    new AbortController().signal,
  );
  const find = (): Promise<PartitionSnapshot> => Promise.resolve(snapshot);
  const far = 2n ** 62n;
  const local = { localStart: far, highWatermark: far, lastStableOffset: far };
  const parts = {
    lookup: { find, findLinearizable: find },
    broker: {
      offsets: () => Promise.resolve(local),
      outcomes: () => Promise.resolve({ lastStableOffset: far, aborted: [] }),
    },
    stores: () => store,
    cache,
    clock: systemClock,
    logger,
    metrics: registry.live(fetcherMetrics),
  };
  return new Fetcher(parts, fetcherSettings.parse({ largestBytes: '4GiB' }));
}

const same = (bytes: Buffer): Buffer => bytes;

/** As grpc-js is used without further thought: one message after the other, `drain` when it is full. */
function serveBare(): Promise<string> {
  const payload = Buffer.alloc(BARE_MESSAGE_BYTES, 'payload');
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  const method = {
    path: BARE_PATH,
    requestStream: false,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  const stream = (call: ServerWritableStream<Buffer, Buffer>): void => {
    let left = call.request.readUInt32BE(0);
    const send = (): void => {
      while (left > 0) {
        left -= 1;
        if (!call.write(payload)) {
          call.once('drain', send);
          return;
        }
      }
      call.end();
    };
    send();
  };
  server.addService({ stream: method }, { stream });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

async function main(config: SidecarConfig): Promise<void> {
  const store = openStore(config);
  const fetcher = await openFetcher(store, config);
  const log = createLogger('warn', 'bench');
  const server = await serve(
    { clock: systemClock, log },
    { ...defaultServeSettings, address: '127.0.0.1:0' },
    [recordFetchService(fetcher, { clusterId: '' })],
  );
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuSeconds: (user + system) / 1_000_000 });
  });
  process.on('disconnect', () => {
    process.exit(0);
  });
  process.send?.({ address: server.address, bareAddress: await serveBare() });
}

const [, file, config] = process.argv;
if (file === import.meta.filename && config !== undefined) {
  await main(JSON.parse(config) as SidecarConfig);
}
