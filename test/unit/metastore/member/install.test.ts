// A member that lags behind what its log has kept: a snapshot takes its engine's place.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import { CatalogState, Command } from '../../../../src/gen/logtier/v1/catalog_command.ts';
import { stateKey } from '../../../../src/metastore/catalog/keys.ts';
import { decodeRow, encodeRow } from '../../../../src/metastore/catalog/row.ts';
import type { SnapshotToInstall } from '../../../../src/metastore/log/replicated-log.ts';
import { type CatalogMember, openMember } from '../../../../src/metastore/member/catalog-member.ts';
import { type EngineHome, openEngineHome } from '../../../../src/metastore/member/engine-home.ts';
import { memberSettings } from '../../../../src/metastore/member/settings.ts';
import { catalogService } from '../../../../src/metastore/service/catalog-service.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { bytesOf, inPieces, rowsOf } from '../../../support/catalog-content.ts';
import { MemoryEngines } from '../../../support/engine-homes.ts';
import { MemoryDisk } from '../../../support/memory-disk.ts';
import { MemoryLogStore } from '../../../support/memory-log.ts';
import { CLUSTER, METASTORE, PARTITION } from '../../../support/metastore-catalog.ts';
import { ManualClock, settled } from '../../../support/metastore-clock.ts';
import {
  claimRequest,
  codeOf,
  Door,
  intent,
  NEVER,
  TestMetastoreClient,
} from '../../../support/metastore-world.ts';

type Claim = Awaited<ReturnType<TestMetastoreClient['ledger']['claim']>>;

/** Members of one group over one log in memory, each with a directory of its own. */
class Group {
  readonly clock = new ManualClock();
  readonly logs = new MemoryLogStore();
  readonly disk = new MemoryDisk();
  readonly engines = new MemoryEngines();
  private readonly closing: (() => Promise<void>)[] = [];

  async home(name: string): Promise<EngineHome> {
    const directory = `/${name}`;
    await this.disk.makeDirectory(directory);
    const openEngine = this.engines.openerOn(this.disk);
    return await openEngineHome({ disk: this.disk, logger: silentLogger, openEngine }, directory);
  }

  async open(name: string, role: 'leader' | 'follower'): Promise<CatalogMember> {
    const home = await this.home(name);
    const deps = { home, log: this.logs.open(role), clock: this.clock, logger: silentLogger };
    const settings = memberSettings.parse({ keptRevisions: 1_000 });
    const member = await openMember(deps, settings, METASTORE);
    this.closing.push(async () => {
      await member.stop();
      await home.close();
    });
    return member;
  }

  /** Drops everything the log holds; what it took of the leader stands for it. */
  async cutLog(leader: CatalogMember): Promise<SnapshotToInstall> {
    await this.clock.advance(31_000, 1_000);
    const { snapshot } = this.logs;
    if (snapshot === undefined) throw new Error('the log took no snapshot');
    expect(snapshot.index).toBeLessThanOrEqual(leader.state.appliedIndex);
    return snapshot;
  }

  async close(): Promise<void> {
    for (const close of this.closing.splice(0)) await close();
  }
}

let group: Group;
let leader: CatalogMember;
let client: TestMetastoreClient;
let claim: Claim;
beforeEach(async () => {
  group = new Group();
  leader = await group.open('leader', 'leader');
  client = clientOf(leader);
  claim = await client.ledger.claim(claimRequest(), NEVER);
});
afterEach(async () => {
  await client.channel.stop();
  await group.close();
});

function clientOf(member: CatalogMember): TestMetastoreClient {
  const door = new Door(catalogService(member));
  return new TestMetastoreClient(door, group.clock, { brokerId: 1, instance: 'one' });
}

async function copy(from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    await client.ledger.startCopy(claim, intent(number), NEVER);
  }
}

async function caughtUp(follower: CatalogMember): Promise<void> {
  await follower.applied(leader.state.appliedIndex, NEVER);
}

test('a member that lags behind the log gets a snapshot and goes on with the entries after it', async () => {
  await copy(0, 20);
  await group.cutLog(leader);
  await copy(20, 25);
  const follower = await group.open('follower', 'follower');
  await caughtUp(follower);
  expect(follower.state).toEqual(leader.state);
  expect(await rowsOf(follower.engine)).toEqual(await rowsOf(leader.engine));
  expect(follower.installs).toBe(1);
  await copy(25, 27);
  await caughtUp(follower);
  expect(follower.state.hash).toBe(leader.state.hash);
  await follower.stop();
});

test('after a restart it is where the snapshot put it', async () => {
  await copy(0, 20);
  await group.cutLog(leader);
  const first = await group.open('follower', 'follower');
  await caughtUp(first);
  const rows = await rowsOf(first.engine);
  await group.close();
  group.disk.crash(() => 0);
  group.engines.crash();
  const home = await group.home('follower');
  expect(home.installedAt).toBeGreaterThan(20n);
  // Ticks after the snapshot were not flushed: the log has them.
  expect((await rowsOf(home.engine)).slice(1)).toEqual(rows.slice(1));
  await home.close();
});

test('who waits for an entry below the snapshot is answered, and a watcher misses nothing', async () => {
  const follower = await group.open('follower', 'follower');
  await caughtUp(follower);
  const old = follower.revision;
  await follower.stop();
  await copy(0, 20);
  const { index } = await group.cutLog(leader);
  const late = await group.open('late', 'follower');
  await Promise.all([late.applied(5n, NEVER), late.applied(index, NEVER)]);
  expect(late.revision.index).toBeGreaterThanOrEqual(index);
  // History reaches back over the snapshot: nothing is lost to who watched the old content.
  await caughtUp(late);
  const page = await late.changes(old);
  expect(page).toEqual(await leader.changes(old));
  expect(page.revisions.length).toBeGreaterThanOrEqual(20);
});

test('a watcher from before the history that the snapshot holds is told to load anew', async () => {
  const old = leader.revision;
  await copy(0, 3);
  const below = { incarnation: 1, index: leader.state.appliedIndex };
  const trim = { ...commandOf(), ops: [{ op: { $case: 'trimFeed', value: { below } } as const }] };
  await leader.propose(trim, NEVER);
  await group.cutLog(leader);
  const follower = await group.open('follower', 'follower');
  await caughtUp(follower);
  expect(await codeOf(follower.changes(old))).toBe('COMPACTED');
  expect((await follower.changes(below)).upTo).toEqual(follower.revision);
});

test('a list that is under way when a snapshot comes ends with a retriable error', async () => {
  await copy(0, 400);
  const home = await group.home('reader');
  const store = new MemoryLogStore();
  store.entries.push(...group.logs.entries.slice(1));
  const log = store.open('leader');
  const deps = { home, log, clock: group.clock, logger: silentLogger };
  const reader = await openMember(deps, memberSettings.parse({}), METASTORE);
  const service = catalogService(reader);
  const request = { clusterId: CLUSTER, partition: PARTITION };
  const listing = service.listSegments(request, NEVER)[Symbol.asyncIterator]();
  expect((await listing.next()).value).toMatchObject({ last: false });
  await copy(400, 410);
  store.snapshot = await group.cutLog(leader);
  store.snapshotIndex = store.snapshot.index;
  store.entries.length = 0;
  store.wake();
  await reader.applied(store.snapshot.index, NEVER);
  expect(await codeOf(listing.next())).toBe('METASTORE_UNAVAILABLE');
  let segments = 0;
  for await (const page of service.listSegments(request, NEVER)) segments += page.segments.length;
  expect(segments).toBe(410);
  await reader.stop();
  await home.close();
});

test('a snapshot that breaks on its way is asked for again; five times in a row end the member', async () => {
  await copy(0, 20);
  const good = await group.cutLog(leader);
  let broken = 0;
  const breaking = (times: number): SnapshotToInstall => ({
    ...good,
    content: async function* (signal: AbortSignal) {
      const bytes = await bytesOf(good.content(signal));
      broken += 1;
      if (broken > times) yield* inPieces(bytes, 777);
      else if (broken % 2 === 0) yield bytes.subarray(0, bytes.length - 9);
      else throw new LogtierError('METASTORE_UNAVAILABLE', 'the leader went away');
    },
  });
  group.logs.snapshot = breaking(4);
  const patient = await group.open('patient', 'follower');
  await group.clock.advance(5_000, 500);
  await caughtUp(patient);
  expect([broken, patient.state.hash]).toEqual([5, leader.state.hash]);
  broken = 0;
  group.logs.snapshot = breaking(5);
  const unlucky = await group.open('unlucky', 'follower');
  await group.clock.advance(5_000, 500);
  expect((await unlucky.failed).code).toBe('METASTORE_UNAVAILABLE');
  expect(unlucky.state.appliedIndex).toBe(0n);
});

test('snapshots that broke before one came whole are forgotten', async () => {
  let broken = 0;
  const breaking = (good: SnapshotToInstall, until: Promise<void>): SnapshotToInstall => {
    let left = 4;
    return {
      ...good,
      content: async function* (signal: AbortSignal) {
        const bytes = await bytesOf(good.content(signal));
        left -= 1;
        if (left < 0) await until;
        else broken += 1;
        yield left < 0 ? bytes : bytes.subarray(0, bytes.length - 9);
      },
    };
  };
  await copy(0, 20);
  const second = new AbortController();
  const held = new Promise<void>((resolve) => {
    second.signal.addEventListener('abort', () => {
      resolve();
    });
  });
  group.logs.snapshot = breaking(await group.cutLog(leader), held);
  const follower = await group.open('follower', 'follower');
  await group.clock.advance(5_000, 500);
  // While the first one is on its way the log is cut once more.
  await copy(20, 40);
  group.logs.snapshot = breaking(await group.cutLog(leader), Promise.resolve());
  second.abort();
  await group.clock.advance(5_000, 500);
  await caughtUp(follower);
  expect([broken, follower.state.hash]).toEqual([8, leader.state.hash]);
});

test('a snapshot of another metastore, or of another index than it came under, ends the member', async () => {
  await copy(0, 20);
  const good = await group.cutLog(leader);
  group.logs.snapshot = { ...good, term: good.term + 1n };
  const mistaken = await group.open('mistaken', 'follower');
  expect((await mistaken.failed).code).toBe('CORRUPT_STATE');
  group.logs.snapshot = good;
  const home = await group.home('foreign');
  const log = group.logs.open('follower');
  const deps = { home, log, clock: group.clock, logger: silentLogger };
  const foreign = await openMember(deps, memberSettings.parse({}), 'metastore-2');
  expect((await foreign.failed).code).toBe('WRONG_CLUSTER');
  expect(await rowsOf(home.engine)).toEqual([]);
  await foreign.stop();
  await home.close();
});

test('a member with another content than the leader stops with both hashes, and nobody else does', async () => {
  const home = await group.home('diverged');
  const log = group.logs.open('follower');
  const deps = { home, log, clock: group.clock, logger: silentLogger };
  const diverged = await openMember(deps, memberSettings.parse({}), METASTORE);
  const sound = await group.open('sound', 'follower');
  await caughtUp(diverged);
  await diverged.stop();
  const before = decodeRow(CatalogState, (await home.engine.get(stateKey())) ?? new Uint8Array());
  const value = encodeRow(CatalogState, { ...before, hash: before.hash ^ 1 });
  await home.engine.batch([{ kind: 'put', key: stateKey(), value }]);
  const again = await openMember(
    { ...deps, log: group.logs.open('follower') },
    memberSettings.parse({}),
    METASTORE,
  );
  await copy(0, 15);
  await settled();
  const failure = await again.failed;
  expect(failure.code).toBe('CORRUPT_STATE');
  expect(failure.message).toMatch(
    /^at entry 10 the catalog's hash is \w{8} here, \w{8} at the leader$/,
  );
  await caughtUp(sound);
  expect(sound.state.hash).toBe(leader.state.hash);
  expect(again.state.appliedIndex).toBeLessThan(leader.state.appliedIndex);
  await again.stop();
  await home.close();
});

test('the leader compares every 1,000 entries, and no client can', async () => {
  for (let more = 0; more < 2_100; more += 1) await leader.propose(tick(), NEVER);
  await settled();
  const marks = leader.state.hashMarks.map(({ index }) => Number(index));
  expect(marks).toEqual([10, 100, 1000, 2000]);
  const checked = group.logs.entries.flatMap(({ command }) =>
    Command.decode(command).ops.flatMap(({ op }) =>
      op?.$case === 'checkHash' ? [Number(op.value.mark?.index)] : [],
    ),
  );
  expect(checked).toEqual(marks);
  const op = { $case: 'checkHash', value: { mark: { index: 10n, hash: 1 } } } as const;
  const command = { ...commandOf(), clusterId: CLUSTER, ops: [{ op }] };
  const call = catalogService(leader).mutate({ clusterId: CLUSTER, commands: [command] }, NEVER);
  expect(await codeOf(call)).toBe('INVALID_ARGUMENT');
  const incarnation = leader.state.incarnation;
  const clientId = (
    await leader.propose({ ...command, incarnation, clientId: 2n, seq: 99n }, NEVER)
  ).results[0];
  expect(clientId?.result?.$case).toBe('refused');
});

function commandOf(): Command {
  return {
    incarnation: 1,
    clientId: 0n,
    seq: 0n,
    nowMs: 0n,
    clusterId: '',
    ops: [],
    answeredBelow: 0n,
  };
}

function tick(): Command {
  return { ...commandOf(), ops: [{ op: { $case: 'tick', value: {} } }] };
}
