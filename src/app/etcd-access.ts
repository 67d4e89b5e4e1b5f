// What the files hold that `metastore.etcd` names.
import { LogtierError } from '../base/errors.ts';
import { connectEtcd, type EtcdAccess } from '../metastore/log/etcd-log/grpc-etcd-client.ts';
import type { EtcdClient } from '../metastore/log/etcd-log/etcd-client.ts';
import type { EtcdLogSettings } from '../metastore/log/etcd-log/settings.ts';
import type { Clock } from '../platform/clock.ts';
import { type Disk, errnoOf } from '../platform/disk.ts';

/** INVALID_CONFIG for a file that cannot be read, or is no PEM. */
export async function connectConfiguredEtcd(
  { clock, disk }: { readonly clock: Clock; readonly disk: Disk },
  settings: EtcdLogSettings,
): Promise<EtcdClient> {
  const { user, passwordFile, tls } = settings;
  const password = await readIf(disk, passwordFile, 'passwordFile');
  const access: EtcdAccess = {
    tls: {
      ca: await pemIn(disk, tls.caFile, 'tls.caFile'),
      cert: await pemIn(disk, tls.certFile, 'tls.certFile'),
      key: await pemIn(disk, tls.keyFile, 'tls.keyFile'),
    },
    login:
      user === undefined || password === undefined
        ? undefined
        : { name: user, password: password.toString('utf8').replace(/\r?\n$/, '') },
  };
  try {
    return connectEtcd(clock, settings, access);
  } catch (cause) {
    throw new LogtierError('INVALID_CONFIG', `metastore.etcd.tls: ${String(cause)}`, { cause });
  }
}

/** OpenSSL takes authorities that are none without a word, and then trusts nobody. */
async function pemIn(
  disk: Disk,
  path: string | undefined,
  key: string,
): Promise<Buffer | undefined> {
  const bytes = await readIf(disk, path, key);
  if (bytes === undefined || bytes.includes('-----BEGIN ')) return bytes;
  throw new LogtierError('INVALID_CONFIG', `metastore.etcd.${key}: ${path} holds no PEM`);
}

async function readIf(
  disk: Disk,
  path: string | undefined,
  key: string,
): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await disk.readFile(path);
  } catch (cause) {
    const why = `${path} cannot be read (${errnoOf(cause) ?? String(cause)})`;
    throw new LogtierError('INVALID_CONFIG', `metastore.etcd.${key}: ${why}`, { cause });
  }
}
