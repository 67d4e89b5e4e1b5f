import { expect, test } from 'vitest';
import { connectConfiguredEtcd } from '../../../src/app/etcd-access.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { etcdSettings } from '../../support/etcd-log-world.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';

function connect(over: Readonly<Record<string, unknown>>, files: Record<string, string> = {}) {
  const disk = new MemoryDisk();
  for (const [path, text] of Object.entries(files)) disk.place(path, Buffer.from(text));
  const deps = { clock: systemClock, disk: disk.forProcess() };
  return connectConfiguredEtcd(deps, etcdSettings(over));
}

test('a file that cannot be read is named with its key', async () => {
  const over = { user: 'logtier', passwordFile: '/etc/logtier/password' };
  await expect(connect(over)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: 'metastore.etcd.passwordFile: /etc/logtier/password cannot be read (ENOENT)',
  });
  (await connect(over, { '/etc/logtier/password': 'secret\n' })).stop();
});

test('a file that is no PEM is a wrong setting, not a wrong etcd', async () => {
  const over = { endpoints: ['https://127.0.0.1:2379'], tls: { caFile: '/etc/ca.pem' } };
  await expect(connect(over, { '/etc/ca.pem': 'no certificate' })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: 'metastore.etcd.tls.caFile: /etc/ca.pem holds no PEM',
  });
});

test('a key that is not of its certificate is refused too', async () => {
  const tls = { certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' };
  const over = { endpoints: ['https://127.0.0.1:2379'], tls };
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const files = { '/etc/cert.pem': broken, '/etc/key.pem': broken };
  await expect(connect(over, files)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringMatching(/^metastore\.etcd\.tls: /),
  });
});
