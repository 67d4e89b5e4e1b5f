// The S3 home against a real server (versitygw).
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { crc32 } from '../../src/base/checksum.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { S3Store } from '../../src/store/s3/s3-store.ts';
import { s3StoreSettings } from '../../src/store/s3/settings.ts';
import { bytesSource } from '../../src/store/byte-source.ts';
import { retryingStore } from '../../src/store/decorators/retrying.ts';
import { nobody } from '../../src/store/object-store.ts';
import type { ObjectStore, StoredObject } from '../../src/store/object-store.ts';
import { describeObjectStore } from '../contract/object-store.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import type { ConnectionFault, FaultProxy } from '../support/fault-proxy.ts';
import { sampleBytes } from '../support/sample-bytes.ts';
import {
  all,
  codeOf,
  collect,
  interruptedSource,
  never,
  recorder,
} from '../support/store-probes.ts';
import { startS3 } from '../support/testbeds/s3.ts';
import type { S3Testbed } from '../support/testbeds/s3.ts';

const secrets: string[] = [];

afterAll(async () => {
  for (const directory of secrets) await rm(directory, { recursive: true, force: true });
});

async function openS3(bed: S3Testbed, overrides: Record<string, unknown> = {}): Promise<S3Store> {
  const directory = await mkdtemp(path.join(tmpdir(), 'logtier-secret-'));
  secrets.push(directory);
  const secretAccessKeyFile = path.join(directory, 'secret');
  await writeFile(secretAccessKeyFile, bed.secretAccessKey);
  const settings = s3StoreSettings.parse({
    kind: 's3',
    bucket: bed.bucket,
    endpoint: bed.endpoint,
    prefix: 'logtier/',
    forcePathStyle: true,
    partBytes: '8MiB',
    credentials: { accessKeyId: bed.accessKeyId, secretAccessKeyFile },
    ...overrides,
  });
  return new S3Store({ clock: systemClock, disk: nodeDisk, random: systemRandom }, settings);
}

describeObjectStore(
  's3 (versitygw)',
  async () => {
    const bed = await startS3();
    const store = await openS3(bed);
    const close = async (): Promise<void> => {
      store.stop();
      await bed.stop();
    };
    return { store, close };
  },
  { manyKeys: 1_010 },
);

function put(store: ObjectStore, key: string, bytes: Buffer): Promise<StoredObject> {
  return store.put(key, bytesSource(bytes), nobody, never);
}

describe('the S3 home over a line that fails', () => {
  const RETRY = { firstRetryMs: 5, longestRetryMs: 20, retries: 6, retryForMs: 240_000 };
  const large = sampleBytes(20 * 2 ** 20 + 7, 71);
  let bed: S3Testbed;
  let proxy: FaultProxy;
  const opened: S3Store[] = [];

  beforeAll(async () => {
    bed = await startS3();
    proxy = await startFaultProxy(bed);
  });
  afterEach(() => {
    for (const store of opened.splice(0)) store.stop();
    proxy.script(() => undefined);
  });
  afterAll(async () => {
    await proxy.stop();
    await bed.stop();
  });

  /** A store behind the proxy that has probed already, over a clean line. */
  const openBehind = async (overrides: Record<string, unknown> = {}): Promise<S3Store> => {
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const store = await openS3(bed, {
      endpoint,
      idleTimeoutMs: '20s',
      controlTimeoutMs: '60s',
      ...overrides,
    });
    opened.push(store);
    await store.probe(never);
    return store;
  };
  const retrying = (store: ObjectStore): ObjectStore =>
    retryingStore({ clock: systemClock, random: systemRandom }, RETRY, store);
  /** Connections are kept alive: a script holds for new ones, so idle ones are dropped first. */
  const scripted = async (
    faultOf: (connection: number) => ConnectionFault | undefined,
    overrides: Record<string, unknown> = {},
  ): Promise<S3Store> => {
    const store = await openBehind(overrides);
    store.stop(); // closes connections; the next call opens new ones
    proxy.script(faultOf);
    return store;
  };

  /** For lines that hang: whatever else takes so long on a busy machine ends in the same way. */
  const impatient = { idleTimeoutMs: '1500ms', controlTimeoutMs: '3s' };

  const flips = { kind: 'flip-bodies', direction: 'up', afterHeaderBytes: 600 } as const;

  test.each([
    ['a single put', 5000],
    ['every part', large.length],
  ])('one bit flipped on the way up in %s is refused, and never stored', async (_name, size) => {
    const store = await scripted(() => flips);
    const key = `flip/${size}`;
    const playedBefore = proxy.played;
    expect(await codeOf(put(store, key, large.subarray(0, size)))).toBe('STORE_UNAVAILABLE');
    expect(proxy.played).toBeGreaterThan(playedBefore);
    expect(await codeOf(store.stat(key, never))).toBe('OBJECT_NOT_FOUND');
    expect(await all(store.list('flip/', '', never))).toEqual([]);
  });

  test('a put whose first tries are damaged is stored whole by a later one', async () => {
    const store = await scripted((connection) => (connection < 3 ? flips : undefined));
    const stored = await put(retrying(store), 'repaired', large);
    expect(stored).toMatchObject({ sizeBytes: large.length, crc32: crc32(large) });
    const found = await collect(store.get('repaired', { start: 0, end: large.length }, never));
    expect(found.equals(large)).toBe(true);
  });

  test.each([
    ['cut', 'up'],
    ['reset', 'up'],
    ['hang', 'up'],
    ['hang', 'down'],
    ['reset', 'down'],
  ] as const)(
    'a put whose line ends by %s (%s) is told as STORE_UNAVAILABLE',
    async (kind, direction) => {
      const afterBytes = direction === 'up' ? 100_000 : 10;
      const store = await scripted(() => ({ kind, direction, afterBytes }), impatient);
      const key = `line/${kind}-${direction}`;
      expect(await codeOf(put(store, key, sampleBytes(3_000_000, 72)))).toBe('STORE_UNAVAILABLE');
    },
  );

  test.each(['cut', 'reset', 'hang'] as const)(
    'a get that ends short by %s says so after what it got',
    async (kind) => {
      const direct = await openS3(bed);
      opened.push(direct);
      const key = `short/${kind}`;
      await put(direct, key, large);
      const fault = { kind, direction: 'down', afterBytes: 3_000_000 } as const;
      const store = await scripted(() => fault, impatient);
      let bytes = 0;
      const readAll = async (): Promise<void> => {
        for await (const piece of store.get(key, { start: 0, end: large.length }, never)) {
          expect(large.subarray(bytes, bytes + piece.length).equals(piece)).toBe(true);
          bytes += piece.length;
        }
      };
      expect(await codeOf(readAll())).toBe('STORE_UNAVAILABLE');
      expect(bytes).toBeLessThan(3_000_000);
    },
  );

  test('a get with retries goes on at the byte it reached', async () => {
    const direct = await openS3(bed);
    opened.push(direct);
    await put(direct, 'resumed', large);
    const faults: ConnectionFault[] = [
      { kind: 'cut', direction: 'down', afterBytes: 5_000_000 },
      { kind: 'unavailable' },
      { kind: 'reset', direction: 'down', afterBytes: 2_000_000 },
      { kind: 'hang', direction: 'down', afterBytes: 1_000_000 },
    ];
    const store = await scripted((connection) => faults[connection], { idleTimeoutMs: '3s' });
    const playedBefore = proxy.played;
    const whole = { start: 0, end: large.length };
    const found = await collect(retrying(store).get('resumed', whole, never));
    expect(found.equals(large)).toBe(true);
    expect(proxy.played - playedBefore).toBe(4);
  });

  test('503 is STORE_UNAVAILABLE for every door, and a retry gets through', async () => {
    const store = await scripted(() => ({ kind: 'unavailable' }));
    const outcomes = [
      await codeOf(put(store, 'busy', Buffer.from('x'))),
      await codeOf(store.stat('busy', never)),
      await codeOf(collect(store.get('busy', { start: 0, end: 1 }, never))),
      await codeOf(all(store.list('', '', never))),
      await codeOf(store.delete(['busy'], never)),
      await codeOf(store.wallClockMs(never)),
    ];
    expect(new Set(outcomes)).toEqual(new Set(['STORE_UNAVAILABLE']));
    proxy.script((connection) => (connection === 0 ? { kind: 'unavailable' } : undefined));
    expect(await codeOf(put(retrying(store), 'busy', Buffer.from('x')))).toBe('resolved');
  });

  test('a slow line is no failure while it moves', async () => {
    // Socket buffers hold a few MiB: while they drain, nothing moves that we could see.
    const throttle = { kind: 'throttle', bytesPerSecond: 4_000_000 } as const;
    const store = await scripted(() => throttle, { idleTimeoutMs: '10s' });
    const bytes = sampleBytes(2_000_000, 73);
    expect(await put(store, 'slow', bytes)).toMatchObject({ crc32: crc32(bytes) });
    const found = await collect(store.get('slow', { start: 0, end: bytes.length }, never));
    expect(found.equals(bytes)).toBe(true);
  });

  test('what a cancelled upload left is gone after abandon, and the server keeps no part', async () => {
    const store = await openBehind();
    const controller = new AbortController();
    const observer = recorder();
    const source = interruptedSource(large, 9_000_000, () => {
      controller.abort();
    });
    const outcome = store.put('left', source, observer, controller.signal);
    expect(await codeOf(outcome)).toBe('ABORTED');
    expect(observer.uploadIds).toHaveLength(1);
    const uploadId = observer.uploadIds[0]!;
    const filesOfUpload = async (): Promise<string[]> => {
      const files = await readdir(bed.dataDirectory, { recursive: true });
      return files.filter((name) => name.includes(uploadId));
    };
    expect((await filesOfUpload()).length).toBeGreaterThan(0);
    await store.abandon('left', observer.uploadIds, never);
    expect(await filesOfUpload()).toEqual([]);
  });

  test('rule 24: an upload that a crash left before its record is found by its key', async () => {
    const store = await openBehind();
    const begun: string[] = [];
    /** As a crash between the creation and the record: nobody is told, nothing is cleaned up. */
    const beginOnly = async (key: string): Promise<void> => {
      const controller = new AbortController();
      const uploadStarted = (uploadId: string): Promise<void> => {
        begun.push(uploadId);
        controller.abort();
        return Promise.reject(new Error('killed'));
      };
      await codeOf(store.put(key, bytesSource(large), { uploadStarted }, controller.signal));
    };
    for (const key of ['crashed', 'crashed', 'crashed-longer']) await beginOnly(key);
    expect(new Set(begun).size).toBe(3);
    const left = async (): Promise<string[]> => {
      const files = await readdir(bed.dataDirectory, { recursive: true });
      return begun.filter((uploadId) => files.some((name) => name.endsWith(uploadId)));
    };
    expect(await left()).toEqual(begun);
    await store.abandon('crashed', [], never);
    expect(await left()).toEqual([begun[2]]);
    const { findings } = await store.probe(never);
    expect(findings).toContain('ListMultipartUploads: shown');
  });

  test('a put that grew too old, as after a suspension, makes no further call', async () => {
    const store = await openBehind({ longestPutMs: '1500ms' });
    let stalls = 0;
    const source = interruptedSource(large, 17_000_000, () => {
      stalls += 1;
      if (stalls > 1) return;
      const untilMs = performance.now() + 2_000;
      while (performance.now() < untilMs); // the whole process stands still
    });
    const outcome = codeOf(store.put('too-old', source, nobody, never));
    expect(await outcome).toBe('DEADLINE_EXCEEDED');
    expect(await codeOf(store.stat('too-old', never))).toBe('OBJECT_NOT_FOUND');
  });

  test('an object that was cut behind the server’s back is refused, not served short', async () => {
    const store = await openBehind();
    await put(store, 'damaged/object', large);
    await truncate(path.join(bed.dataDirectory, 'logtier/damaged/object'), 1000);
    const outcome = codeOf(collect(store.get('damaged/object', { start: 0, end: 5000 }, never)));
    expect(await outcome).toBe('STORE_REFUSED');
  });

  test('a wrong secret is STORE_DENIED, a missing bucket STORE_REFUSED', async () => {
    const wrong = await openS3({ ...bed, secretAccessKey: 'wrong' });
    const lost = await openS3(bed, { bucket: 'no-such-bucket' });
    opened.push(wrong, lost);
    expect(await codeOf(put(wrong, 'denied', Buffer.from('x')))).toBe('STORE_DENIED');
    expect(await codeOf(wrong.stat('denied', never))).toBe('STORE_DENIED');
    expect(await codeOf(put(lost, 'lost', Buffer.from('x')))).toBe('STORE_REFUSED');
  });

  test('a server that stops and comes back is found again by retries', async () => {
    const store = await openBehind();
    await bed.kill('SIGKILL');
    expect(await codeOf(store.stat('any', never))).toBe('STORE_UNAVAILABLE');
    const patient = retryingStore(
      { clock: systemClock, random: systemRandom },
      { firstRetryMs: 50, longestRetryMs: 200, retries: 1_000, retryForMs: 240_000 },
      store,
    );
    const putting = put(patient, 'after-restart', large);
    await bed.restart();
    expect(await putting).toMatchObject({ sizeBytes: large.length, crc32: crc32(large) });
  });
});
