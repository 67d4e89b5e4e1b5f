// The log over a real etcd of three members: the contract, and what kills and pauses of members do to it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { etcdClientContract } from '../contract/etcd-client.ts';
import { replicatedLogContract } from '../contract/replicated-log.ts';
import { committedEntries } from '../support/committed-entries.ts';
import {
  etcdSettings,
  MemorySnapshots,
  openMemberLog,
  providerOf,
  textOf,
} from '../support/etcd-log-world.ts';
import { type EtcdTestbed, startEtcd } from '../support/testbeds/etcd.ts';
import type { EtcdClient } from '../../src/metastore/log/etcd-log/etcd-client.ts';
import { connectEtcd } from '../../src/metastore/log/etcd-log/grpc-etcd-client.ts';
import {
  isSnapshot,
  type LogIndex,
  type ReplicatedLog,
} from '../../src/metastore/log/replicated-log.ts';
import { systemClock } from '../../src/platform/clock.ts';

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const NO_ACCESS = {
  tls: { ca: undefined, cert: undefined, key: undefined },
  login: undefined,
};

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

let etcd: EtcdTestbed;
beforeAll(async () => {
  etcd = await startEtcd({ members: 3 });
});
afterAll(async () => {
  await etcd.stop();
});

let groups = 0;
const newGroup = (): string => `/group-${(groups += 1)}`;

interface Opened {
  readonly log: ReplicatedLog;
  readonly client: EtcdClient;
}

async function open(
  prefix: string,
  over: Readonly<Record<string, unknown>> = {},
  snapshots = new MemorySnapshots(),
): Promise<Opened> {
  const endpoints = [...etcd.endpoints];
  const settings = etcdSettings({ endpoints, prefix, leaseMs: '2s', ...over });
  const client = connectEtcd(systemClock, settings, NO_ACCESS);
  return { log: await openMemberLog({ client, settings, snapshots }), client };
}

async function close({ log, client }: Opened): Promise<void> {
  await log.stop();
  client.stop();
}

async function commandsUpTo(log: ReplicatedLog, last: LogIndex): Promise<string[]> {
  const seen: string[] = [];
  for await (const entries of committedEntries(log, 1n)) {
    seen.push(...entries.map(({ command }) => Buffer.from(command).toString()));
    if (entries.at(-1)!.index >= last) break;
  }
  return seen;
}

etcdClientContract('gRPC', () =>
  connectEtcd(systemClock, { endpoints: [...etcd.endpoints], callMs: 3_000 }, NO_ACCESS),
);

replicatedLogContract('etcd, on three real members,', () => {
  const prefix = newGroup();
  const opened: Opened[] = [];
  return Promise.resolve({
    open: async () => {
      const one = await open(prefix);
      opened.push(one);
      return one.log;
    },
    kill: () => {
      opened.at(-1)?.client.stop();
      return Promise.resolve();
    },
    maxCommandBytes: etcdSettings().maxCommandBytes,
    remove: async () => {
      for (const one of opened) {
        one.client.stop();
        await one.log.stop();
      }
    },
  });
});

describe('the log in etcd', () => {
  test('loses and doubles nothing while members are killed and paused under its proposals', async () => {
    const prefix = newGroup();
    const two = await Promise.all([open(prefix), open(prefix)]);
    const proposed: string[] = [];
    const acknowledged = new Map<LogIndex, string>();
    const over = new AbortController();
    const proposing = two.map(async ({ log }, member) => {
      for (let at = 0; !over.signal.aborted; at += 1) {
        const text = `member ${member} command ${at}`;
        proposed.push(text);
        const index = await log.propose(encode(text), NEVER).catch(() => undefined);
        if (index === undefined) continue;
        expect(acknowledged.has(index)).toBe(false);
        acknowledged.set(index, text);
      }
    });
    const more = async (count: number): Promise<void> => {
      const enough = acknowledged.size + count;
      while (acknowledged.size < enough) {
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
    };
    await more(50);
    await etcd.kill(0, 'SIGKILL');
    await more(50);
    await etcd.restart(0);
    await etcd.kill(1, 'SIGSTOP');
    await more(50);
    await etcd.kill(1, 'SIGCONT');
    await more(20);
    over.abort();
    await Promise.all(proposing);

    const last = await two[0].log.readBarrier(NEVER);
    const commands = await commandsUpTo(two[1].log, last);
    expect(commands.length).toBe(new Set(commands).size);
    expect(commands.filter((text) => !proposed.includes(text))).toEqual([]);
    for (const [index, text] of acknowledged) expect(commands[Number(index) - 2]).toBe(text);
    expect(await commandsUpTo(two[0].log, last)).toEqual(commands);
    await Promise.all(two.map(close));
  });

  test('says clearly that no member answers, and goes on by itself when they are back', async () => {
    const one = await open(newGroup(), { commitMs: '500ms', callMs: '200ms' });
    await one.log.propose(encode('before'), NEVER);
    const all = [0, 1, 2];
    const reading = commandsUpTo(one.log, 3n);
    for (const member of all) await etcd.kill(member, 'SIGKILL');
    await expect(one.log.readBarrier(NEVER)).rejects.toMatchObject({
      code: 'METASTORE_UNAVAILABLE',
      message: expect.stringMatching(/^etcd at 127\.0\.0\.1:\d+: /),
    });
    // Surely sent, perhaps taken: it is the caller who repeats it.
    await expect(one.log.propose(encode('lost'), NEVER)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
    });
    await expect(open(newGroup(), { commitMs: '300ms' })).rejects.toMatchObject({
      code: 'METASTORE_UNAVAILABLE',
    });
    await etcd.restart(...all);
    const propose = async (): Promise<LogIndex> => {
      for (;;) {
        const index = await one.log.propose(encode('after'), NEVER).catch(() => undefined);
        if (index !== undefined) return index;
      }
    };
    const index = await propose();
    const commands = await reading;
    expect(commands[0]).toBe('before');
    expect((await commandsUpTo(one.log, index)).at(-1)).toBe('after');
    expect(one.log.status().failure).toBe(undefined);
    await close(one);
  });

  test('a fresh reader behind a compaction gets the snapshot and the entries above it', async () => {
    const prefix = newGroup();
    const snapshots = new MemorySnapshots();
    const over = { snapshotBytes: '1KiB', keptEntries: 0, commitMs: '10s' };
    const one = await open(prefix, over, snapshots);
    one.log.serveSnapshotsOf(providerOf(() => ({ index: 40n, text: 'everything up to 40' })));
    for (let at = 2; at <= 50; at += 1) await one.log.propose(encode(`${at} `.repeat(50)), NEVER);
    await one.log.compact({ index: 40n, makeDurable: () => Promise.resolve() });
    await expect.poll(() => one.log.status().firstIndex, { timeout: 30_000 }).toBe(41n);

    const fresh = await open(prefix, over, snapshots);
    const seen: string[] = [];
    for await (const item of fresh.log.committed(0n)) {
      if (isSnapshot(item)) seen.push(`${item.index}: ${await textOf(item.content(NEVER))}`);
      else seen.push(...item.map(({ index }) => String(index)));
      if (seen.at(-1) === '50') break;
    }
    const above = Array.from({ length: 10 }, (_, at) => String(41 + at));
    expect(seen).toEqual(['40: everything up to 40', ...above]);
    expect(fresh.log.status()).toMatchObject({ firstIndex: 41n, role: 'follower', leader: 'm1' });
    await close(fresh);
    await close(one);
  });

  test('logs in as an etcd user, again when its token is gone, and says when it is refused', async () => {
    const guarded = await startEtcd({ members: 1 });
    const post = async (path: string, body: unknown): Promise<void> => {
      const request = { method: 'POST', body: JSON.stringify(body) };
      expect((await fetch(`${guarded.endpoints[0]}/v3/auth/${path}`, request)).status).toBe(200);
    };
    await post('user/add', { name: 'root', password: 'r' });
    await post('user/grant', { user: 'root', role: 'root' });
    await post('role/add', { name: 'log' });
    const perm = { permType: 'READWRITE', key: base64('/mine/'), range_end: base64('/mine0') };
    await post('role/grant', { name: 'log', perm });
    await post('user/add', { name: 'logtier', password: 'secret' });
    await post('user/grant', { user: 'logtier', role: 'log' });
    await post('enable', {});
    const openAs = async (password: string, prefix: string): Promise<Opened> => {
      const settings = etcdSettings({ endpoints: [...guarded.endpoints], prefix });
      const access = { ...NO_ACCESS, login: { name: 'logtier', password } };
      const client = connectEtcd(systemClock, settings, access);
      return { log: await openMemberLog({ client, settings }), client };
    };
    const refused = { code: 'METASTORE_DENIED' };
    await expect(openAs('wrong', '/mine')).rejects.toMatchObject(refused);
    await expect(openAs('secret', '/theirs')).rejects.toMatchObject(refused);
    const one = await openAs('secret', '/mine');
    expect(await one.log.propose(encode('x'), NEVER)).toBe(2n);
    // A member that starts again knows no token of its former life.
    await guarded.kill(0, 'SIGKILL');
    await guarded.restart(0);
    expect(await one.log.propose(encode('y'), NEVER)).toBe(3n);
    expect(await commandsUpTo(one.log, 3n)).toEqual(['x', 'y']);
    await close(one);
    await guarded.stop();
  });
});
