// Members of one Raft group with catalogs of their own: what happens when a snapshot overtakes one of them.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readState } from '../../../../src/metastore/catalog/state.ts';
import { openRaftLog } from '../../../../src/metastore/log/raft-log/open-raft-log.ts';
import type { RaftLog } from '../../../../src/metastore/log/raft-log/raft-log.ts';
import { type CatalogMember, openMember } from '../../../../src/metastore/member/catalog-member.ts';
import { type EngineHome, openEngineHome } from '../../../../src/metastore/member/engine-home.ts';
import { memberSettings } from '../../../../src/metastore/member/settings.ts';
import { catalogService } from '../../../../src/metastore/service/catalog-service.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { nextTurn } from '../../../../src/platform/turn.ts';
import { rowsOf } from '../../../support/catalog-content.ts';
import { MemoryEngines } from '../../../support/engine-homes.ts';
import { MemoryDisk, seededDraw } from '../../../support/memory-disk.ts';
import { METASTORE } from '../../../support/metastore-catalog.ts';
import { ManualClock } from '../../../support/metastore-clock.ts';
import {
  claimRequest,
  Door,
  intent,
  NEVER,
  TestMetastoreClient,
} from '../../../support/metastore-world.ts';
import { smallRaftSettings } from '../../../support/raft-group.ts';
import { RaftNetwork } from '../../../support/raft-network.ts';

const DATA = '/data';
const NODES = [1, 2, 3];
const VOTERS = NODES.map((id) => ({ id, address: `member-${id}` }));
const SETTINGS = { ...smallRaftSettings, keptBytes: 0 };

interface Running {
  readonly home: EngineHome;
  readonly log: RaftLog;
  readonly member: CatalogMember;
}

class CatalogGroup {
  readonly clock = new ManualClock();
  readonly disks = new Map(NODES.map((id) => [id, new MemoryDisk()]));
  readonly running = new Map<number, Running>();
  private readonly engines = new Map(NODES.map((id) => [id, new MemoryEngines()]));
  private readonly draw = seededDraw(3);
  readonly network = new RaftNetwork((run) => {
    setImmediate(run);
  });

  async open(id: number): Promise<Running> {
    const disk = this.disks.get(id)!.forProcess();
    await disk.makeDirectory(DATA);
    const openEngine = this.engines.get(id)!.openerOn(disk);
    const home = await openEngineHome({ disk, logger: silentLogger, openEngine }, DATA);
    const { appliedIndex: index, appliedTerm: term } = await readState(home.engine, METASTORE);
    const random = {
      bytes: (count: number) => new Uint8Array(count).fill(id),
      share: this.draw,
    };
    const { clock } = this;
    const transport = this.network.transportOf(id);
    const log = await openRaftLog(
      { disk, clock, logger: silentLogger, random, nextTurn, transport },
      SETTINGS,
      {
        directory: `${DATA}/log`,
        clusterId: METASTORE,
        nodeId: BigInt(id),
        voters: VOTERS,
        applied: { index, term },
      },
    );
    const settings = memberSettings.parse({});
    const member = await openMember(
      { home, log, clock, logger: silentLogger },
      settings,
      METASTORE,
    );
    const one = { home, log, member };
    this.running.set(id, one);
    return one;
  }

  /** As the machine loses power; what it ran is left to end in peace. */
  async lose(id: number): Promise<void> {
    const one = this.running.get(id)!;
    this.network.drop(id);
    this.disks.get(id)!.crash(() => 0);
    this.engines.get(id)!.crash();
    this.running.delete(id);
    await this.whileTimePasses(one.member.stop().catch(() => undefined));
    await one.home.close().catch(() => undefined);
  }

  get leader(): Running | undefined {
    return [...this.running.values()].find(({ log }) => log.status().role === 'leader');
  }

  async until(look: () => boolean): Promise<void> {
    for (let tick = 0; tick < 2_000 && !look(); tick += 1) await this.clock.advance(100);
    if (!look()) throw new Error('nothing happened in 200 seconds');
  }

  async whileTimePasses<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const watched = work.finally(() => {
      isOver = true;
    });
    watched.catch(() => undefined);
    await this.until(() => isOver);
    return await watched;
  }

  async close(): Promise<void> {
    for (const { member, home } of this.running.values()) {
      await this.whileTimePasses(member.stop());
      await home.close();
    }
  }
}

let group: CatalogGroup;
let client: TestMetastoreClient;
let claim: Awaited<ReturnType<TestMetastoreClient['ledger']['claim']>>;
beforeEach(async () => {
  group = new CatalogGroup();
  for (const id of NODES) await group.open(id);
  await group.until(() => group.leader !== undefined);
  // A voter that is a leader already would answer for the others too: number 3 is the one in trouble.
  if (group.leader === group.running.get(3)) {
    await group.lose(3);
    await group.until(() => group.leader !== undefined);
    await group.open(3);
  }
  const door = new Door(catalogService(group.leader!.member));
  client = new TestMetastoreClient(door, group.clock, { brokerId: 1, instance: 'one' });
  claim = await group.whileTimePasses(client.ledger.claim(claimRequest(), NEVER));
});
afterEach(async () => {
  await client.channel.stop();
  await group.close();
});

async function copy(from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    await group.whileTimePasses(client.ledger.startCopy(claim, intent(number), NEVER));
  }
}

/** Until the leader keeps nothing of what member 3 lacks. */
async function cutLog(beyond: bigint): Promise<void> {
  await group.until(() => group.leader!.log.status().firstIndex > beyond);
}

async function requireSame(member: CatalogMember): Promise<void> {
  const leader = group.leader!.member;
  await group.until(() => member.state.appliedIndex === leader.state.appliedIndex);
  expect(member.state).toEqual(leader.state);
  expect(await rowsOf(member.engine)).toEqual(await rowsOf(leader.engine));
}

test('power lost between the install of a snapshot and the record of it in the log loses neither', async () => {
  await copy(0, 10);
  const { appliedIndex } = group.running.get(3)!.member.state;
  await group.lose(3);
  await copy(10, 60);
  await cutLog(appliedIndex);
  const disk = group.disks.get(3)!;
  const before = await group.open(3);
  let crashes = 0;
  disk.fault = (operation, path) => {
    const isRecord = operation === 'write' && path.startsWith(`${DATA}/log/`);
    if (!isRecord || before.home.installedAt === 0n) return undefined;
    crashes += 1;
    disk.crash(() => 0);
    return 'EIO';
  };
  await group.until(() => crashes > 0);
  disk.fault = () => undefined;
  const { installedAt } = before.home;
  expect(before.log.status().firstIndex).toBeLessThan(installedAt);
  await group.lose(3);
  // The catalog is where the snapshot put it, and the log, which knew nothing of that, begins behind it.
  const after = await group.open(3);
  expect(after.home.installedAt).toBe(installedAt);
  expect(after.member.state.appliedIndex).toBe(installedAt);
  expect(after.log.status()).toMatchObject({ firstIndex: installedAt + 1n, failure: undefined });
  await copy(60, 63);
  await requireSame(after.member);
  expect(after.member.installs).toBe(0);
});

test('bug 24: a snapshot that comes while entries are being applied is never followed by older ones', async () => {
  await copy(0, 5);
  const one = group.running.get(3)!;
  const { engine } = one.home;
  // Its engine hangs in a batch of older entries, and holds up whatever comes next.
  const hang = new AbortController();
  const batch = engine.batch.bind(engine);
  let isHeld = false;
  engine.batch = async (writes) => {
    isHeld = true;
    while (!hang.signal.aborted) await new Promise((resolve) => setImmediate(resolve));
    await batch(writes);
  };
  await copy(5, 8);
  await group.until(() => isHeld);
  const { appliedIndex } = one.member.state;
  // Meanwhile it is cut off for so long that the log it needs is gone, and gets a snapshot.
  group.network.passes = (_, to) => to !== 3;
  await copy(8, 60);
  await cutLog(one.log.status().committed);
  group.network.passes = () => true;
  await group.clock.advance(5_000);
  expect(one.member.state.appliedIndex).toBe(appliedIndex);
  hang.abort();
  await requireSame(one.member);
  expect([one.member.installs, one.log.status().failure]).toEqual([1, undefined]);
});
