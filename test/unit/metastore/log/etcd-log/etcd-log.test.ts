import { expect, test } from 'vitest';
import { committedEntries } from '../../../../support/committed-entries.ts';
import { EtcdFake } from '../../../../support/etcd-fake.ts';
import {
  etcdSettings,
  MemorySnapshots,
  openMemberLog,
  providerOf,
  textOf,
} from '../../../../support/etcd-log-world.ts';
import {
  isSnapshot,
  type LogIndex,
  type ReplicatedLog,
} from '../../../../../src/metastore/log/replicated-log.ts';

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const durable = (): Promise<void> => Promise.resolve();
/** Snapshots at once, nothing kept below them. */
const eager = etcdSettings({ snapshotBytes: '1B', keptEntries: 0, commitMs: '200ms' });

async function commandsUpTo(log: ReplicatedLog, last: LogIndex): Promise<string[]> {
  const seen: string[] = [];
  for await (const entries of committedEntries(log, 1n)) {
    seen.push(
      ...entries.map(({ index, command }) => `${index} ${Buffer.from(command).toString()}`),
    );
    if (entries.at(-1)!.index >= last) break;
  }
  return seen;
}

/** Items after `after` up to entry `last`: snapshots as their text, entries as their indexes. */
async function itemsUpTo(log: ReplicatedLog, after: LogIndex, last: LogIndex): Promise<string[]> {
  const seen: string[] = [];
  for await (const item of log.committed(after)) {
    if (isSnapshot(item)) seen.push(`${item.index} ${await textOf(item.content(NEVER))}`);
    else seen.push(...item.map(({ index }) => String(index)));
    if (!isSnapshot(item) && item.at(-1)!.index >= last) break;
  }
  return seen;
}

async function propose(log: ReplicatedLog, count: number): Promise<LogIndex> {
  let last = 0n;
  for (let at = 0; at < count; at += 1) last = await log.propose(encode(`c${at}`), NEVER);
  return last;
}

test('members that propose at once share one order, and each command is in it once', async () => {
  const etcd = new EtcdFake();
  const logs = await Promise.all(
    ['a', 'b', 'c'].map((memberId) => openMemberLog({ client: etcd.connect(), memberId })),
  );
  const outcomes = await Promise.all(
    logs.flatMap((log, member) =>
      Array.from({ length: 40 }, async (_, at) => {
        for (let turn = 0; turn < at; turn += 1) await Promise.resolve();
        return `${await log.propose(encode(`${member}-${at}`), NEVER)} ${member}-${at}`;
      }),
    ),
  );
  const last = await logs[0]!.readBarrier(NEVER);
  const orders = await Promise.all(logs.map((log) => commandsUpTo(log, last)));
  expect(orders[1]).toEqual(orders[0]);
  expect(orders[2]).toEqual(orders[0]);
  expect(orders[0]!.toSorted()).toEqual(outcomes.toSorted());
  await Promise.all(logs.map((log) => log.stop()));
});

test('a command given up as unknown that still arrives does not double the next one', async () => {
  const etcd = new EtcdFake();
  const settings = etcdSettings({ commitMs: '30ms' });
  const log = await openMemberLog({ client: etcd.connect(), settings });
  etcd.mishap = () => 'LATE';
  await expect(log.propose(encode('straggler'), NEVER)).rejects.toMatchObject({
    code: 'OUTCOME_UNKNOWN',
  });
  etcd.mishap = () => undefined;
  const index = await log.propose(encode('next'), NEVER);
  expect(await commandsUpTo(log, index)).toEqual(['2 straggler', '3 next']);
  await log.stop();
});

test('what waits behind a batch that etcd did not answer is surely not taken', async () => {
  const etcd = new EtcdFake();
  const settings = etcdSettings({ commitMs: '30ms', maxCommandBytes: '1KiB', batchBytes: '1KiB' });
  const log = await openMemberLog({ client: etcd.connect(), settings });
  etcd.isDown = true;
  const outcomes = await Promise.allSettled([
    log.propose(new Uint8Array(1024), NEVER),
    log.propose(new Uint8Array(1024), NEVER),
  ]);
  expect(outcomes).toMatchObject([
    { reason: { code: 'OUTCOME_UNKNOWN' } },
    { reason: { code: 'METASTORE_UNAVAILABLE' } },
  ]);
  await expect(log.readBarrier(NEVER)).rejects.toMatchObject({ code: 'METASTORE_UNAVAILABLE' });
  etcd.isDown = false;
  expect(await log.propose(encode('back'), NEVER)).toBe(2n);
  await log.stop();
});

test('an etcd at its quota refuses: surely not taken', async () => {
  const etcd = new EtcdFake();
  const log = await openMemberLog({ client: etcd.connect() });
  etcd.mishap = () => 'NO_SPACE';
  await expect(log.propose(encode('x'), NEVER)).rejects.toMatchObject({ code: 'OVERLOADED' });
  etcd.mishap = () => undefined;
  expect(await log.readBarrier(NEVER)).toBe(1n);
  await log.stop();
});

test('too much that waits for etcd is refused at once', async () => {
  const etcd = new EtcdFake();
  const settings = etcdSettings({ queuedBytes: '2KiB', commitMs: '30ms' });
  const log = await openMemberLog({ client: etcd.connect(), settings });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 3 }, () => log.propose(new Uint8Array(1024), NEVER)),
  );
  expect(outcomes).toMatchObject([
    { value: 2n },
    { value: 3n },
    { reason: { code: 'OVERLOADED' } },
  ]);
  await log.stop();
});

test('an etcd restored to an older state stops the log loudly', async () => {
  const etcd = new EtcdFake();
  const log = await openMemberLog({ client: etcd.connect() });
  const restore = etcd.backup();
  await propose(log, 3);
  const reading = (async () => {
    for await (const items of log.committed(0n)) expect(items).toBeDefined();
  })();
  restore();
  await expect(log.readBarrier(NEVER)).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
  await expect(reading).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
  await expect(log.propose(encode('x'), NEVER)).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
  expect(log.status().failure).toMatch(/went back/);
  await log.stop();
});

test('an answer that others overtook on their way is no older state of etcd', async () => {
  const etcd = new EtcdFake();
  const client = etcd.connect();
  const log = await openMemberLog({ client });
  const txn = client.txn.bind(client);
  client.txn = async (asked, signal) => {
    client.txn = txn;
    const seen = await txn(asked, signal);
    expect(await log.propose(encode('overtakes'), NEVER)).toBe(2n);
    return seen;
  };
  expect(await log.readBarrier(NEVER)).toBe(1n);
  expect(log.status()).toMatchObject({ committed: 2n, failure: undefined });
  expect(await log.readBarrier(NEVER)).toBe(2n);
  await log.stop();
});

test('another etcd under the same address is refused, running and at the next start', async () => {
  const etcd = new EtcdFake();
  const log = await openMemberLog({ client: etcd.connect() });
  etcd.clusterId = 0xbadn;
  await expect(log.readBarrier(NEVER)).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
  await log.stop();
  await expect(openMemberLog({ client: etcd.connect() })).rejects.toMatchObject({
    code: 'WRONG_CLUSTER',
  });
});

test('a member of an older life does not found a log that was lost', async () => {
  const client = new EtcdFake().connect();
  await expect(openMemberLog({ client, known: 'cafe-2' })).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
  });
});

test('a value that something else wrote is damage, not an empty log', async () => {
  const etcd = new EtcdFake();
  const log = await openMemberLog({ client: etcd.connect() });
  await propose(log, 1);
  const [key, row] = [...etcd.rows].find(([name]) => name.endsWith('/log/00000000000000000002'))!;
  const value = Uint8Array.from(row.value);
  value[value.length - 8]! ^= 1;
  etcd.rows.set(key, { ...row, value });
  await expect(commandsUpTo(log, 2n)).rejects.toMatchObject({ code: 'CORRUPT_STATE' });
  await log.stop();
});

test('one member at a time does the upkeep, and another takes over when it falls silent', async () => {
  const etcd = new EtcdFake();
  const settings = etcdSettings({ leaseMs: '30ms' });
  const open = (memberId: string): Promise<ReplicatedLog> =>
    openMemberLog({ client: etcd.connect(), settings, memberId });
  const first = await open('first');
  const second = await open('second');
  const roles = (): string[] => [first, second].map((log) => log.status().role);
  expect(roles()).toEqual(['leader', 'follower']);
  expect(second.status().leader).toBe('first');
  await first.stop();
  await expect.poll(() => second.status().role, { timeout: 30_000 }).toBe('leader');
  expect(second.status().leader).toBe('second');
  await second.stop();
});

test('a reader whose entries are gone gets the snapshot, then the entries above it', async () => {
  const etcd = new EtcdFake();
  const snapshots = new MemorySnapshots();
  const log = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  log.serveSnapshotsOf(providerOf(() => ({ index: 6n, text: 'up to 6' })));
  await propose(log, 9);
  await log.compact({ index: 6n, makeDurable: durable });
  await expect.poll(() => log.status().firstIndex, { timeout: 30_000 }).toBe(7n);
  const late = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  expect(await itemsUpTo(late, 0n, 10n)).toEqual(['6 up to 6', '7', '8', '9', '10']);
  expect(await itemsUpTo(late, 3n, 10n)).toEqual(['6 up to 6', '7', '8', '9', '10']);
  expect(await itemsUpTo(late, 6n, 10n)).toEqual(['7', '8', '9', '10']);
  await Promise.all([log.stop(), late.stop()]);
});

test('of all snapshots the last two stay in the store, in case one is being read', async () => {
  const snapshots = new MemorySnapshots();
  const client = new EtcdFake().connect();
  const log = await openMemberLog({ client, settings: eager, snapshots });
  let index = 0n;
  log.serveSnapshotsOf(providerOf(() => ({ index, text: `up to ${index}` })));
  const seen: string[] = [];
  for (let taken = 0; taken < 4; taken += 1) {
    index = await propose(log, 3);
    await log.compact({ index, makeDurable: durable });
    await expect.poll(() => log.status().firstIndex, { timeout: 30_000 }).toBe(index + 1n);
    seen.push(snapshots.names.map((name) => name.replace(/^.*\/0*(\d+)-.*$/, '$1')).join(' '));
  }
  expect(seen).toEqual(['4', '4 7', '7 10', '10 13']);
  await log.stop();
});

test('entries below a snapshot stay for members that lag a little', async () => {
  const etcd = new EtcdFake();
  const settings = { ...eager, keptEntries: 3 };
  const log = await openMemberLog({ client: etcd.connect(), settings });
  log.serveSnapshotsOf(providerOf(() => ({ index: 6n, text: 'up to 6' })));
  await propose(log, 9);
  await log.compact({ index: 6n, makeDurable: durable });
  await expect.poll(() => log.status().firstIndex, { timeout: 30_000 }).toBe(4n);
  expect(await itemsUpTo(log, 3n, 10n)).toEqual(['4', '5', '6', '7', '8', '9', '10']);
  await log.stop();
});

test('a store that fails cuts nothing, and what it left behind goes with the next snapshot', async () => {
  const etcd = new EtcdFake();
  const snapshots = new MemorySnapshots();
  const log = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  let index = 4n;
  let isTaken = false;
  const taking = providerOf(() => {
    isTaken = true;
    return { index, text: `up to ${index}` };
  });
  log.serveSnapshotsOf(taking);
  await propose(log, 9);
  snapshots.beforePut = () => Promise.reject(new Error('no store'));
  const identity = `${etcd.clusterId.toString(16)}-${etcd.rows.get('/logtier/group/head')!.createRevision}`;
  snapshots.parts.set(`${identity}/00000000000000000003-dead/00000000`, encode('left over'));
  snapshots.parts.set('cafe-99/00000000000000000003-live/00000000', encode('of another log'));
  await log.compact({ index: 4n, makeDurable: durable });
  await expect.poll(() => isTaken, { timeout: 30_000 }).toBe(true);
  expect(await itemsUpTo(log, 0n, 3n)).toContain('1');
  snapshots.beforePut = durable;
  const again = async (): Promise<readonly string[]> => {
    index = await propose(log, 1);
    await log.compact({ index, makeDurable: durable });
    return snapshots.names;
  };
  await expect
    .poll(again, { timeout: 30_000 })
    .toEqual([
      'cafe-99/00000000000000000003-live',
      expect.stringMatching(new RegExp(`^${identity}/0{18}1\\d-`)),
    ]);
  await log.stop();
});

test('a keeper that lost its tenure in mid-snapshot publishes nothing and cuts nothing', async () => {
  const etcd = new EtcdFake();
  const snapshots = new MemorySnapshots();
  const log = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  log.serveSnapshotsOf(providerOf(() => ({ index: 6n, text: 'old keeper' })));
  await propose(log, 9);
  let isPut = false;
  snapshots.beforePut = () => {
    etcd.expireLeases();
    isPut = true;
    return Promise.resolve();
  };
  await log.compact({ index: 6n, makeDurable: durable });
  await expect.poll(() => isPut, { timeout: 30_000 }).toBe(true);
  await log.stop();
  expect([...etcd.rows.keys()].filter((key) => key.endsWith('/snapshot'))).toEqual([]);
  const again = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  expect(again.status().firstIndex).toBe(1n);
  await again.stop();
});

test('a snapshot whose bytes changed in the store is refused at its end', async () => {
  const etcd = new EtcdFake();
  const snapshots = new MemorySnapshots();
  const log = await openMemberLog({ client: etcd.connect(), settings: eager, snapshots });
  log.serveSnapshotsOf(providerOf(() => ({ index: 6n, text: 'up to 6' })));
  await propose(log, 9);
  await log.compact({ index: 6n, makeDurable: durable });
  await expect.poll(() => log.status().firstIndex, { timeout: 30_000 }).toBe(7n);
  const [name] = snapshots.parts.keys();
  snapshots.parts.set(name!, encode('up to 7'));
  await expect(itemsUpTo(log, 0n, 10n)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' });
  await log.stop();
});

test('a lost watch, also one whose revisions are gone, costs nothing but a new look', async () => {
  const etcd = new EtcdFake();
  const log = await openMemberLog({ client: etcd.connect() });
  const seen: LogIndex[] = [];
  const reading = (async () => {
    for await (const entries of committedEntries(log, 1n)) {
      seen.push(...entries.map(({ index }) => index));
      if (seen.length === 6) return;
    }
  })();
  await propose(log, 2);
  etcd.isDown = true;
  etcd.wake();
  etcd.isDown = false;
  await propose(log, 2);
  etcd.compact(etcd.revision + 1n);
  await propose(log, 2);
  await reading;
  expect(seen).toEqual([2n, 3n, 4n, 5n, 6n, 7n]);
  await log.stop();
});
