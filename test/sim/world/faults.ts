// Faults, only where recovery stays possible: rot and lost disks hit one member of a whole group at a time.
import type { MetastoreSim } from '../metastore-sim.ts';
import { pickFault, type FaultName } from './mix.ts';
import { DIRECTORY, type SimMember } from './sim-member.ts';
import { CALM } from './sim-network.ts';

/** What a member may say whose files rotted or vanished. */
const DAMAGE: ReadonlySet<string> = new Set([
  'CORRUPT_STATE',
  'WRONG_CLUSTER',
  'WRONG_DIRECTORY',
  'MEMBER_REMOVED',
]);

export class Faults {
  private readonly sim: MetastoreSim;
  /** Members that may refuse to go on. */
  private readonly damaged = new Set<SimMember>();

  constructor(sim: MetastoreSim) {
    this.sim = sim;
  }

  start(): void {
    const { schedule, draw, mix } = this.sim;
    const next = (): void => {
      if (this.sim.isCalm) return;
      const name = pickFault(mix, draw);
      if (name !== undefined && !this.sim.isRestoring) this.strike(name);
      schedule.after(draw() * 2 * mix.everyMs, next);
    };
    schedule.after(300, next);
  }

  maySee(member: SimMember, code: string): boolean {
    return DAMAGE.has(code) && this.damaged.has(member);
  }

  isDamaged(member: SimMember): boolean {
    return this.damaged.has(member);
  }

  calm(): void {
    for (const member of this.sim.group.members) {
      member.disk.fault = () => undefined;
      member.disk.capacityBytes = Infinity;
      member.host.diskMs = 1;
      member.host.pausedUntilMs = 0;
      member.host.awaitsLeft = undefined;
      member.host.skewMs = 0;
    }
  }

  private strike(name: FaultName): void {
    const { draw, group } = this.sim;
    const member = group.members[Math.floor(draw() * group.members.length)];
    if (member === undefined) return;
    const strikes: Readonly<Record<FaultName, () => void>> = {
      crash: () => {
        this.sim.crash(member, true);
      },
      kill: () => {
        this.sim.crash(member, false);
      },
      crashAtAwait: () => {
        member.host.awaitsLeft = 1 + Math.floor(draw() * 120);
      },
      stop: () => {
        void this.stopAndStart(member, () => undefined);
      },
      pause: () => {
        member.host.pausedUntilMs = this.sim.schedule.nowMs + draw() * 1500;
      },
      cutOneWay: () => {
        this.cut((left, right) => draw() < 0.25 && left !== right);
      },
      cutAll: () => {
        this.cutInTwo();
      },
      heal: () => {
        this.sim.network.blocked = new Set();
      },
      weather: () => {
        this.changeWeather();
      },
      slowDisk: () => {
        member.host.diskMs = draw() < 0.5 ? 1 : draw() * 30;
      },
      fullDisk: () => {
        this.fillDisk(member);
      },
      syncError: () => {
        failOnce(member, 'sync');
      },
      bitFlip: () => {
        this.rot(member);
      },
      wipe: () => {
        if (this.isSound) group.lose(member);
      },
      rejoinWiped: () => {
        this.rejoinWiped(member);
      },
      clientDies: () => {
        this.clientDies();
      },
      clientPause: () => {
        this.someSidecar().host.pausedUntilMs = this.sim.schedule.nowMs + draw() * 6000;
      },
      clockJump: () => {
        member.host.skewMs = draw() < 0.3 ? draw() * 8e6 : (draw() - 0.5) * 60_000;
      },
      leaderMoves: () => {
        this.leaderMoves();
      },
      transfer: () => {
        group.transfer();
      },
      replace: () => {
        if (group.size > 1) group.replaceSoon(member);
      },
      restore: () => {
        void this.sim.restore();
      },
    };
    strikes[name]();
  }

  private someSidecar(): MetastoreSim['sidecars'][number] {
    const { draw, sidecars } = this.sim;
    return sidecars[Math.floor(draw() * sidecars.length)]!;
  }

  private clientDies(): void {
    const { draw, schedule } = this.sim;
    const sidecar = this.someSidecar();
    sidecar.die(draw() < 0.5);
    schedule.after(draw() * 1500, () => {
      if (sidecar.life === undefined) sidecar.start();
    });
  }

  private leaderMoves(): void {
    const { draw, topics } = this.sim;
    const { id } = topics.partitions[Math.floor(draw() * topics.partitions.length)]!;
    topics.moveLeader(id, 1 + Math.floor(draw() * topics.brokers));
  }

  private changeWeather(): void {
    const { draw, network, mix } = this.sim;
    const { lossShare, doubleShare, slowShare, breakShare } = mix;
    const bad = { lossShare, doubleShare, slowShare, breakShare, latencyMs: 1 + draw() * 20 };
    network.weather = draw() < 0.7 ? bad : { ...CALM };
  }

  private names(): string[] {
    const { group, sidecars } = this.sim;
    const members = group.members.map(({ place }) => String(place.id));
    return [...members, ...sidecars.map(({ name }) => name), 'watcher'];
  }

  private cut(isCut: (from: string, to: string) => boolean): void {
    const names = this.names();
    const pairs = names.flatMap((from) => names.map((to): [string, string] => [from, to]));
    const blocked = pairs.filter(([from, to]) => isCut(from, to));
    const cut = new Set(blocked.map(([from, to]) => `${from}>${to}`));
    const { network, schedule, draw } = this.sim;
    network.blocked = cut;
    schedule.after(200 + draw() * 3500, () => {
      if (network.blocked === cut) network.blocked = new Set();
    });
  }

  private cutInTwo(): void {
    const side = new Map(this.names().map((name) => [name, this.sim.draw() < 0.5]));
    this.cut((from, to) => side.get(from) !== side.get(to));
  }

  /** Full for a while; the process ends, and comes back into space. */
  private fillDisk(member: SimMember): void {
    const { draw, schedule } = this.sim;
    const used = member.disk.contents().reduce((sum, [, bytes]) => sum + bytes.length, 0);
    member.disk.capacityBytes = used + draw() * 20_000;
    schedule.after(300 + draw() * 1500, () => {
      member.disk.capacityBytes = Infinity;
    });
  }

  private async stopAndStart(member: SimMember, meanwhile: () => void): Promise<void> {
    const isStopped = await member.stop();
    if (!isStopped) return;
    meanwhile();
    this.sim.restartSoon(member);
  }

  /** One that may refuse to go on is as good as lost. */
  private get isSound(): boolean {
    const { group } = this.sim;
    const isHurt = group.members.some((member) => this.damaged.has(member));
    return group.isWhole && group.size > 1 && !isHurt;
  }

  /** Of what a stopped member has on disk: all of it is proven, so that damage is told from a torn tail. */
  private rot(member: SimMember): void {
    const { draw } = this.sim;
    if (!this.isSound) return;
    void this.stopAndStart(member, () => {
      if (!this.isSound) return;
      const files = member.disk
        .contents()
        .filter(([path, bytes]) => path.startsWith(DIRECTORY) && bytes.length > 0)
        .filter(([path]) => !path.endsWith('MARKER'));
      const [path, bytes] = files[Math.floor(draw() * files.length)]!;
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
      this.damaged.add(member);
      member.disk.flipBit(path, Math.floor(draw() * end), Math.floor(draw() * 8));
    });
  }

  /** A directory is begun anew under the old number: all must refuse it. */
  private rejoinWiped(member: SimMember): void {
    const { group } = this.sim;
    // A voter that began a group alone begins another one: docs/simulation.md, what is not covered.
    if (!this.isSound || member.place.voters.length === 1) return;
    this.damaged.add(member);
    group.wipe(member);
    this.sim.restartSoon(member);
    // Those that it began with may all have left: then nobody is there to refuse it, and it waits for ever.
    this.sim.schedule.after(5000, () => {
      if (this.sim.group.members.includes(member)) this.sim.group.lose(member);
    });
  }
}

function failOnce({ disk }: SimMember, what: 'sync' | 'write'): void {
  disk.fault = (operation) => {
    if (operation !== what) return undefined;
    disk.fault = () => undefined;
    return 'EIO';
  };
}
