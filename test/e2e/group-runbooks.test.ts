// A metastore group from deploy/group-of-three: it survives kill -9 of each member under load, a member that lost its
// directory is refused, and the runbooks work as they are written.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { commandsIn, ExampleGroup } from '../support/example-group.ts';
import {
  claimRequest,
  intent,
  NEVER,
  segmentName,
  TestMetastoreClient,
} from '../support/metastore-world.ts';

const PATIENCE = { timeout: 120_000, interval: 100 };

let group: ExampleGroup;
beforeAll(async () => {
  group = await ExampleGroup.create();
});
afterAll(async () => {
  await group.stop();
});

/** Segments copied by `work`'s end, one after the other, each acknowledged. */
async function underLoad(first: number, work: (done: () => number) => Promise<void>) {
  const addresses = [1, 2, 3].map((node) => group.address(node));
  const transport = grpcTransport(systemClock, addresses);
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'load' });
  try {
    const claim = await client.ledger.claim(claimRequest(), NEVER);
    const stop = new AbortController();
    let done = 0;
    const write = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await client.ledger.startCopy(claim, intent(first + done), NEVER);
        await client.ledger.finishCopy(claim, segmentName(first + done), NEVER);
        done += 1;
      }
    };
    const writing = write();
    await work(() => done);
    stop.abort();
    await writing;
    const { segments } = await client.queries.status(NEVER);
    return { done, segments };
  } finally {
    await client.channel.stop();
    transport.stop();
  }
}

async function leaderNow(): Promise<number> {
  return await vi.waitUntil(async () => {
    const { out } = await group.logtier(
      'logtier --endpoint 127.0.0.1:7410,127.0.0.1:7420,127.0.0.1:7430 -o json cluster status',
    );
    if (out === '') return undefined;
    const { items } = JSON.parse(out) as { items: { member?: { role: string; nodeId: string } }[] };
    const leads = items.find(({ member }) => member?.role === 'leader');
    return leads?.member === undefined ? undefined : Number(leads.member.nodeId);
  }, PATIENCE);
}

test('the examples form a group that loses nothing when each member in turn is killed', async () => {
  await Promise.all([1, 2, 3].map((node) => group.start(node)));
  const [, status] = (await commandsIn('README.md')).filter((line) =>
    /^logtier .*(metastore|status)$/.test(line),
  );
  expect(await group.logtier(status!)).toMatchObject({ code: 0, err: '' });
  const { done, segments } = await underLoad(0, async (count) => {
    for (const node of [1, 2, 3]) {
      const before = count();
      await group.kill(node);
      await vi.waitUntil(() => count() > before + 20, PATIENCE);
      await group.start(node);
    }
  });
  expect(segments).toBe(BigInt(done));
  const told = await group.metrics(await leaderNow());
  expect(told).toMatch(/^logtier_metastore_member_leads 1$/m);
  expect(told).toMatch(/^logtier_metastore_member_voters 3$/m);
  expect(told).toMatch(new RegExp(`^logtier_metastore_segments ${done}$`, 'm'));
  expect(told.match(/^logtier_metastore_follower_behind_entries\{/gm)).toHaveLength(3);
});

test('a stopped leader hands over, and says so', async () => {
  const leader = await leaderNow();
  await group.end(leader);
  expect(await readFile(group.logFile(leader), 'utf8')).toMatch('the leadership is handed over');
  await group.start(leader);
  const to = [1, 2, 3].find((node) => node !== leader)!;
  const told = await group.logtier(
    `logtier --endpoint 127.0.0.1:7410 cluster transfer-leader ${to}`,
  );
  expect(told).toMatchObject({ code: 0, out: `member ${to} leads\n` });
});

test('a member that lost its directory ends with one clear line', async () => {
  await group.kill(3);
  await group.wipe(3);
  const again = await group.launch(3);
  await again.exited;
  const said = await readFile(group.logFile(3), 'utf8');
  expect(said).toMatch(/^error: member 3 has lost its directory/m);
});

test('replacing a dead member works as the runbook says', async () => {
  const lines = await commandsIn('docs/runbooks/replace-a-member.md');
  const [look, remove, start, add, follow, promote, compare] = lines;
  expect(lines).toHaveLength(7);
  const { segments } = await underLoad(1_000_000, async () => {
    const seen = await group.logtier(look!);
    expect(seen.code).toBe(3);
    expect(seen.out).toMatch(/^ +3 .*nobody answers|^ +3 .*ECONNREFUSED|^ +3 .*UNAVAILABLE/m);
    expect(await group.logtier(remove!)).toMatchObject({ code: 0, err: '' });
    expect(start).toBe('logtier --config /etc/logtier/member-4.yaml metastore');
    await group.launch(4);
    await vi.waitUntil(async () => (await group.logtier(add!)).code === 0, PATIENCE);
    await vi.waitUntil(async () => (await group.logtier(promote!)).code === 0, PATIENCE);
    expect((await group.logtier(follow!)).code).toBe(0);
  });
  expect(segments).toBeGreaterThan(0n);
  const compared = await vi.waitUntil(async () => {
    const hash = await group.logtier(compare!);
    return hash.code === 0 && !hash.out.includes(' - ') ? hash : undefined;
  }, PATIENCE);
  expect(compared.out.trim().split('\n')).toHaveLength(4);
});

test('a backup is restored as the runbook says, under a new id and incarnation', async () => {
  const [save, restore] = await commandsIn('docs/runbooks/restore-a-backup.md');
  expect(await group.logtier(save!)).toMatchObject({ code: 0, err: '' });
  const twice = await group.logtier(save!);
  expect(twice).toMatchObject({ code: 2, out: '' });
  for (const node of [1, 2, 4]) await group.end(node);
  const refused = await group.logtier(restore!);
  expect(refused.code).toBe(2);
  expect(refused.err).toMatch(/is not empty/);
  await group.wipe(1);
  const restored = await group.logtier(restore!);
  expect(restored).toMatchObject({ code: 0, err: '' });
  const [, id] = /metastore (\S{22}), incarnation 2/.exec(restored.out) ?? [];
  await group.change(1, (text) =>
    text.replace('an-example-of-a-new-id', id!).replaceAll(/^ +- \{ node: [23].*\n/gm, ''),
  );
  await group.start(1);
  const status = await group.logtier('logtier --endpoint 127.0.0.1:7410 -o json cluster status');
  expect(status.code).toBe(0);
  const { items } = JSON.parse(status.out) as { items: { member: Record<string, unknown> }[] };
  expect(items.map(({ member }) => member)).toMatchObject([
    { metastoreId: id, incarnation: 2, role: 'leader', orphansLocked: true },
  ]);
});
