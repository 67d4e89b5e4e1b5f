// Voters of a new group meet over a network that loses answers, while one of them loses its directory.
import { expect, test } from 'vitest';
import { hasCode, LogtierError } from '../../../../../src/base/errors.ts';
import { Founders } from '../../../../../src/metastore/log/raft-log/founders.ts';
import {
  type Introduction,
  meetVoters,
  requireDirectory,
} from '../../../../../src/metastore/log/raft-log/meet-voters.ts';
import type { Peer } from '../../../../../src/metastore/log/raft-log/membership.ts';
import { type Clock, systemClock, throwIfAborted } from '../../../../../src/platform/clock.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { type Draw, MemoryDisk, seededDraw } from '../../../../support/memory-disk.ts';

const LOG = '/log';
const VOTERS: readonly Peer[] = [1, 2, 3].map((id) => ({ id, address: `host-${id}:7410` }));
const SEEDS = 150;

interface Voter {
  readonly directory: string;
  readonly disk: MemoryDisk;
  readonly founders: Founders;
  readonly life: AbortController;
  /** Whom its log began with; nobody: it waits for what a leader sends. */
  began: readonly Peer[] | undefined;
  failure: unknown;
}

class Meeting {
  readonly up = new Map<number, Voter>();
  private readonly draw: Draw;
  private readonly clock: Clock;

  constructor(draw: Draw) {
    this.draw = draw;
    this.clock = {
      ...systemClock,
      sleep: async (_, signal) => {
        await this.turns();
        throwIfAborted(signal);
      },
    };
  }

  async start(id: number, directory: string, disk = new MemoryDisk()): Promise<Voter> {
    await disk.makeDirectory(LOG);
    const self = { ...VOTERS[id - 1]!, directory };
    const founders = await Founders.open(disk, LOG, { self, voters: VOTERS });
    const life = new AbortController();
    const voter: Voter = { directory, disk, founders, life, began: undefined, failure: undefined };
    this.up.set(id, voter);
    const deps = {
      clock: this.clock,
      random: { share: this.draw, bytes: () => new Uint8Array(0) },
      logger: silentLogger,
      founders,
      introduce: (peer: Peer, proposed: readonly Peer[]) =>
        this.introduce({ id, directory }, peer, proposed),
    };
    void meetVoters(deps, { self, voters: VOTERS }, life.signal).then(
      (began) => (voter.began = began),
      (error: unknown) => (voter.failure = error),
    );
    return voter;
  }

  /** Kept: what was on the disk. */
  kill(id: number): MemoryDisk {
    const { life, disk } = this.up.get(id)!;
    this.up.delete(id);
    life.abort(new LogtierError('ABORTED', 'killed'));
    disk.crash(this.draw);
    return disk;
  }

  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < 5_000; turn += 1) {
      if (holds()) return;
      await this.turns();
    }
    throw new Error('it does not come');
  }

  private async introduce(
    from: { readonly id: number; readonly directory: string },
    { id }: Peer,
    proposed: readonly Peer[],
  ): Promise<Introduction> {
    await this.travel(id);
    const to = this.up.get(id)!;
    requireDirectory(from, to.founders.directoryOf(from.id), id);
    const founders = await to.founders.agree(proposed);
    const said = { directory: to.directory, members: to.began ?? [], voters: VOTERS, founders };
    await this.travel(from.id);
    return said;
  }

  private async travel(to: number): Promise<void> {
    await this.turns();
    if (this.draw() < 0.3 || !this.up.has(to)) {
      throw new LogtierError('METASTORE_UNAVAILABLE', 'lost');
    }
  }

  private async turns(): Promise<void> {
    for (let left = this.draw() * 4; left > 0; left -= 1) await new Promise(setImmediate);
  }
}

test('once a voter has begun none takes an emptied directory for that of a founder', async () => {
  let waiting = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const draw = seededDraw(seed);
    const meeting = new Meeting(draw);
    for (const { id } of VOTERS) await meeting.start(id, `first-${id}`);
    const hasBegun = (): boolean =>
      [...meeting.up.values()].some(({ began }) => began?.length === 3);
    await meeting.until(hasBegun);
    const [wiped, gone, rest] = VOTERS.map(({ id }) => ({ id, at: draw() }))
      .toSorted((left, right) => left.at - right.at)
      .map(({ id }) => id);
    const isWaiting = meeting.up.get(rest!)!.began === undefined;
    if (isWaiting) waiting += 1;
    meeting.kill(wiped!);
    meeting.kill(gone!);
    if (draw() < 0.5) await meeting.start(rest!, `first-${rest}`, meeting.kill(rest!));
    const emptied = await meeting.start(wiped!, `second-${wiped}`);
    await meeting.until(() => emptied.failure !== undefined);
    expect(hasCode(emptied.failure, 'WRONG_DIRECTORY'), `seed ${seed}`).toBe(true);
    expect(meeting.up.get(rest!)!.failure, `seed ${seed}`).toBeUndefined();
    for (const { life } of meeting.up.values()) life.abort(new LogtierError('ABORTED', 'over'));
  }
  // Or nothing would have been tried.
  expect(waiting).toBeGreaterThan(SEEDS / 5);
});

test('without a loss of a directory every meeting ends, with one list, whoever is killed meanwhile', async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const draw = seededDraw(seed);
    const meeting = new Meeting(draw);
    for (const { id } of VOTERS) await meeting.start(id, `first-${id}`);
    for (let kills = 3; kills > 0; kills -= 1) {
      const id = 1 + Math.floor(draw() * 3);
      for (let turns = draw() * 20; turns > 0; turns -= 1) await new Promise(setImmediate);
      await meeting.start(id, `first-${id}`, meeting.kill(id));
    }
    await meeting.until(() => [...meeting.up.values()].every(({ began }) => began !== undefined));
    for (const { began, founders } of meeting.up.values()) {
      expect(founders.agreed.map(({ directory }) => directory)).toEqual(
        VOTERS.map(({ id }) => `first-${id}`),
      );
      expect([[], founders.agreed]).toContainEqual(began);
    }
  }
});
