// The S3 home against a real server (versitygw).
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { S3Store } from '../../src/store/s3/s3-store.ts';
import { s3StoreSettings } from '../../src/store/s3/settings.ts';
import { describeObjectStore } from '../contract/object-store.ts';
import { startS3 } from '../support/testbeds/s3.ts';
import type { S3Testbed } from '../support/testbeds/s3.ts';

async function openS3(bed: S3Testbed, overrides: Record<string, unknown> = {}): Promise<S3Store> {
  const directory = await mkdtemp(path.join(tmpdir(), 'logtier-secret-'));
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
