// A real S3 server on loopback: versitygw over a directory. Objects are plain files there: a test can damage one.
import * as fs from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cachePath, once } from './cache.ts';
import { freePort } from './ports.ts';
import { runToEnd, startProcess, untilReady, type TestProcess } from './processes.ts';

const VERSION = 'v1.8.0';
const PACKAGE = 'github.com/versity/versitygw/cmd/versitygw';
const ACCESS_KEY_ID = 'logtier';
const SECRET_ACCESS_KEY = 'logtier-secret';

export interface S3Options {
  /** Home of the buckets and the log. Default: a temporary one that `stop` removes. */
  readonly directory?: string;
  /** Default `tier`. */
  readonly bucket?: string;
}

export interface S3Testbed {
  /** `http://127.0.0.1:PORT`; path style. */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** The bucket's directory: each object is a file of its key in it. */
  readonly dataDirectory: string;
  readonly logFile: string;
  /** Sends a signal and, when it is SIGKILL, waits until the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same data and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Built once per machine (about 4 minutes from empty Go caches). */
export async function versitygwBinary(): Promise<string> {
  const directory = await once('versitygw', VERSION, async (into) => {
    await runToEnd({
      name: 'go install versitygw',
      command: 'go',
      args: ['install', '-ldflags', '-s -w', `${PACKAGE}@${VERSION}`],
      logFile: cachePath('versitygw', 'go-install.log'),
      env: { GOBIN: into, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -modcacherw' },
    });
  });
  return join(directory, 'versitygw');
}

function answers(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}

export async function startS3(options: S3Options = {}): Promise<S3Testbed> {
  const binary = await versitygwBinary();
  const directory = options.directory ?? (await fs.mkdtemp(join(tmpdir(), 'logtier-s3-')));
  const bucket = options.bucket ?? 'tier';
  const port = await freePort();
  const dataDirectory = join(directory, 'buckets', bucket);
  const logFile = join(directory, 'versitygw.log');
  await fs.mkdir(dataDirectory, { recursive: true });

  const launch = async (): Promise<TestProcess> => {
    const launched = await startProcess({
      name: 'versitygw',
      command: binary,
      args: ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', join(directory, 'buckets')],
      logFile,
      env: { ROOT_ACCESS_KEY: ACCESS_KEY_ID, ROOT_SECRET_KEY: SECRET_ACCESS_KEY },
    });
    await untilReady(launched, (signal) => answers(port, signal));
    return launched;
  };
  let server = await launch();

  return {
    endpoint: `http://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    region: 'us-east-1',
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET_ACCESS_KEY,
    bucket,
    dataDirectory,
    logFile,
    kill: async (signal) => {
      server.kill(signal);
      if (signal === 'SIGKILL') await server.exited;
    },
    restart: async () => {
      await server.stop();
      server = await launch();
    },
    stop: async () => {
      await server.stop();
      if (options.directory === undefined) await fs.rm(directory, { recursive: true, force: true });
    },
  };
}
