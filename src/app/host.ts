// What the process does for its command line: roles, settings, connections, the terminal.
import { dirname, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { LogtierError } from '../base/errors.ts';
import type { CliIo } from '../cli/command-context.ts';
import { connectOperator } from '../cli/connect.ts';
import { exitCodeOf, exitCodes } from '../cli/exit-code.ts';
import type { CliHost, DevOptions } from '../cli/program.ts';
import { systemClock } from '../platform/clock.ts';
import { errnoOf, nodeDisk } from '../platform/disk.ts';
import { createLogger } from '../platform/log.ts';
import { whenOverdue } from '../platform/overdue.ts';
import { systemRandom } from '../platform/random.ts';
import { exitWhenOverdue } from './forced-exit.ts';
import { clusterHost } from './cluster-host.ts';
import { loadSettings, type LoadedSettings, type Tree } from './load-settings.ts';
import { startMetastore } from './metastore-role.ts';
import type { Settings } from './settings.ts';
import { startSidecar, type ProcessDeps, type Running } from './sidecar.ts';

/** Where a sidecar listens unless told otherwise. */
const DEFAULT_ENDPOINT = '127.0.0.1:7400';

const SECRET = /password|secret|token/i;

export interface HostOptions {
  readonly version: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly io: CliIo;
}

export function createHost({ version, environment, signal, io }: HostOptions): CliHost {
  const load = (file: string | undefined, overrides: Tree = {}): Promise<LoadedSettings> =>
    loadSettings(nodeDisk, { file, environment, overrides });
  return {
    io,
    version,
    signal,
    ...clusterHost(load, signal),
    connect: async (endpoint, config) =>
      connectOperator(systemClock, endpoint ?? (await endpointOf(load, config))),
    runSidecar: async (config) => {
      const { settings } = await load(requireFile(config));
      await runRole(settings, 'sidecar', signal, (deps) => startSidecar(deps, settings, signal));
    },
    runMetastore: async (config) => {
      const { settings } = await load(config);
      await runRole(settings, 'metastore', signal, (deps) => startMetastore(deps, settings));
    },
    runDev: async (options) => {
      const { settings } = await load(undefined, devSettings(options));
      await makeStore(resolve(options.store));
      await runRole(settings, 'dev', signal, (deps) => startSidecar(deps, settings, signal));
    },
    validateConfig: async (config) => {
      await load(requireFile(config));
      return `${config ?? ''}: valid\n`;
    },
    showConfig: async (config, effective) => showSettings(await load(config), effective),
  };
}

function requireFile(config: string | undefined): string {
  if (config !== undefined) return config;
  throw new LogtierError('INVALID_CONFIG', 'no settings file is named', {
    hint: 'give one with --config or LOGTIER_CONFIG',
  });
}

async function endpointOf(
  load: (file: string) => Promise<LoadedSettings>,
  config: string | undefined,
): Promise<string> {
  return config === undefined ? DEFAULT_ENDPOINT : (await load(config)).settings.listen.grpc;
}

function devSettings(options: DevOptions): Tree {
  const store = resolve(options.store);
  const listen = {
    ...(options.grpc === undefined ? {} : { grpc: options.grpc }),
    ...(options.http === undefined ? {} : { http: options.http }),
  };
  return {
    broker: {
      bootstrap: options.bootstrap,
      logDirs: options.logDirs.split(',').map((dir) => resolve(dir.trim())),
    },
    state: {
      dir: options.state === undefined ? join(dirname(store), '.logtier') : resolve(options.state),
    },
    listen,
    stores: { main: { kind: 'filesystem', directory: store } },
    topics: [{ match: '*', exclude: ['__*'], store: 'main' }],
  };
}

async function makeStore(directory: string): Promise<void> {
  await nodeDisk.makeDirectory(directory).catch((error: unknown) => {
    throw new LogtierError(
      'INVALID_CONFIG',
      `--store: ${directory} cannot be made (${errnoOf(error) ?? String(error)})`,
    );
  });
}

/** Runs until the signal, or until the role itself can go no further. */
async function runRole(
  settings: Settings,
  role: string,
  signal: AbortSignal,
  start: (deps: ProcessDeps) => Promise<Running>,
): Promise<void> {
  const logger = createLogger(settings.log.level, role);
  const running = await start({ clock: systemClock, disk: nodeDisk, random: systemRandom, logger });
  const stopped = new Promise<undefined>((resolve_) => {
    if (signal.aborted) resolve_(undefined);
    signal.addEventListener('abort', () => {
      resolve_(undefined);
    });
  });
  const failure = await Promise.race([running.failed, stopped]);
  logger.info({ reason: failure?.message ?? 'asked to' }, 'stopping');
  const ofProcess = {
    resources: () => process.getActiveResourcesInfo(),
    exit: (exitCode: number) => process.exit(exitCode),
  };
  const code = failure === undefined ? exitCodes.ok.code : exitCodeOf(failure);
  const ending = exitWhenOverdue({ logger, whenOverdue, ...ofProcess }, code);
  await running.stop();
  ending.partsStopped();
  if (failure !== undefined) throw failure;
}

function showSettings({ settings, sources }: LoadedSettings, effective: boolean): string {
  const text = stringify(masked(settings));
  if (!effective) return text;
  const told = [...sources].toSorted(([left], [right]) => left.localeCompare(right));
  const lines = told.map(([key, source]) => `# ${key}: ${source}\n`);
  return `${text}\n# Everything else is a default. Given:\n${lines.join('')}`;
}

function masked(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => masked(item, key));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, masked(inner, name)]),
    );
  }
  const isSecret = typeof value === 'string' && SECRET.test(key) && !key.endsWith('File');
  return isSecret ? '********' : value;
}

export function terminalIo(clock = systemClock): CliIo {
  return {
    out: (text) => {
      process.stdout.write(text);
    },
    err: (text) => {
      process.stderr.write(text);
    },
    isTerminal: process.stdout.isTTY,
    wallMs: () => clock.wallMs(),
    pause: (ms, signal) => clock.sleep(ms, signal).catch(() => undefined),
    createFile: async (path) => {
      const file = await nodeDisk.open(path, 'create').catch((error: unknown) => {
        const isThere = errnoOf(error) === 'EEXIST';
        const why = isThere
          ? 'exists already'
          : `cannot be made (${errnoOf(error) ?? String(error)})`;
        throw new LogtierError('INVALID_ARGUMENT', `${path} ${why}`, {
          hint: 'name another directory with --to',
        });
      });
      let position = 0;
      return {
        write: async (bytes) => {
          await file.write(bytes, position);
          position += bytes.length;
        },
        close: () => file.close(),
      };
    },
  };
}
