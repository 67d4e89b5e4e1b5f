// What the log believes of etcd: the fake is held to it in the unit tests, the real one in test/e2e.
import { describe, expect, test } from 'vitest';
import type {
  EtcdClient,
  KeyRow,
  RangeOp,
  TxnOp,
} from '../../src/metastore/log/etcd-log/etcd-client.ts';

const NEVER = new AbortController().signal;
let rooms = 0;

function put(key: string, text: string, lease = 0n): TxnOp {
  return { kind: 'put', key, value: Buffer.from(text), lease };
}

function range(start: string, end?: string, limit = 0): RangeOp {
  return { kind: 'range', start, end, limit, keysOnly: false };
}

function printed(rows: readonly KeyRow[]): string[] {
  return rows.map(({ key, value }) => `${key.slice(-1)}=${Buffer.from(value).toString()}`);
}

async function read(client: EtcdClient, op: RangeOp): Promise<readonly KeyRow[]> {
  return (await client.txn({ guards: [], success: [op], failure: [] }, NEVER)).ranges[0]!.rows;
}

export function etcdClientContract(name: string, connect: () => EtcdClient): void {
  const inRoom = async (use: (client: EtcdClient, at: string) => Promise<void>): Promise<void> => {
    rooms += 1;
    const client = connect();
    try {
      await use(client, `/contract/${process.pid}/${rooms}/`);
    } finally {
      client.stop();
    }
  };

  describe(`the ${name} client of etcd`, () => {
    test('does all of a transaction or, when a guard fails, all of the other', () =>
      inRoom(async (client, at) => {
        const guards = [{ key: `${at}a`, createRevision: 0n }];
        const success = [put(`${at}a`, '1'), put(`${at}b`, '1')];
        const failure = [range(`${at}a`), put(`${at}c`, '2'), range(at, `${at}~`, 2)];
        const first = await client.txn({ guards, success, failure }, NEVER);
        expect({ done: first.succeeded, ranges: first.ranges }).toEqual({ done: true, ranges: [] });
        const second = await client.txn({ guards, success, failure }, NEVER);
        expect(second.succeeded).toBe(false);
        expect(second.clusterId).toBe(first.clusterId);
        expect(second.revision).toBe(first.revision + 1n);
        expect(second.ranges.map(({ rows, more }) => [printed(rows), more])).toEqual([
          [['a=1'], false],
          [['a=1', 'b=1'], true],
        ]);
        const [row] = await read(client, range(`${at}a`));
        const { createRevision, modRevision, lease } = row!;
        const rev = first.revision;
        expect([createRevision, modRevision, lease]).toEqual([rev, rev, 0n]);
        const stale = { guards: [{ key: `${at}a`, modRevision: rev - 1n }], success, failure: [] };
        expect((await client.txn(stale, NEVER)).succeeded).toBe(false);
        const known = { guards: [{ key: `${at}a`, modRevision: rev }], success, failure: [] };
        expect((await client.txn(known, NEVER)).succeeded).toBe(true);
        expect((await client.txn(known, NEVER)).succeeded).toBe(false);
        const absent = { guards: [{ key: `${at}z`, modRevision: 0n }], success: [], failure: [] };
        expect((await client.txn(absent, NEVER)).succeeded).toBe(true);
      }));

    test('a watch brings every put of its range since a revision, in order, and nothing else', () =>
      inRoom(async (client, at) => {
        const before = await client.txn(
          { guards: [], success: [put(`${at}a`, '0')], failure: [] },
          NEVER,
        );
        const both = [put(`${at}a`, '1'), put(`${at}b`, '1'), put(`${at.slice(0, -1)}-`, 'out')];
        await client.txn({ guards: [], success: both, failure: [] }, NEVER);
        const seen: string[] = [];
        const there = { start: at, end: `${at}~` };
        let isAsked = false;
        for await (const { rows } of client.watchPuts(there, before.revision + 1n, NEVER)) {
          seen.push(...printed(rows));
          if (seen.length >= 3) break;
          if (isAsked || seen.length < 2) continue;
          isAsked = true;
          const drop: TxnOp = { kind: 'delete', ...there };
          await client.txn({ guards: [], success: [drop], failure: [] }, NEVER);
          const late = { guards: [], success: [put(`${at}c`, '2')], failure: [] };
          await client.txn(late, NEVER);
        }
        expect(seen).toEqual(['a=1', 'b=1', 'c=2']);
        expect(printed(await read(client, range(at, `${at}~`)))).toEqual(['c=2']);
      }));

    test('a watch that waits ends with its signal, with the reason', () =>
      inRoom(async (client, at) => {
        const controller = new AbortController();
        const watching = (async () => {
          const there = { start: at, end: `${at}~` };
          for await (const { rows } of client.watchPuts(there, 1n << 40n, controller.signal)) {
            if (rows.length === 0) controller.abort();
          }
        })();
        await expect(watching).rejects.toMatchObject({ code: 'ABORTED' });
      }));

    test('revisions let go of cannot be watched, and letting go twice is nothing', () =>
      inRoom(async (client, at) => {
        const txn = { guards: [], success: [put(`${at}a`, '1')], failure: [] };
        const { revision: first } = await client.txn(txn, NEVER);
        const { revision } = await client.txn(txn, NEVER);
        await client.compact(revision, NEVER);
        await client.compact(revision, NEVER);
        const watching = (async () => {
          for await (const { rows } of client.watchPuts(
            { start: at, end: `${at}~` },
            first,
            NEVER,
          )) {
            expect(rows).toEqual([]);
          }
        })();
        await expect(watching).rejects.toMatchObject({ code: 'COMPACTED' });
      }));

    test('a key under a lease goes with it', () =>
      inRoom(async (client, at) => {
        const lease = await client.grantLease(60_000, NEVER);
        const taken = await client.txn(
          { guards: [], success: [put(`${at}k`, 'me', lease)], failure: [] },
          NEVER,
        );
        expect(await client.renewLease(lease, NEVER)).toBe(true);
        const [row] = await read(client, range(`${at}k`));
        expect([row!.lease, row!.createRevision]).toEqual([lease, taken.revision]);
        await client.revokeLease(lease, NEVER);
        await client.revokeLease(lease, NEVER);
        expect(await client.renewLease(lease, NEVER)).toBe(false);
        expect(await read(client, range(`${at}k`))).toEqual([]);
      }));

    test('a call whose signal fired before says why', () =>
      inRoom(async (client) => {
        const txn = { guards: [], success: [], failure: [] };
        await expect(client.txn(txn, AbortSignal.abort())).rejects.toMatchObject({
          code: 'ABORTED',
        });
      }));
  });
}
