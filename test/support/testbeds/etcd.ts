// A real etcd cluster on loopback: one member or three.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachePath, contentKey, once } from './cache.ts';
import { freePorts } from './ports.ts';
import { runToEnd, startProcess, untilReady, type TestProcess } from './processes.ts';

export interface EtcdOptions {
  readonly members: 1 | 3;
}

export interface EtcdTestbed {
  /** `http://127.0.0.1:PORT` of each member. */
  readonly endpoints: readonly string[];
  /** Process ids of the members. */
  pids(): readonly number[];
  /** Sends a signal to a member and, when it is SIGKILL, waits until it is gone. */
  kill(member: number, signal: NodeJS.Signals): Promise<void>;
  /** Starts members again on their data and ports; resolves when they serve. */
  restart(...members: readonly number[]): Promise<void>;
  stop(): Promise<void>;
}

/** Built once per machine: a minute or two from empty Go caches. The text of go.sum is its version. */
async function etcdBinary(): Promise<string> {
  const module = fileURLToPath(new URL('etcd-server', import.meta.url));
  const version = contentKey(await fs.readFile(join(module, 'go.sum'), 'utf8'));
  const directory = await once('etcd', version, async (into) => {
    await runToEnd({
      name: 'go build etcd',
      command: 'go',
      args: ['build', '-ldflags', '-s -w', '-o', join(into, 'etcd'), '.'],
      cwd: module,
      logFile: cachePath('etcd', 'go-build.log'),
      env: { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false -modcacherw' },
    });
  });
  return join(directory, 'etcd');
}

function url(port: number | undefined): string {
  return `http://127.0.0.1:${port}`;
}

export async function startEtcd({ members }: EtcdOptions): Promise<EtcdTestbed> {
  const binary = await etcdBinary();
  const directory = await fs.mkdtemp(join(tmpdir(), 'logtier-etcd-'));
  const ports = await freePorts(members * 2);
  const clients = Array.from({ length: members }, (_, at) => url(ports[at * 2]));
  const peers = Array.from({ length: members }, (_, at) => url(ports[at * 2 + 1]));
  const cluster = peers.map((peer, at) => `m${at}=${peer}`).join(',');

  const launch = (at: number): Promise<TestProcess> =>
    startProcess({
      name: `etcd m${at}`,
      command: binary,
      args: [
        `--name=m${at}`,
        `--data-dir=${join(directory, `m${at}`)}`,
        `--listen-client-urls=${clients[at]}`,
        `--advertise-client-urls=${clients[at]}`,
        `--listen-peer-urls=${peers[at]}`,
        `--initial-advertise-peer-urls=${peers[at]}`,
        `--initial-cluster=${cluster}`,
        '--initial-cluster-state=new',
        '--log-level=warn',
      ],
      logFile: join(directory, `m${at}.log`),
    });
  const serves = (at: number): Promise<void> =>
    untilReady(servers[at]!, async (signal) => {
      const answer = await fetch(`${clients[at]}/health`, { signal });
      return (await answer.text()).includes('"health":"true"');
    });
  const servers = await Promise.all(clients.map((_, at) => launch(at)));
  await Promise.all(clients.map((_, at) => serves(at)));

  return {
    endpoints: clients,
    pids: () => servers.map(({ pid }) => pid),
    kill: async (member, signal) => {
      const server = servers[member]!;
      server.kill(signal);
      if (signal === 'SIGKILL') await server.exited;
    },
    restart: async (...again) => {
      for (const member of again) servers[member] = await launch(member);
      await Promise.all(again.map((member) => serves(member)));
    },
    stop: async () => {
      for (const server of servers) server.kill('SIGKILL'); // the data goes with it
      await Promise.all(servers.map((server) => server.exited));
      await fs.rm(directory, { recursive: true, force: true });
    },
  };
}
