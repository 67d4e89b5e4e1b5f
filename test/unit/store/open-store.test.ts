import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/platform/clock.ts';
import { nodeDisk } from '../../../src/platform/disk.ts';
import { createMetrics } from '../../../src/platform/metrics.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import { bytesSource } from '../../../src/store/byte-source.ts';
import { UploadLimit } from '../../../src/store/decorators/rate-limited.ts';
import { storeMetrics } from '../../../src/store/metrics.ts';
import { nobody } from '../../../src/store/object-store.ts';
import { openStore } from '../../../src/store/open-store.ts';
import { storeSettings, transferSettings } from '../../../src/store/settings.ts';
import { collect, never } from '../../support/store-probes.ts';

const s3 = { kind: 's3', bucket: 'tier' };

test('every kind is opened from its settings, without a call', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'logtier-open-'));
  const deps = {
    clock: systemClock,
    disk: nodeDisk,
    random: systemRandom,
    metrics: createMetrics().live(storeMetrics),
    uploadLimit: new UploadLimit(systemClock, undefined),
  };
  const retry = transferSettings.parse({});
  const kinds = [
    { kind: 'filesystem', directory },
    s3,
    { kind: 'hdfs', nameNodes: ['http://nn:9870'], directory: '/tier' },
  ].map((one) => storeSettings.parse(one));
  const opened = kinds.map((store) => openStore(deps, { name: 'main', store, retry }));
  const [filesystem] = opened;
  await filesystem!.store.put('a/b', bytesSource(Buffer.from('bytes')), nobody, never);
  const found = await collect(filesystem!.store.get('a/b', { start: 1, end: 4 }, never));
  expect(found.toString()).toBe('yte');
  for (const { stop } of opened) stop();
  await rm(directory, { recursive: true, force: true });
});

test('settings have their defaults', () => {
  expect(storeSettings.parse(s3)).toEqual({
    ...s3,
    prefix: '',
    region: 'us-east-1',
    forcePathStyle: false,
    partBytes: 16 * 2 ** 20,
    partsInFlight: 4,
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 30_000,
    controlTimeoutMs: 60_000,
    longestPutMs: 3_000_000,
  });
  expect(transferSettings.parse(undefined)).toEqual({
    firstRetryMs: 200,
    longestRetryMs: 10_000,
    retries: 5,
    retryForMs: 600_000,
  });
});

test.each([
  { ...s3, colour: 'red' },
  { ...s3, partBytes: '5MiB' },
  { ...s3, partBytes: '4MiB' },
  { ...s3, prefix: 'no-slash' },
  { ...s3, prefix: '/' },
  { ...s3, endpoint: 'http://host/path' },
  { ...s3, endpoint: 'ftp://host' },
  { ...s3, profile: 'p', credentials: { accessKeyId: 'a', secretAccessKeyFile: 'f' } },
  { kind: 'filesystem', directory: 'relative' },
  { kind: 'tape' },
])('%j is refused', (settings) => {
  expect(storeSettings.safeParse(settings).success).toBe(false);
});
