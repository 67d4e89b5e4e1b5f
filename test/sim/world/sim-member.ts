// One metastore member on a simulated host: boots as src/metastore/member/open-metastore.ts and
// log/raft-log/raft-home.ts do, dies at any await, and comes back over what its disk kept.
import { LogtierError } from '../../../src/base/errors.ts';
import { directoryIdOf } from '../../../src/metastore/log/raft-log/directory-id.ts';
import { Founders } from '../../../src/metastore/log/raft-log/founders.ts';
import { FoundingLog } from '../../../src/metastore/log/raft-log/founding-log.ts';
import type { GroupControl } from '../../../src/metastore/log/raft-log/group-control.ts';
import { type MeetingDeps, meetVoters } from '../../../src/metastore/log/raft-log/meet-voters.ts';
import type { Peer } from '../../../src/metastore/log/raft-log/membership.ts';
import {
  hasBegun,
  openMemberWal,
  startRaftLog,
} from '../../../src/metastore/log/raft-log/open-raft-log.ts';
import type { RaftLog } from '../../../src/metastore/log/raft-log/raft-log.ts';
import type { ReplicatedLog } from '../../../src/metastore/log/replicated-log.ts';
import { type CatalogMember, openMember } from '../../../src/metastore/member/catalog-member.ts';
import { openEngineHome } from '../../../src/metastore/member/engine-home.ts';
import { metastoreIdOf } from '../../../src/metastore/member/identity.ts';
import type { MemberSettings } from '../../../src/metastore/member/settings.ts';
import { readState } from '../../../src/metastore/catalog/state.ts';
import {
  type CatalogService,
  catalogService,
} from '../../../src/metastore/service/catalog-service.ts';
import type { Wal } from '../../../src/metastore/wal/wal.ts';
import { silentLogger } from '../../../src/platform/log.ts';
import { MemoryDisk } from '../../support/memory-disk.ts';
import { type Host, Process } from './process.ts';
import { SimEngines } from './sim-engine.ts';
import type { SimNetwork } from './sim-network.ts';

export const DIRECTORY = '/data/member';

/** One life of a member. */
export interface Life {
  readonly process: Process;
  readonly log: () => RaftLog | undefined;
  readonly group: () => GroupControl | undefined;
  readonly wal: Wal;
  readonly member: CatalogMember;
  readonly service: CatalogService;
}

export interface MemberPlace {
  readonly id: number;
  readonly groupId: string;
  /** Whom a new group begins with; nobody for a member that joins. */
  readonly voters: readonly Peer[];
}

export interface MemberHooks {
  /** What the log hands to the catalog is looked at first. */
  observed(log: ReplicatedLog, member: SimMember): ReplicatedLog;
  /** The process ended by itself. */
  ended(member: SimMember, error: LogtierError): void;
}

export class SimMember {
  place: MemberPlace;
  readonly host: Host;
  disk: MemoryDisk = new MemoryDisk();
  engines: SimEngines = new SimEngines();
  process: Process | undefined;
  life: Life | undefined;
  /** Its log has told it of its group once. */
  hasBegun = false;
  private readonly network: SimNetwork;
  private readonly settings: MemberSettings;
  private readonly hooks: MemberHooks;

  constructor(
    place: MemberPlace,
    host: Host,
    world: {
      readonly network: SimNetwork;
      readonly settings: MemberSettings;
      readonly hooks: MemberHooks;
    },
  ) {
    this.place = place;
    this.host = host;
    this.network = world.network;
    this.settings = world.settings;
    this.hooks = world.hooks;
    this.newDisk();
  }

  newDisk(): void {
    this.disk = new MemoryDisk();
    this.engines = new SimEngines();
    this.disk.place('/data/lost+found', Buffer.alloc(0));
  }

  start(): void {
    const process = new Process(this.host);
    this.process = process;
    this.disk.schedule = () => process.diskWait();
    void this.live(process);
  }

  private async live(process: Process): Promise<void> {
    try {
      const life = await this.boot(process);
      if (!process.isAlive) return;
      this.life = life;
      this.end(process, await life.member.failed);
    } catch (error) {
      this.end(process, error);
    }
  }

  /** Power loss takes what was not synced; kill -9 keeps it. */
  die(losesPower: boolean): void {
    this.process?.kill();
    this.process = undefined;
    this.life = undefined;
    this.host.awaitsLeft = undefined;
    this.disk.fault = () => undefined;
    if (losesPower) {
      this.disk.crash(this.host.draw);
      this.engines.losePower(this.host.draw);
    } else this.disk.killProcess();
  }

  /** As SIGTERM does; false when it was killed meanwhile. */
  async stop(): Promise<boolean> {
    const { life } = this;
    if (life === undefined) return false;
    const stop = async (): Promise<boolean> => {
      await life.member.stop();
      await life.member.engine.close();
      return life.process.isAlive;
    };
    const isStopped = await Promise.race([
      stop(),
      new Promise<false>((resolve) => {
        life.process.atEnd(() => {
          resolve(false);
        });
      }),
    ]);
    if (!isStopped || this.life !== life) return false;
    life.process.kill();
    this.process = undefined;
    this.life = undefined;
    return true;
  }

  private end(process: Process, error: unknown): void {
    if (this.process !== process || !process.isAlive) return;
    const known =
      error instanceof LogtierError
        ? error
        : new LogtierError('CORRUPT_STATE', `not an error of ours: ${String(error)}`, {
            cause: error,
          });
    this.hooks.ended(this, known);
  }

  private async boot(process: Process): Promise<Life> {
    const { clock, random } = process;
    const disk = this.disk.forProcess();
    const deps = { disk, clock, random, logger: silentLogger };
    await disk.makeDirectory(DIRECTORY);
    const metastoreId = await metastoreIdOf(deps, DIRECTORY, this.place.groupId);
    const openEngine = this.engines.openerOn(process, disk);
    const home = await openEngineHome({ ...deps, openEngine }, DIRECTORY);
    const { appliedIndex: index, appliedTerm: term } = await readState(home.engine, metastoreId);
    const opened = await this.openLog(process, metastoreId, { index, term });
    const log = this.hooks.observed(opened.log, this);
    const member = await openMember({ ...deps, home, log }, this.settings, metastoreId);
    const raftLog = (): RaftLog | undefined =>
      opened.log instanceof FoundingLog ? opened.begun() : opened.log;
    return {
      process,
      log: raftLog,
      group: () => opened.log.group,
      wal: opened.wal,
      member,
      service: catalogService(member),
    };
  }

  private async openLog(
    process: Process,
    clusterId: string,
    applied: { readonly index: bigint; readonly term: bigint },
  ): Promise<{
    readonly log: RaftLog | FoundingLog;
    readonly wal: Wal;
    readonly begun: () => RaftLog | undefined;
  }> {
    const { id, voters } = this.place;
    const { clock, random } = process;
    const disk = this.disk.forProcess();
    const own = { directory: `${DIRECTORY}/log`, clusterId, nodeId: BigInt(id), applied };
    const directoryId = await directoryIdOf({ disk, random }, own.directory);
    const self = { id, address: addressOf(id), directory: directoryId };
    const founders = await Founders.open(disk, own.directory, { self, voters });
    const transport = this.network.transportOf({
      process,
      disk,
      groupId: clusterId,
      nodeId: id,
      directory: DIRECTORY,
      directoryId,
      voters,
      founders,
    });
    const nextTurn = (run: () => void): void => {
      process.after(0, run);
    };
    const deps = { disk, clock, random, logger: silentLogger, nextTurn, transport };
    const wal = await openMemberWal(deps, this.settings.log, own);
    const start = (first: readonly Peer[]): Promise<RaftLog> =>
      startRaftLog(deps, this.settings.log, { ...own, self, voters: first }, wal);
    if (voters.length <= 1 || hasBegun(wal)) {
      const log = await start(voters.map((voter) => (voter.id === id ? self : voter)));
      return { log, wal, begun: () => log };
    }
    let begun: RaftLog | undefined;
    const introduce: MeetingDeps['introduce'] = (peer, proposed, signal) =>
      transport.introduce(peer, proposed, signal);
    const log = new FoundingLog(silentLogger, id, async (signal) => {
      const meetingDeps = { ...deps, founders, introduce };
      begun = await start(await meetVoters(meetingDeps, { self, voters }, signal));
      return begun;
    });
    return { log, wal, begun: () => begun };
  }
}

export function addressOf(id: number): string {
  return `member-${id}:7411`;
}
