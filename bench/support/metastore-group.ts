// Three members of a metastore on loopback, a process each: real gRPC, real logs, one disk.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { freePorts } from '../../test/support/testbeds/ports.ts';
import {
  startProcess,
  type TestProcess,
  untilReady,
} from '../../test/support/testbeds/processes.ts';
import { compiled } from './compiled.ts';
import type { MemberConfig } from './group-member.ts';

export const CLUSTER = 'bench';

export interface MetastoreGroup {
  /** `127.0.0.1:PORT` of each member. */
  readonly addresses: readonly string[];
  readonly members: readonly TestProcess[];
  /** Position of the member that leads. */
  leader(): Promise<number>;
  kill(member: number): Promise<void>;
  /** On the data and port that it had. */
  restart(member: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startGroup(settings: object = {}): Promise<MetastoreGroup> {
  const directory = await mkdtemp(join(process.env['BENCH_DIR'] ?? tmpdir(), 'logtier-group-'));
  const ports = await freePorts(3);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const script = await compiled(new URL('group-member.ts', import.meta.url));
  const launch = (at: number): Promise<TestProcess> => {
    const config: MemberConfig = {
      directory: join(directory, `m${at}`),
      groupId: 'group-of-a-benchmark-A',
      nodeId: at + 1,
      addresses,
      settings,
    };
    return startProcess({
      name: `member ${at}`,
      command: process.execPath,
      args: [script, JSON.stringify(config)],
      logFile: join(directory, `m${at}.log`),
      ...(process.env['BENCH_MEMBER_OPTIONS'] === undefined
        ? {}
        : { env: { NODE_OPTIONS: process.env['BENCH_MEMBER_OPTIONS'] } }),
    });
  };
  const members = await Promise.all(addresses.map((_, at) => launch(at)));
  await Promise.all(members.map((member, at) => untilReady(member, () => answers(addresses[at]))));
  return {
    addresses,
    members,
    leader: async () => {
      const logs = await Promise.all(
        addresses.map((_, at) => roleIn(join(directory, `m${at}.log`))),
      );
      return logs.reduce((best, { term }, at) => (term > (logs[best]?.term ?? 0) ? at : best), 0);
    },
    kill: async (at) => {
      members[at]?.kill('SIGKILL');
      await members[at]?.exited;
    },
    restart: async (at) => {
      members[at] = await launch(at);
      await untilReady(members[at], () => answers(addresses[at]));
    },
    stop: async () => {
      for (const member of members) member.kill('SIGKILL'); // the data goes with it
      await Promise.all(members.map((member) => member.exited));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A query goes through the group: who answers one knows the leader. */
async function answers(address: string | undefined): Promise<boolean> {
  const transport = grpcTransport(systemClock, [address ?? '']);
  try {
    const query = { $case: 'status', value: {} } as const;
    await transport.query({ clusterId: CLUSTER, query }, AbortSignal.timeout(5_000));
    return true;
  } finally {
    transport.stop();
  }
}

/** The newest term in which a member said in its log that it leads; 0 for none. */
async function roleIn(logFile: string): Promise<{ readonly term: number }> {
  const lines = (await readFile(logFile, 'utf8')).split('\n');
  const terms = lines.map((line) => /"role":"leader","term":"?(\d+)/.exec(line)?.[1]);
  return { term: Math.max(0, ...terms.map((term) => Number(term ?? 0))) };
}

/** User and system CPU of a process, from /proc (proc(5): clock ticks of 10 ms). */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export async function rssBytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}
