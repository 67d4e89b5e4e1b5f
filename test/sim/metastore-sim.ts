// Whole metastore members, their clients and views on simulated time, network and disks, in one thread: the
// same seed is the same run. docs/simulation.md says what is checked.
import { crc32 } from '../../src/base/checksum.ts';
import { hasCode, type LogtierError } from '../../src/base/errors.ts';
import type { MutateRequest, MutateResponse } from '../../src/gen/logtier/v1/catalog.ts';
import {
  isSnapshot,
  type CommittedItem,
  type LogEntry,
  type ReplicatedLog,
} from '../../src/metastore/log/replicated-log.ts';
import { raftLogSettings } from '../../src/metastore/log/raft-log/settings.ts';
import { restoreSnapshot } from '../../src/metastore/member/restore-snapshot.ts';
import { saveSnapshotFile } from '../../src/metastore/member/save-snapshot.ts';
import type { MemberSettings } from '../../src/metastore/member/settings.ts';
import { CLUSTER } from '../support/metastore-catalog.ts';
import { type Draw, seededDraw } from '../support/memory-disk.ts';
import { Topics } from './world/commands.ts';
import { Faults } from './world/faults.ts';
import { Group } from './world/group.ts';
import { Histories, type History } from './world/history.ts';
import { drawMix, type Mix } from './world/mix.ts';
import { Host, Process } from './world/process.ts';
import { Reference } from './world/reference.ts';
import { checkContents, checkLogs } from './world/replicas.ts';
import { Schedule } from './world/schedule.ts';
import { Sidecar } from './world/sidecar.ts';
import { SimDoor } from './world/sim-door.ts';
import { DIRECTORY, type Life, type SimMember } from './world/sim-member.ts';
import { CALM, SimNetwork } from './world/sim-network.ts';
import { Watcher } from './world/watcher.ts';

const HEALED_WITHIN_MS = 60_000;

export class MetastoreSim {
  readonly schedule = new Schedule();
  readonly draw: Draw;
  readonly mix: Mix;
  readonly network: SimNetwork;
  readonly histories = new Histories();
  readonly topics: Topics;
  readonly sidecars: readonly Sidecar[];
  readonly watcher: Watcher;
  group: Group;
  isCalm = false;
  isRestoring = false;
  /** What happened, for who reads the outcome. */
  readonly counts = { crashes: 0, installs: 0, restores: 0, replaced: 0, refused: 0 };
  /** Of all that was applied where and when: two runs of a seed have the same. */
  fingerprint = 0;
  private readonly faults: Faults;
  private readonly leaders = new Map<string, number>();
  private readonly applied = new Map<Life, bigint>();
  private violation: Error | undefined;

  constructor(seed: number) {
    this.draw = seededDraw(seed);
    this.mix = drawMix(this.draw);
    this.network = new SimNetwork(this.schedule, this.draw);
    this.network.thrown = (nodeId, error) => {
      const member = this.group.members.find(({ place }) => place.id === nodeId);
      // One that lost its directory is told of a commit index that it cannot have.
      if (member !== undefined && !this.faults.isDamaged(member)) {
        this.violate(`member ${nodeId} throws: ${String(error)}`);
      }
    };
    this.topics = new Topics(this.mix.brokers);
    this.histories.begin(new Reference(1), new Reference(1));
    this.group = this.newGroup('sim-group-1AAAAAAAAAAA', { size: this.mix.members, id: 1 });
    const world = {
      network: this.network,
      histories: this.histories,
      topics: this.topics,
      members: () => this.group.members.map(({ place }) => place.id),
      lifeOf: (id: number) => this.group.lifeOf(id),
      answered: (request: MutateRequest, response: MutateResponse) => {
        this.answered(request, response);
      },
      violate: (what: string) => {
        this.violate(what);
      },
    };
    const ids = Array.from({ length: this.mix.brokers }, (_, at) => at + 1);
    this.sidecars = ids.map((id) => {
      const sidecar = new Sidecar(id, new Host(this.schedule, this.draw), world);
      sidecar.everyMs = this.mix.clientMs;
      return sidecar;
    });
    this.watcher = new Watcher(this.histories, CLUSTER, world.violate);
    const process = new Process(new Host(this.schedule, this.draw));
    const door = new SimDoor({ ...world, name: 'watcher', process });
    void this.watcher.follow(door, process);
    this.faults = new Faults(this);
  }

  /** Throws what was violated. */
  async run(faultyMs: number): Promise<void> {
    this.group.start();
    for (const sidecar of this.sidecars) sidecar.start();
    this.faults.start();
    await this.until(() => this.schedule.nowMs > faultyMs && !this.isRestoring);
    await this.heal();
    await this.settle();
  }

  /** One line; the same for the same seed. */
  summary(): string {
    const { mix, schedule, counts, histories, watcher, sidecars } = this;
    const sum = (of: (each: Sidecar) => number): number =>
      sidecars.reduce((total, each) => total + of(each), 0);
    const { crashes, installs, restores, replaced, refused } = counts;
    return [
      `${mix.members} members, ${schedule.steps} steps, ${Math.round(schedule.nowMs)} ms`,
      `${histories.current.newest} entries, ${sum((each) => each.answers)} answered`,
      `${sum((each) => each.refusals)} refused, ${sum((each) => each.unknown)} unknown`,
      `${sum((each) => each.reads)} reads, ${watcher.told} told`,
      `${crashes} crashes, ${installs} installs, ${replaced} replaced, ${refused} damaged`,
      `${restores} restores, fingerprint ${this.fingerprint.toString(16)}`,
    ].join(', ');
  }

  violate(what: string): void {
    this.violation ??= new Error(`at ${this.schedule.nowMs.toFixed(1)} ms: ${what}`);
  }

  /** The member's machine or process dies, and comes back. */
  crash(member: SimMember, losesPower: boolean): void {
    this.counts.crashes += 1;
    if (member.life !== undefined) this.applied.delete(member.life);
    member.die(losesPower);
    this.restartSoon(member);
  }

  restartSoon(member: SimMember): void {
    const { group } = this;
    this.schedule.after(this.draw() * (this.isCalm ? 200 : 1200), () => {
      const isThere = !group.isOver && group.members.includes(member);
      if (isThere && member.process === undefined) member.start();
    });
  }

  /** A backup becomes a new group; the old one ends. Clients are not told. */
  async restore(): Promise<void> {
    const member = this.group.members.find(({ life }) => life !== undefined);
    const { life, process } = member ?? {};
    if (life === undefined || process === undefined || this.isRestoring || this.isCalm) return;
    if (life.member.state.appliedIndex === 0n || !life.process.isAlive) return;
    this.isRestoring = true;
    const old = this.group;
    const next = this.newGroup(`sim-group-${this.histories.incarnation + 1}`, {
      size: 1,
      id: 1000 * this.histories.incarnation,
    });
    const home = next.members[0]!;
    const builder = new Process(home.host);
    home.disk.schedule = () => builder.diskWait();
    try {
      const { signal } = new AbortController();
      const deps = { disk: home.disk, member: life.member };
      const saved = await Promise.race([
        saveSnapshotFile(deps, '/data', 'backup', signal),
        builder.wait(3000),
      ]);
      if (saved === undefined || this.isCalm) return;
      const openEngine = home.engines.openerOn(builder, home.disk);
      const { incarnation } = life.member.state;
      old.end();
      const restored = await restoreSnapshot(
        { disk: home.disk, random: builder.random, openEngine },
        { file: '/data/backup', directory: DIRECTORY },
        signal,
      );
      builder.kill();
      next.rename(restored.metastoreId);
      this.goOnWith(next, { incarnation, index: saved.index });
    } catch (error) {
      if (!hasCode(error, 'METASTORE_UNAVAILABLE')) this.violate(`restoring: ${String(error)}`);
    } finally {
      this.isRestoring = false;
    }
  }

  private goOnWith(
    group: Group,
    from: { readonly incarnation: number; readonly index: bigint },
  ): void {
    const before = this.histories.asOf(from.incarnation, from.index);
    this.histories.begin(before.restored(), before.restored());
    this.histories.begunMs = this.schedule.nowMs;
    this.counts.restores += 1;
    group.size = this.mix.members;
    this.group = group;
    group.start();
  }

  private newGroup(id: string, first: { readonly size: number; readonly id: number }): Group {
    const { schedule, draw, network, mix } = this;
    return new Group(
      id,
      {
        schedule,
        draw,
        network,
        settings: settingsOf(mix),
        slowEngine: mix.slowEngine,
        hooks: {
          observed: (log, member) => this.observed(log, member),
          ended: (member, error) => {
            this.ended(member, error);
          },
        },
      },
      first,
    );
  }

  /** Which ends are part of the run, and which must not be. */
  private ended(member: SimMember, error: LogtierError): void {
    const { code, message } = error;
    const { group } = this;
    if (!group.members.includes(member)) return;
    if (hasCode(error, 'DISK_FAILED', 'DISK_FULL', 'ABORTED')) {
      this.crash(member, this.draw() < 0.5);
      return;
    }
    if (this.faults.maySee(member, code)) {
      this.counts.refused += 1;
      group.lose(member);
      return;
    }
    if (code === 'MEMBER_REMOVED') {
      member.die(true);
      return;
    }
    this.violate(`member ${member.place.id} ends: ${code} ${message}`);
  }

  private observed(log: ReplicatedLog, member: SimMember): ReplicatedLog {
    const observe = (items: AsyncIterable<CommittedItem>, after: bigint) =>
      this.observedItems(items, after, member);
    return {
      propose: (command, signal) => log.propose(command, signal),
      serveSnapshotsOf: (provider) => {
        log.serveSnapshotsOf(provider);
      },
      committed: (after) => observe(log.committed(after), after),
      readBarrier: (signal) => log.readBarrier(signal),
      compact: (snapshot) => log.compact(snapshot),
      status: () => log.status(),
      stop: () => log.stop(),
    };
  }

  private async *observedItems(
    items: AsyncIterable<CommittedItem>,
    after: bigint,
    member: SimMember,
  ): AsyncGenerator<CommittedItem> {
    let last = after;
    const history = this.histories.current;
    for await (const item of items) {
      if (isSnapshot(item)) {
        if (item.index <= last) this.violate(`a snapshot at ${item.index} comes after ${last}`);
        last = item.index;
        this.counts.installs += 1;
      } else {
        for (const entry of item) this.observedEntry(entry, last++, { member, history });
      }
      yield item;
    }
  }

  private observedEntry(
    entry: LogEntry,
    last: bigint,
    by: { readonly member: SimMember; readonly history: History },
  ): void {
    if (entry.index !== last + 1n) {
      this.violate(`member ${by.member.place.id} gets ${entry.index} after ${last}`);
    }
    this.try(() => {
      by.history.committed(entry, this.schedule.nowMs);
    });
  }

  private answered({ commands }: MutateRequest, { results }: MutateResponse): void {
    this.try(() => {
      if (results.length !== commands.length) throw new Error('an answer is missing');
      results.forEach((result, at) => {
        this.histories.of(result.revision).acknowledged(commands[at]!, result);
      });
    });
  }

  private try(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.violate(error instanceof Error ? error.message : String(error));
    }
  }

  private async until(isDone: () => boolean): Promise<void> {
    await this.schedule.until(isDone, () => {
      this.check();
      if (this.violation !== undefined) throw this.violation;
    });
  }

  /** After every step. */
  private check(): void {
    for (const member of this.group.members) {
      const { life, place } = member;
      if (life === undefined || !life.process.isAlive) continue;
      // Before, the group hangs on the one voter that began first.
      member.hasBegun ||= (life.log()?.membership.confState.voters.length ?? 0) > 0;
      this.checkLeader(life, place.id);
      const { appliedIndex, hash, incarnation } = life.member.state;
      // A member that joins has nothing, of any incarnation, before its snapshot comes.
      if (appliedIndex === 0n || this.applied.get(life) === appliedIndex) continue;
      this.applied.set(life, appliedIndex);
      this.fingerprint = crc32(
        Buffer.from(`${place.id} ${appliedIndex} ${hash}`),
        this.fingerprint,
      );
      this.try(() => {
        if (incarnation !== this.histories.incarnation) {
          const what = `member ${place.id} is at ${appliedIndex} of incarnation ${incarnation}`;
          throw new Error(`${what}, the group in ${this.histories.incarnation}`);
        }
        this.histories.current.state(appliedIndex, hash);
      });
    }
    if (this.schedule.steps % 500 === 0) this.try(() => checkLogs(this.group));
  }

  /** Election safety. */
  private checkLeader(life: Life, id: number): void {
    const log = life.log();
    if (log?.group.leaderId !== id) return;
    const status = log.status();
    if (status.role !== 'leader') return;
    const term = `${this.group.id} ${status.term}`;
    const known = this.leaders.get(term);
    if (known === undefined) this.leaders.set(term, id);
    else if (known !== id) this.violate(`members ${known} and ${id} lead in term ${status.term}`);
  }

  /** All faults end; then everybody must get on within a bound. */
  private async heal(): Promise<void> {
    this.isCalm = true;
    this.network.weather = { ...CALM };
    this.network.blocked = new Set();
    for (const sidecar of this.sidecars) {
      sidecar.host.pausedUntilMs = 0;
      sidecar.host.skewMs = 0;
      if (sidecar.life === undefined) sidecar.start();
    }
    this.faults.calm();
    let sung = 0;
    const deadline = this.schedule.nowMs + HEALED_WITHIN_MS;
    const sing = async (sidecar: Sidecar): Promise<void> => {
      await sidecar.sing();
      sung += 1;
    };
    for (const sidecar of this.sidecars) void sing(sidecar);
    const isHealed = (): boolean => this.group.isWhole && sung === this.sidecars.length;
    await this.until(() => isHealed() || this.schedule.nowMs > deadline);
    if (isHealed()) return;
    if (!this.group.isWhole) throw new Error('the group is not whole a minute after all faults');
    const why = this.sidecars.map(({ name, lastSong }) => `${name}: ${String(lastSong)}`).join();
    throw new Error(`a client gets no answer a minute after all faults: ${why}`);
  }

  /** Clients end; members and the watcher come to the same point; all is compared. */
  private async settle(): Promise<void> {
    for (const sidecar of this.sidecars) sidecar.die(false);
    this.counts.replaced = this.group.replacements;
    const deadline = this.schedule.nowMs + HEALED_WITHIN_MS;
    const isEven = (): boolean => {
      const { newest, reference } = this.histories.current;
      const lives = this.group.members.map(({ life }) => life);
      const told = reference.events.at(-1)?.index ?? 0n;
      const { at } = this.watcher;
      const isFed = at?.incarnation === reference.incarnation && at.index >= told;
      return isFed && lives.every((life) => life?.member.state.appliedIndex === newest);
    };
    await this.until(() => isEven() || this.schedule.nowMs > deadline);
    if (!isEven()) throw new Error('members or the watcher do not catch up after all faults');
    this.histories.checkUnsent();
    checkLogs(this.group);
    for (const { host } of this.group.members) host.engineSlowShare = 0;
    let isCompared = false;
    const compare = async (): Promise<void> => {
      try {
        await checkContents(this.group, this.histories, this.topics);
        isCompared = true;
      } catch (error) {
        // A barrier that was asked for in a pause: once more.
        if (hasCode(error, 'NOT_LEADER')) this.schedule.after(100, () => void compare());
        else this.violate(error instanceof Error ? error.message : String(error));
      }
    };
    void compare();
    await this.until(() => isCompared);
    this.group.end();
  }
}

function settingsOf(mix: Mix): MemberSettings {
  const log = raftLogSettings.parse({
    wal: { fileBytes: '32KiB', batchBytes: '4KiB' },
    tailBytes: '4KiB',
    readBytes: '2KiB',
    maxMessageBytes: '8KiB',
    tickMs: '30ms',
  });
  return {
    flushMs: mix.flushMs,
    flushBytes: mix.flushBytes,
    tickMs: 1_500,
    keptRevisions: mix.keptRevisions,
    proposalsInFlight: 1_024,
    epochIndexBytes: 100_000,
    log: {
      ...log,
      wal: { ...log.wal, fileBytes: mix.fileBytes },
      keptBytes: mix.keptBytes,
      maxCommandBytes: 3_000,
    },
  };
}
