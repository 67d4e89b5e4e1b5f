// Whose log directories these are: cluster and broker id as the broker itself wrote them, and its own settings.
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { LogtierError } from '../base/errors.ts';
import { parseMetaProperties } from '../kafka/meta-properties.ts';
import { parseProperties } from '../kafka/properties.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';
import type { BrokerSettings } from './settings.ts';

export interface BrokerIdentity {
  readonly clusterId: string;
  readonly brokerId: number;
  readonly logDirs: readonly string[];
  readonly bootstrap: { readonly host: string; readonly port: number };
}

/** INVALID_CONFIG names the setting: a directory that is missing, unreadable, or of another broker. */
export async function readBrokerIdentity(
  disk: Disk,
  settings: BrokerSettings,
): Promise<BrokerIdentity> {
  const { serverProperties } = settings;
  const told =
    serverProperties === undefined ? {} : await readServerProperties(disk, serverProperties);
  const logDirs = settings.logDirs ?? told.logDirs;
  const bootstrap = settings.bootstrap ?? told.bootstrap;
  if (logDirs === undefined || bootstrap === undefined) {
    const missing = logDirs === undefined ? 'log.dirs' : 'listeners';
    throw invalid('broker.serverProperties', `${serverProperties ?? ''} names no ${missing}`);
  }
  const owners = await Promise.all(logDirs.map((logDir) => ownerOf(disk, logDir)));
  const { clusterId, nodeId } = theOneOwner(owners);
  return { clusterId, brokerId: nodeId, logDirs, bootstrap: hostAndPort(bootstrap) };
}

interface Owner {
  readonly logDir: string;
  readonly clusterId: string;
  readonly nodeId: number;
}

function theOneOwner(owners: readonly Owner[]): Owner {
  const [first] = owners;
  assert(first !== undefined, 'settings demand a log directory');
  for (const { logDir, clusterId, nodeId } of owners) {
    if (clusterId === first.clusterId && nodeId === first.nodeId) continue;
    throw invalid('broker.logDirs', `${logDir} belongs to another broker than ${first.logDir}`);
  }
  return first;
}

function invalid(key: string, problem: string, cause?: unknown): LogtierError {
  return new LogtierError('INVALID_CONFIG', `${key}: ${problem}`, {
    hint: 'give the log.dirs of the Kafka broker on this host, as in its server.properties',
    cause,
    details: { key },
  });
}

async function ownerOf(disk: Disk, logDir: string): Promise<Owner> {
  const file = join(logDir, 'meta.properties');
  const text = await disk.readFile(file).catch(async (error: unknown) => {
    throw invalid('broker.logDirs', await whyUnreadable(disk, logDir, error), error);
  });
  const { clusterId, nodeId } = parseMetaProperties(text.toString('utf8'));
  if (clusterId === undefined) throw invalid('broker.logDirs', `${file} names no cluster.id yet`);
  return { logDir, clusterId, nodeId };
}

async function whyUnreadable(disk: Disk, logDir: string, error: unknown): Promise<string> {
  const onDirectory = await disk.stat(logDir).then(
    () => undefined,
    (cause: unknown) => errnoOf(cause) ?? String(cause),
  );
  if (onDirectory === 'ENOENT') return `${logDir} does not exist`;
  if (onDirectory !== undefined) return `${logDir} cannot be read (${onDirectory})`;
  return `${logDir} holds no readable meta.properties (${errnoOf(error) ?? String(error)}): no broker has used it yet`;
}

interface ServerProperties {
  readonly logDirs?: readonly string[];
  readonly bootstrap?: string;
}

async function readServerProperties(disk: Disk, path: string): Promise<ServerProperties> {
  const text = await disk.readFile(path).catch((error: unknown) => {
    throw invalid(
      'broker.serverProperties',
      `${path} cannot be read (${errnoOf(error) ?? String(error)})`,
      error,
    );
  });
  const properties = parseProperties(text.toString('utf8'), (line, number) =>
    invalid('broker.serverProperties', `${path}:${number}: '${line}' is no property`),
  );
  const logDirs = (properties.get('log.dirs') ?? properties.get('log.dir'))
    ?.split(',')
    .map((dir) => dir.trim());
  const bootstrap = brokerListener(properties);
  return {
    ...(logDirs === undefined ? {} : { logDirs }),
    ...(bootstrap === undefined ? {} : { bootstrap }),
  };
}

/** HOST:PORT of the first listener that is not the controller's. */
function brokerListener(properties: ReadonlyMap<string, string>): string | undefined {
  const controllers = (properties.get('controller.listener.names') ?? '')
    .split(',')
    .map((name) => name.trim());
  const listeners = properties.get('advertised.listeners') ?? properties.get('listeners') ?? '';
  for (const listener of listeners.split(',')) {
    const [, name = '', host = '', port = ''] =
      /^\s*([^:]+):\/\/([^:]*):(\d+)\s*$/.exec(listener) ?? [];
    if (port !== '' && !controllers.includes(name))
      return `${host === '' ? 'localhost' : host}:${port}`;
  }
  return undefined;
}

function hostAndPort(address: string): { host: string; port: number } {
  const separator = address.lastIndexOf(':');
  return { host: address.slice(0, separator), port: Number(address.slice(separator + 1)) };
}
