// Logtier's roles as child processes, with a settings file each, on ports of their own that a restart keeps.
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import type { HdfsTestbed } from './testbeds/hdfs.ts';
import type { KafkaBroker } from './testbeds/kafka.ts';
import { freePorts } from './testbeds/ports.ts';
import { runToEnd, startProcess, untilReady, type TestProcess } from './testbeds/processes.ts';
import type { S3Testbed } from './testbeds/s3.ts';

/** A section of the settings file. */
export type Section = Readonly<Record<string, unknown>>;

export interface RoleProcess {
  readonly role: string;
  /** `127.0.0.1:PORT`, as is `http`. */
  readonly grpc: string;
  readonly http: string;
  /** Settings, log and state of this process. */
  readonly directory: string;
  readonly stateDirectory: string;
  readonly logFile: string;
  /** Changes with each restart. */
  readonly pid: number;
  readonly alive: boolean;
  /** Sends a signal and, when it is SIGKILL, waits until the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it by SIGTERM if it is alive, starts it on the same state and ports, and waits until it is ready. */
  restart(): Promise<void>;
  /** Ends it by SIGTERM and removes what it kept unless the caller named the directory. Idempotent. */
  stop(): Promise<void>;
  /** The output of one command line against this process; fails when the exit code is not 0. */
  cli(...args: readonly string[]): Promise<string>;
}

interface Home {
  /** Default: a temporary one that `stop` removes. */
  readonly directory?: string;
}

export interface SidecarOptions extends Home {
  readonly broker: KafkaBroker;
  /** The only store, `main`: a section of `stores`. */
  readonly store: Section;
  /** Pattern of the topics to tier. Default `*`, internal topics left alone. */
  readonly topics?: string;
  /** gRPC addresses of metastore members. Default: one is embedded. */
  readonly metastore?: readonly string[];
  /** Whole top-level sections that add to or replace the generated ones. */
  readonly settings?: Section;
}

export interface MetastoreOptions extends Home {
  /** Adds to the section `metastore`. */
  readonly metastore?: Section;
  /** Whole top-level sections that add to or replace the generated ones. */
  readonly settings?: Section;
}

export interface DevOptions extends Home {
  readonly broker: KafkaBroker;
  /** Made when it does not exist. */
  readonly storeDirectory: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'src', 'app', 'main.ts');
const READY_BOUND_MS = 180_000;
const STOP_BOUND_MS = 60_000;

/** `logtier dev`: no settings file at all. */
export async function startDev(options: DevOptions): Promise<RoleProcess> {
  const place = await placeOf('dev', options);
  const { broker, storeDirectory } = options;
  const args = ['--bootstrap', `${broker.host}:${broker.port}`];
  args.push('--log-dirs', broker.logDirs.join(','), '--store', storeDirectory);
  args.push('--state', place.stateDirectory, '--grpc', place.grpc, '--http', place.http);
  return launched(place, ['dev', ...args]);
}

export async function startSidecar(options: SidecarOptions): Promise<RoleProcess> {
  const place = await placeOf('sidecar', options);
  const { broker, metastore, topics = '*' } = options;
  const file = await writeSettings(place, {
    broker: { bootstrap: `${broker.host}:${broker.port}`, logDirs: broker.logDirs },
    listen: { grpc: place.grpc, http: place.http },
    stores: { main: options.store },
    topics: [{ match: topics, exclude: ['__*'], store: 'main' }],
    ...(metastore === undefined ? {} : { metastore: { endpoints: metastore } }),
    ...options.settings,
  });
  return launched(place, ['--config', file, 'sidecar']);
}

export async function startMetastore(options: MetastoreOptions = {}): Promise<RoleProcess> {
  return launchedMetastore(await placeOf('metastore', options), options);
}

/** A group of several members, all of them its first voters. */
export async function startMetastoreGroup(
  members: number,
  options: Omit<MetastoreOptions, keyof Home> = {},
): Promise<RoleProcess[]> {
  const places = await Promise.all(
    Array.from({ length: members }, (_, at) => placeOf(`metastore-${at + 1}`, {})),
  );
  const id = randomBytes(16).toString('base64url');
  const voters = places.map(({ grpc }, at) => ({ node: at + 1, address: grpc }));
  const started = await Promise.allSettled(
    places.map((place, at) => {
      const group = { id, node: at + 1, voters };
      return launchedMetastore(place, { ...options, metastore: { group, ...options.metastore } });
    }),
  );
  const roles = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed === undefined) return roles;
  await Promise.all(roles.map((role) => role.stop()));
  throw new Error('the group did not begin', { cause: failed.reason });
}

async function launchedMetastore(
  place: Place,
  { metastore, settings }: MetastoreOptions,
): Promise<RoleProcess> {
  const { grpc, http } = place;
  const listen = { grpc, http };
  const file = await writeSettings(place, { metastore: { listen, ...metastore }, ...settings });
  return launched(place, ['--config', file, 'metastore']);
}

/** `secretDirectory` receives the file that the settings name. */
export async function s3Section(s3: S3Testbed, secretDirectory: string): Promise<Section> {
  const secretAccessKeyFile = join(secretDirectory, 's3-secret');
  await fs.writeFile(secretAccessKeyFile, s3.secretAccessKey, { mode: 0o600 });
  return {
    kind: 's3',
    bucket: s3.bucket,
    region: s3.region,
    endpoint: s3.endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: s3.accessKeyId, secretAccessKeyFile },
  };
}

/** One DataNode: one replica is all there can be. */
export function hdfsSection(hdfs: HdfsTestbed, directory: string): Section {
  const oneReplica = { replication: 1, minReplicas: 1 };
  return { kind: 'hdfs', nameNodes: [hdfs.nameNodeUrl], user: hdfs.user, directory, ...oneReplica };
}

interface Place {
  readonly role: string;
  readonly directory: string;
  readonly isOurs: boolean;
  readonly stateDirectory: string;
  readonly grpc: string;
  readonly http: string;
}

async function placeOf(role: string, { directory }: Home): Promise<Place> {
  const [grpc, http] = await freePorts(2);
  const home = directory ?? (await fs.mkdtemp(join(tmpdir(), `logtier-${role}-`)));
  await fs.mkdir(home, { recursive: true });
  return {
    role,
    directory: home,
    isOurs: directory === undefined,
    stateDirectory: join(home, 'state'),
    grpc: `127.0.0.1:${grpc}`,
    http: `127.0.0.1:${http}`,
  };
}

async function writeSettings(place: Place, sections: Section): Promise<string> {
  const file = join(place.directory, 'logtier.yaml');
  await fs.writeFile(file, stringify({ state: { dir: place.stateDirectory }, ...sections }));
  return file;
}

async function launched(place: Place, args: readonly string[]): Promise<RoleProcess> {
  const role = new LocalRole(place, args);
  try {
    await role.launch();
  } catch (error) {
    await role.stop();
    throw error;
  }
  return role;
}

function nodeArgs(args: readonly string[]): string[] {
  return ['--import', 'tsx', MAIN, ...args];
}

class LocalRole implements RoleProcess {
  readonly role: string;
  readonly grpc: string;
  readonly http: string;
  readonly directory: string;
  readonly stateDirectory: string;
  readonly logFile: string;
  readonly #place: Place;
  readonly #args: readonly string[];
  #process: TestProcess | undefined;

  constructor(place: Place, args: readonly string[]) {
    this.role = place.role;
    this.grpc = place.grpc;
    this.http = place.http;
    this.directory = place.directory;
    this.stateDirectory = place.stateDirectory;
    this.logFile = join(place.directory, `${place.role}.log`);
    this.#place = place;
    this.#args = args;
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`the ${this.role} was never started`);
    return this.#process.pid;
  }

  get alive(): boolean {
    return this.#process?.alive ?? false;
  }

  async launch(): Promise<void> {
    const child = await startProcess({
      name: `logtier ${this.role}`,
      command: process.execPath,
      args: nodeArgs(this.#args),
      cwd: ROOT,
      logFile: this.logFile,
    });
    this.#process = child;
    const url = `http://${this.http}/readyz`;
    await untilReady(child, async (signal) => (await fetch(url, { signal })).ok, READY_BOUND_MS);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal);
    if (signal === 'SIGKILL') await this.#process?.exited;
  }

  async restart(): Promise<void> {
    await this.#process?.stop(STOP_BOUND_MS);
    await this.launch();
  }

  async stop(): Promise<void> {
    await this.#process?.stop(STOP_BOUND_MS);
    if (this.#place.isOurs) await fs.rm(this.directory, { recursive: true, force: true });
  }

  async cli(...args: readonly string[]): Promise<string> {
    return runToEnd({
      name: `logtier ${args.join(' ')}`,
      command: process.execPath,
      args: nodeArgs(['--endpoint', this.grpc, ...args]),
      cwd: ROOT,
      logFile: join(this.directory, 'cli.log'),
    });
  }
}
