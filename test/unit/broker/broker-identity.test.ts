import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readBrokerIdentity } from '../../../src/broker/broker-identity.ts';
import { brokerSettings } from '../../../src/broker/settings.ts';
import { nodeDisk } from '../../../src/platform/disk.ts';

const clusterId = 'MkU3OEVBNTcwNTJENDM2Qk';
let root: string;

beforeEach(async () => {
  root = await fs.mkdtemp(join(tmpdir(), 'logtier-identity-'));
});

afterEach(async () => {
  await fs.rm(root, { recursive: true, force: true });
});

async function logDir(name: string, nodeId: number): Promise<string> {
  const path = join(root, name);
  await fs.mkdir(path);
  const text = `#\nversion=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\n`;
  await fs.writeFile(join(path, 'meta.properties'), text);
  return path;
}

function identity(settings: object) {
  return readBrokerIdentity(nodeDisk, brokerSettings.parse(settings));
}

test('cluster and broker id come from the log directories, the address from the settings', async () => {
  const logDirs = [await logDir('a', 3), await logDir('b', 3)];
  expect(await identity({ logDirs, bootstrap: '127.0.0.1:9092' })).toEqual({
    clusterId,
    brokerId: 3,
    logDirs,
    bootstrap: { host: '127.0.0.1', port: 9092 },
  });
});

test('server.properties alone is enough; the controller’s listener is not taken', async () => {
  const path = join(root, 'server.properties');
  const a = await logDir('a', 1);
  const b = await logDir('b', 1);
  await fs.writeFile(
    path,
    [
      `log.dirs=${a},\\`,
      `  ${b}`,
      'controller.listener.names=CONTROLLER',
      'listeners=CONTROLLER://:9093,PLAINTEXT://:9092',
    ].join('\n'),
  );
  expect(await identity({ serverProperties: path })).toMatchObject({
    logDirs: [a, b],
    bootstrap: { host: 'localhost', port: 9092 },
  });
});

test('a log directory that does not exist is named with its key', async () => {
  const missing = join(root, 'nowhere');
  await expect(identity({ logDirs: [missing], bootstrap: 'h:1' })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: `broker.logDirs: ${missing} does not exist`,
  });
});

test('a directory that no broker has used is told apart from a missing one', async () => {
  await expect(identity({ logDirs: [root], bootstrap: 'h:1' })).rejects.toThrow(
    /holds no readable meta.properties \(ENOENT\)/,
  );
});

test('directories of two brokers are refused', async () => {
  const logDirs = [await logDir('a', 1), await logDir('b', 2)];
  await expect(identity({ logDirs, bootstrap: 'h:1' })).rejects.toThrow(
    `broker.logDirs: ${logDirs[1]} belongs to another broker than ${logDirs[0]}`,
  );
});

test('server.properties without log.dirs says what is missing', async () => {
  const path = join(root, 'server.properties');
  await fs.writeFile(path, 'listeners=PLAINTEXT://:9092\n');
  await expect(identity({ serverProperties: path })).rejects.toThrow(/names no log.dirs/);
});
