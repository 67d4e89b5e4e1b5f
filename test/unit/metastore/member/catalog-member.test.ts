import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import { CatalogState } from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { stateKey } from '../../../../src/metastore/catalog/keys.ts';
import { MAX_OPS } from '../../../../src/metastore/catalog/limits.ts';
import { decodeRow, encodeRow } from '../../../../src/metastore/catalog/row.ts';
import { STATE_VERSION } from '../../../../src/metastore/catalog/state.ts';
import type { KvEngine } from '../../../../src/metastore/engine/kv-engine.ts';
import { openMemoryEngine } from '../../../../src/metastore/engine/memory-engine.ts';
import {
  type CatalogMember,
  type MemberDeps,
  openMember,
} from '../../../../src/metastore/member/catalog-member.ts';
import { raiseIncarnation } from '../../../../src/metastore/member/restore.ts';
import { type MemberSettings, memberSettings } from '../../../../src/metastore/member/settings.ts';
import { catalogService } from '../../../../src/metastore/service/catalog-service.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { fixedHome } from '../../../support/engine-homes.ts';
import { MemoryLogStore } from '../../../support/memory-log.ts';
import { CLUSTER, METASTORE } from '../../../support/metastore-catalog.ts';
import { ManualClock, settled } from '../../../support/metastore-clock.ts';
import {
  claimRequest,
  codeOf,
  Door,
  intent,
  MetastoreWorld,
  NEVER,
  segmentName,
  TestMetastoreClient,
} from '../../../support/metastore-world.ts';

let clock: ManualClock;
let engine: KvEngine;
let logs: MemoryLogStore;
const members: CatalogMember[] = [];
beforeEach(async () => {
  clock = new ManualClock();
  engine = await openMemoryEngine();
  logs = new MemoryLogStore();
});
afterEach(async () => {
  for (const member of members.splice(0)) await member.stop();
  await engine.close();
});

function depsOver(over: KvEngine): MemberDeps {
  return { home: fixedHome(over), log: logs.open(), clock, logger: silentLogger };
}

async function open(
  facts: Partial<MemberSettings> = {},
  over: KvEngine = engine,
): Promise<CatalogMember> {
  const settings = { ...memberSettings.parse({}), ...facts };
  const member = await openMember(depsOver(over), settings, METASTORE);
  members.push(member);
  await member.barrier(NEVER);
  return member;
}

function clientOf(member: CatalogMember, instance = 'one'): TestMetastoreClient {
  const door = new Door(catalogService(member));
  return new TestMetastoreClient(door, clock, { brokerId: 1, instance });
}

async function edit(change: (state: CatalogState) => CatalogState): Promise<void> {
  const state = decodeRow(CatalogState, (await engine.get(stateKey()))!);
  const value = encodeRow(CatalogState, change(state));
  await engine.batch([{ kind: 'put', key: stateKey(), value }]);
}

test('a flush makes the catalog durable, then the log is cut to it, and a restart goes on', async () => {
  const member = await open();
  const client = clientOf(member);
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  await clock.advance(31_000, 1_000);
  expect(logs.snapshotIndex).toBeGreaterThan(0n);
  await client.ledger.startCopy(claim, intent(0), NEVER);
  const { state } = member;
  await member.stop();
  const again = await open();
  expect(again.state).toEqual(state);
  expect(await codeOf(clientOf(again).ledger.finishCopy(claim, segmentName(0), NEVER))).toBe(
    'none',
  );
});

test('many bytes bring the flush forward', async () => {
  const member = await open({ flushBytes: 1_000 });
  const client = clientOf(member);
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  for (let number = 0; number < 5; number += 1) {
    await client.ledger.startCopy(claim, intent(number), NEVER);
  }
  await settled();
  expect(logs.snapshotIndex).toBeGreaterThan(0n);
});

test('the replicated clock moves though nothing happens', async () => {
  const member = await open();
  await clock.advance(60_000, 1_000);
  expect(Number(member.state.clockMs)).toBeGreaterThanOrEqual(clock.wallMs() - 10_000);
});

test('history is trimmed behind its bound, and a reader from below is told to load anew', async () => {
  const member = await open({ keptRevisions: 10 });
  const client = clientOf(member);
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  for (let number = 0; number < 50; number += 1) {
    await client.ledger.startCopy(claim, intent(number), NEVER);
  }
  await clock.advance(31_000, 1_000);
  const feedFrom = member.state.feedFrom!;
  expect(member.state.appliedIndex - feedFrom.index).toBeLessThan(21n);
  await member.stop();
  const again = await open();
  expect(await codeOf(again.changes({ incarnation: 1, index: feedFrom.index - 1n }))).toBe(
    'COMPACTED',
  );
  const page = await again.changes(feedFrom);
  expect(page.revisions.length).toBeGreaterThan(0);
  expect(page.upTo).toEqual(again.revision);
});

test('an engine and a log that do not fit together are refused', async () => {
  const first = await open();
  await clientOf(first).ledger.claim(claimRequest(), NEVER);
  await first.stop();
  const kept = logs;
  logs = new MemoryLogStore();
  expect(await codeOf(open())).toBe('CORRUPT_STATE');
  logs = kept;
  logs.entries.splice(0, 2);
  logs.snapshotIndex = 2n;
  const behind = openMember(
    depsOver(await openMemoryEngine()),
    memberSettings.parse({}),
    METASTORE,
  );
  members.push(await behind);
  expect(await (await behind).failed).toMatchObject({
    code: 'CORRUPT_STATE',
    message: 'the catalog is at entry 0, the log begins at 3',
  });
});

test('a state of a newer Logtier or of another metastore is refused', async () => {
  const first = await open();
  await clientOf(first).ledger.claim(claimRequest(), NEVER);
  await first.stop();
  await edit((state) => ({ ...state, metastoreId: 'another' }));
  expect(await codeOf(open())).toBe('WRONG_CLUSTER');
  await edit((state) => ({ ...state, metastoreId: METASTORE, stateVersion: STATE_VERSION + 1 }));
  expect(await codeOf(open())).toBe('CORRUPT_STATE');
});

test('a broken engine ends the member: it says why, and promises nothing more', async () => {
  let isBroken = false;
  const breaking: KvEngine = {
    get: (key) => engine.get(key),
    getMany: (keys) => engine.getMany(keys),
    range: (range) => engine.range(range),
    snapshot: () => engine.snapshot(),
    flush: () => engine.flush(),
    close: () => engine.close(),
    batch: (writes) =>
      isBroken ? Promise.reject(new LogtierError('DISK_FAILED', 'EIO')) : engine.batch(writes),
  };
  const member = await open({}, breaking);
  const client = clientOf(member);
  await client.ledger.claim(claimRequest(), NEVER);
  isBroken = true;
  // Committed and applied: the next start, or another member, gets it from the log.
  const committed = codeOf(client.ledger.claim(claimRequest(), NEVER));
  expect((await member.failed).code).toBe('DISK_FAILED');
  const lost = codeOf(client.ledger.claim(claimRequest(), NEVER));
  expect(await codeOf(client.queries.status(NEVER))).toBe('METASTORE_UNAVAILABLE');
  await client.channel.stop();
  expect([await committed, await lost]).toEqual(['none', 'OUTCOME_UNKNOWN']);
});

test('after a restore tokens are larger, old sessions and views are void, orphans are locked (rule 6)', async () => {
  const first = await open();
  const client = clientOf(first);
  const old = await client.ledger.claim(claimRequest(), NEVER);
  await client.ledger.startCopy(old, intent(0), NEVER);
  const oldRevision = first.revision;
  await first.stop();
  logs = new MemoryLogStore();
  expect(await raiseIncarnation(engine, METASTORE)).toBe(2);
  const restored = await open();
  expect(restored.state).toMatchObject({ incarnation: 2, orphanLock: true, segments: 1n });
  const again = clientOf(restored, 'another process');
  const claim = await again.ledger.claim(claimRequest(), NEVER);
  expect(claim.token.incarnation).toBe(2);
  expect(await codeOf(again.ledger.finishCopy(old, segmentName(0), NEVER))).toBe(
    'FENCED_LEADER_EPOCH',
  );
  // The broker's own open copy was re-stamped by its new claim (rule 11).
  expect(await codeOf(again.ledger.finishCopy(claim, segmentName(0), NEVER))).toBe('none');
  const request = { clusterId: CLUSTER, after: oldRevision, filter: undefined };
  const stream = catalogService(restored).watch(request, NEVER)[Symbol.asyncIterator]();
  expect(await codeOf(stream.next())).toBe('COMPACTED');
});

test('a member takes at least as many commands at once as one call may bring', () => {
  const fewer = memberSettings.safeParse({ proposalsInFlight: MAX_OPS - 1 });
  const asMany = memberSettings.safeParse({ proposalsInFlight: MAX_OPS });
  expect([fewer.success, asMany.success]).toEqual([false, true]);
});

test('more commands than may wait for the log are refused, surely not taken', async () => {
  const member = await open({ proposalsInFlight: 2 });
  const service = catalogService(member);
  const command = {
    incarnation: 0,
    clientId: 0n,
    seq: 0n,
    nowMs: 0n,
    clusterId: CLUSTER,
    ops: [{ op: { $case: 'registerClient', value: { brokerId: 1, instance: 'x' } } as const }],
    answeredBelow: 0n,
  };
  const call = (): Promise<string> =>
    codeOf(service.mutate({ clusterId: CLUSTER, commands: [command] }, NEVER));
  expect(await Promise.all([call(), call(), call()])).toEqual(['none', 'none', 'OVERLOADED']);
});

test('power lost at any flush border: what was answered is there, and is there once', async () => {
  const world = await MetastoreWorld.open();
  const client = world.client();
  const claim = await client.ledger.claim(claimRequest(), NEVER);
  let number = 0;
  for (let kept = 0; kept < 8; kept += 1) {
    for (let more = 0; more < 4; more += 1, number += 1) {
      await client.ledger.startCopy(claim, intent(number), NEVER);
    }
    const { hash } = world.member.state;
    await world.crash(Math.min(kept, world.engines.unflushedBatches));
    expect(world.member.state.hash).toBe(hash);
  }
  expect(world.member.state.segments).toBe(BigInt(number));
  await world.close();
});
