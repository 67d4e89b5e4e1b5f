// The members of the one group, who of them may be lost, and the operator that puts others in their place.
import { LogtierError } from '../../../src/base/errors.ts';
import type { GroupControl } from '../../../src/metastore/log/raft-log/group-control.ts';
import type { GroupChange } from '../../../src/metastore/log/raft-log/membership-change.ts';
import type { Peer } from '../../../src/metastore/log/raft-log/membership.ts';
import type { MemberSettings } from '../../../src/metastore/member/settings.ts';
import type { Draw } from '../../support/memory-disk.ts';
import { Host, Process } from './process.ts';
import type { Schedule } from './schedule.ts';
import { addressOf, type Life, type MemberHooks, SimMember } from './sim-member.ts';
import type { SimNetwork } from './sim-network.ts';

export interface GroupWorld {
  readonly schedule: Schedule;
  readonly draw: Draw;
  readonly network: SimNetwork;
  readonly settings: MemberSettings;
  readonly slowEngine: number;
  readonly hooks: MemberHooks;
}

export class Group {
  id: string;
  members: SimMember[] = [];
  /** How many should vote. */
  size: number;
  replacements = 0;
  isOver = false;
  /** Ids whose disks are gone: the operator removes them. */
  readonly lost = new Set<number>();
  private readonly world: GroupWorld;
  private readonly operator: Process;
  private isBusy = false;
  private nextId: number;

  constructor(
    id: string,
    world: GroupWorld,
    first: { readonly size: number; readonly id: number },
  ) {
    this.id = id;
    this.world = world;
    this.size = first.size;
    this.operator = new Process(new Host(world.schedule, world.draw));
    const ids = Array.from({ length: first.size }, (_, at) => first.id + at);
    this.nextId = first.id + first.size;
    const voters = ids.map((each): Peer => ({ id: each, address: addressOf(each) }));
    for (const each of ids) this.add(each, voters);
  }

  /** Nobody is lost or on the way in or out: the group bears the loss of one. */
  get isWhole(): boolean {
    const isFull = this.lost.size === 0 && this.members.length === this.size;
    // A voter that has not met the others yet looks for those that it knows: none of them may leave.
    return !this.isBusy && isFull && this.members.every(({ hasBegun }) => hasBegun);
  }

  lifeOf(id: number): Life | undefined {
    return this.members.find(({ place }) => place.id === id)?.life;
  }

  leader(): Life | undefined {
    return this.members.find(({ life }) => life?.log()?.status().role === 'leader')?.life;
  }

  start(): void {
    for (const member of this.members) member.start();
    this.mend();
  }

  /** Its disk is gone for good. */
  lose(member: SimMember): void {
    member.die(false);
    this.members = this.members.filter((each) => each !== member);
    this.lost.add(member.place.id);
  }

  /** Puts a new member in the place of another one, which works on until then. */
  replaceSoon(member: SimMember): void {
    if (this.isWhole) void this.work(() => this.replace(member.place.id));
  }

  /** Its disk is empty, and it comes back under its old number. */
  wipe(member: SimMember): void {
    member.die(false);
    member.newDisk();
  }

  /** As which metastore its first member was restored. */
  rename(id: string): void {
    this.id = id;
    for (const member of this.members) member.place = { ...member.place, groupId: id };
  }

  transfer(): void {
    const group = this.leader()?.group();
    const { signal } = new AbortController();
    void group?.transferLeadership(undefined, signal).catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.isOver = true;
    this.operator.kill();
    await Promise.all(this.members.map((member) => member.stop()));
  }

  /** At once, all of it, for good. */
  end(): void {
    this.isOver = true;
    this.operator.kill();
    for (const member of this.members) member.die(true);
  }

  private add(id: number, voters: readonly Peer[]): SimMember {
    const host = new Host(this.world.schedule, this.world.draw);
    host.engineSlowShare = this.world.slowEngine;
    const member = new SimMember({ id, groupId: this.id, voters }, host, this.world);
    host.onFatalAwait = () => {
      this.world.hooks.ended(member, new LogtierError('ABORTED', 'killed at an await'));
    };
    this.members.push(member);
    return member;
  }

  /** Looks after what is lost or missing. */
  private mend(): void {
    this.operator.after(300, () => {
      const [gone] = this.lost;
      if (!this.isBusy && gone !== undefined) void this.work(() => this.replace(gone));
      else if (!this.isBusy && this.members.length < this.size) void this.work(() => this.grow());
      this.mend();
    });
  }

  private async work(act: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    await act();
    this.isBusy = false;
  }

  private async replace(old: number): Promise<void> {
    if (this.size > 1) await this.grow();
    await this.change({ kind: 'remove', id: old });
    this.lost.delete(old);
    const left = this.members.find(({ place }) => place.id === old);
    left?.die(true);
    this.members = this.members.filter((member) => member !== left);
    this.replacements += 1;
  }

  private async grow(): Promise<void> {
    const id = this.nextId;
    this.nextId += 1;
    const joining = this.add(id, []);
    joining.start();
    const peer = { id, address: addressOf(id) };
    const { signal } = new AbortController();
    const directory = await this.persistently((group) => group.introduce(peer, signal));
    await this.change({ kind: 'addLearner', ...peer, directory });
    await this.change({ kind: 'promote', id });
  }

  private async change(change: GroupChange): Promise<void> {
    const { signal } = new AbortController();
    await this.persistently((group) => group.changeGroup(change, signal));
  }

  private async persistently<T>(act: (group: GroupControl) => Promise<T>): Promise<T> {
    for (;;) {
      const life = this.leader();
      const group = life?.group();
      if (life !== undefined && group !== undefined) {
        const done = await this.orGone(life, act(group));
        if (done.is) return done.value;
      }
      await this.operator.wait(100);
    }
  }

  /** A member that dies never answers its operator. */
  private orGone<T>(
    life: Life,
    asked: Promise<T>,
  ): Promise<{ readonly is: true; readonly value: T } | { readonly is: false }> {
    const gone = new Promise<{ readonly is: false }>((resolve) => {
      life.process.atEnd(() => {
        resolve({ is: false });
      });
    });
    const answered = asked.then(
      (value) => ({ is: true, value }) as const,
      () => ({ is: false }) as const,
    );
    return Promise.race([answered, gone]);
  }
}
