import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadSettings, type LoadedSettings } from '../../../src/app/load-settings.ts';
import { nodeDisk } from '../../../src/platform/disk.ts';

let root: string;
let file: string;

beforeEach(async () => {
  root = await fs.mkdtemp(join(tmpdir(), 'logtier-settings-'));
  file = join(root, 'logtier.yaml');
});

afterEach(async () => {
  await fs.rm(root, { recursive: true, force: true });
});

interface Given {
  readonly environment?: Record<string, string>;
  readonly overrides?: Record<string, unknown>;
}

async function load(
  text: string,
  { environment = {}, overrides = {} }: Given = {},
): Promise<LoadedSettings> {
  await fs.writeFile(file, text);
  return loadSettings(nodeDisk, { file, environment, overrides });
}

const metastoreId = 'aMetastoreIdOf22Chars_';
const etcd = `
metastore:
  etcd:
    endpoints: [http://127.0.0.1:2379]
    metastoreId: ${metastoreId}
    memberId: one
    store: main
`;
const group = `
  group:
    id: ${metastoreId}
    node: 1
`;

const sound = `
broker:
  bootstrap: 127.0.0.1:9092
  logDirs: [/data/kafka]
stores:
  main:
    kind: filesystem
    directory: /mnt/tier
topics:
  - match: "*"
    store: main
    retention:
      time: 90d
`;

test('units are read, and what is not given is a default', async () => {
  const { settings, sources } = await load(sound);
  expect(settings.topics[0]?.retention.time).toBe(90 * 86_400_000);
  expect(settings.topics[0]?.from).toBe('earliest');
  expect(settings.listen.grpc).toBe('127.0.0.1:7400');
  expect(settings.metastore.endpoints).toBeUndefined();
  expect(sources.get('broker.bootstrap')).toBe('file');
});

test.each([
  [
    'an unknown key',
    sound.replace('bootstrap:', 'bootstarp:'),
    ':3:3  broker.bootstarp: unknown key (and 1 more)',
  ],
  [
    'a wrong unit',
    sound.replace('90d', '90 days'),
    ':13:7  topics.0.retention.time: must be a whole number with a unit',
  ],
  [
    'a number without a unit',
    `${sound}uploader:\n  scanIntervalMs: 30\n`,
    'uploader.scanIntervalMs: ',
  ],
  [
    'a store that is not there',
    sound.replace('store: main', 'store: mian'),
    'topics.0.store: names no store; there are: main',
  ],
  ['an unknown kind', sound.replace('kind: filesystem', 'kind: floppy'), 'stores.main.kind: '],
  [
    'a relative directory',
    sound.replace('/data/kafka', 'data'),
    'broker.logDirs.0: must be an absolute path',
  ],
  [
    'an etcd beside a group',
    sound + etcd + group,
    'metastore.etcd: cannot stand beside metastore.group',
  ],
  [
    'a store for snapshots that is not there',
    sound + etcd.replace('store: main', 'store: mian'),
    'metastore.etcd.store: names no store; there are: main',
  ],
  [
    'an etcd without the metastore’s id',
    sound + etcd.replace(/ +metastoreId.*\n/, ''),
    'metastore.etcd.metastoreId: is missing: the same for all members',
  ],
  [
    'an etcd without a store',
    sound + etcd.replace(/ +store.*\n/, ''),
    'metastore.etcd.store: is missing',
  ],
  [
    'a member without a name',
    sound + etcd.replace(/ +memberId.*\n/, ''),
    'metastore.etcd.memberId: is missing',
  ],
  [
    'an id of another form',
    sound + etcd.replace(metastoreId, 'short'),
    'metastore.etcd.metastoreId: must be 22 characters',
  ],
  [
    'endpoints of http and https',
    sound + etcd.replace(':2379', ':2379, https://127.0.0.1:2479'),
    'metastore.etcd.endpoints: must be all http or all https',
  ],
  [
    'a user without a password',
    `${sound}${etcd}    user: logtier\n`,
    'metastore.etcd.passwordFile: user and passwordFile belong together',
  ],
  [
    'a certificate without its key',
    `${sound}${etcd}    tls: { certFile: /etc/cert.pem }\n`,
    'metastore.etcd.tls.keyFile: certFile and keyFile belong together',
  ],
  ['a broken file', 'broker: [', ':1:'],
  ['a list instead of sections', '- a\n', 'must be a mapping of sections'],
])('%s is told with file, place and key', async (_what, text, told) => {
  const failure = await load(text).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toMatchObject({ code: 'INVALID_CONFIG' });
  expect(String(failure)).toContain(`${file}:`);
  expect(String(failure)).toContain(told);
});

test('a log in etcd is read with its defaults', async () => {
  const { settings } = await load(sound + etcd);
  const { endpoints, prefix, memberId, store } = settings.metastore.etcd ?? {};
  expect({ endpoints, prefix, memberId, store, id: settings.metastore.etcd?.metastoreId }).toEqual({
    endpoints: ['http://127.0.0.1:2379'],
    prefix: '/logtier',
    memberId: 'one',
    store: 'main',
    id: metastoreId,
  });
});

test('a missing file is named with how to give another', async () => {
  const missing = { file: join(root, 'none.yaml'), environment: {}, overrides: {} };
  await expect(loadSettings(nodeDisk, missing)).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: `${missing.file} does not exist`,
    hint: 'give another file with --config',
  });
});

test('the command line outweighs the environment, which outweighs the file', async () => {
  const environment = {
    LOGTIER_LISTEN__GRPC: '127.0.0.1:1',
    LOGTIER_LISTEN__HTTP: '127.0.0.1:2',
    LOGTIER_UPLOADER__COPIES_IN_FLIGHT: '7',
    LOGTIER_ENDPOINT: 'not-a-setting',
    LOGTIER_SERVICE_PORT: 'tcp://10.0.0.1:7400', // as Kubernetes sets it for a service named logtier
  };
  const { settings, sources } = await load(sound, {
    environment,
    overrides: { listen: { grpc: '127.0.0.1:3' } },
  });
  expect(settings.listen).toEqual({ grpc: '127.0.0.1:3', http: '127.0.0.1:2' });
  expect(settings.uploader.copiesInFlight).toBe(7);
  expect(sources.get('listen.grpc')).toBe('command line');
  expect(sources.get('listen.http')).toBe('environment');
});

test('a wrong value of the environment is not blamed on the file', async () => {
  const failure = await load(sound, { environment: { LOGTIER_LISTEN__GRPC: 'nonsense' } }).catch(
    String,
  );
  expect(failure).toContain('environment  listen.grpc: must be HOST:PORT');
});

test('a variable that names a section but no setting of it is refused like a key of the file', async () => {
  const failure = await load(sound, { environment: { LOGTIER_LISTEN__GPRC: '127.0.0.1:1' } }).catch(
    String,
  );
  expect(failure).toContain('environment  listen.gprc: unknown key');
});
