import { expect, test } from 'vitest';
import { embeddedLogHome, logHomeOf } from '../../../src/app/log-home.ts';
import { settingsSchema } from '../../../src/app/settings.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { systemRandom } from '../../../src/platform/random.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

const metastoreId = 'm'.repeat(22);

function homeOn(disk: MemoryDisk) {
  const { metastore } = settingsSchema.parse({
    metastore: { member: { log: { wal: { fileBytes: '1MiB' } } } },
  });
  const platform = { disk: disk.forProcess(), clock: systemClock, random: systemRandom };
  return logHomeOf({ ...platform, logger: silentLogger }, metastore, new Map());
}

test('a member of a log in etcd does not go on with a log of its own when the setting is missing', async () => {
  const disk = new MemoryDisk();
  disk.place('/member/log/etcd-log', Buffer.from('cafe-2\n'));
  const place = { directory: '/member', metastoreId, applied: { index: 9n, term: 1n } };
  await expect(homeOn(disk).open(place)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: '/member/log belongs to a log in etcd',
    hint: expect.stringMatching(/^metastore\.etcd is missing in the settings; /),
  });
});

test('without a setting a new member begins a log of its own', async () => {
  const place = { directory: '/member', metastoreId, applied: { index: 0n, term: 0n } };
  const { log } = await homeOn(new MemoryDisk()).open(place);
  expect(log.status().failure).toBe(undefined);
  await log.stop();
});

test('a sidecar with a group in its settings is told where a group belongs', () => {
  const group = { id: metastoreId, node: 1, voters: [{ node: 1, address: '127.0.0.1:7410' }] };
  const { metastore } = settingsSchema.parse({ metastore: { group } });
  const platform = {
    disk: new MemoryDisk().forProcess(),
    clock: systemClock,
    random: systemRandom,
  };
  const deps = { ...platform, logger: silentLogger };
  expect(() => embeddedLogHome(deps, metastore, new Map())).toThrow(
    'metastore.group: a sidecar is no member of a group',
  );
});
