// Members of one Raft group in one process, on memory disks and a memory network, ticked by the test.
import type { LogIndex } from '../../src/metastore/log/replicated-log.ts';
import { openRaftLog } from '../../src/metastore/log/raft-log/open-raft-log.ts';
import type { RaftLog } from '../../src/metastore/log/raft-log/raft-log.ts';
import {
  type RaftLogSettings,
  raftLogSettings,
} from '../../src/metastore/log/raft-log/settings.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { nextTurn } from '../../src/platform/turn.ts';
import { type Draw, MemoryDisk, seededDraw } from './memory-disk.ts';
import { RaftNetwork } from './raft-network.ts';
import { tickedClock } from './wal-world.ts';

/** Small files and caches, so that a few entries rotate and miss. */
export const smallRaftSettings: RaftLogSettings = {
  ...raftLogSettings.parse({
    wal: { fileBytes: '4KiB', batchBytes: '2KiB' },
    tailBytes: '1KiB',
    readBytes: '1KiB',
    keptBytes: '0B',
    maxMessageBytes: '4KiB',
  }),
  maxCommandBytes: 3000,
};

const DIRECTORY = '/data/wal';

export interface GroupMember {
  readonly id: number;
  readonly disk: MemoryDisk;
  /** Undefined while it is down. */
  log: RaftLog | undefined;
  /** Where its state machine says it is when it opens. */
  applied: { readonly index: LogIndex; readonly term: bigint };
}

/** A clock that stands still between ticks. */
export function steppingClock(): Clock & { step(ms: number): void } {
  const ticked = tickedClock();
  let nowMs = 0;
  return {
    ...ticked,
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    step: (ms) => {
      nowMs += ms;
      ticked.tick();
    },
  };
}

export class RaftGroup {
  readonly network = new RaftNetwork((run) => {
    setImmediate(run);
  });
  readonly settings: RaftLogSettings;
  readonly members: readonly GroupMember[];
  readonly clock = steppingClock();
  private readonly draw: Draw = seededDraw(7);
  private readonly voters: readonly { readonly id: number; readonly address: string }[];

  /** `voters` of the members are there from the beginning. */
  constructor(size: number, settings: Partial<RaftLogSettings> = {}, voters = size) {
    this.settings = { ...smallRaftSettings, ...settings };
    const ids = Array.from({ length: size }, (_, at) => at + 1);
    this.voters = ids.slice(0, voters).map((id) => ({ id, address: addressOf(id) }));
    this.members = ids.map((id) => {
      const disk = new MemoryDisk();
      disk.place('/data/lost+found', Buffer.alloc(0));
      return { id, disk, log: undefined, applied: { index: 0n, term: 0n } };
    });
  }

  isVoter(id: number): boolean {
    return this.voters.some((voter) => voter.id === id);
  }

  member(id: number): GroupMember {
    return this.members.find((each) => each.id === id)!;
  }

  logOf(id: number): RaftLog {
    return this.member(id).log!;
  }

  async open(id: number): Promise<RaftLog> {
    const member = this.member(id);
    const log = await openRaftLog(
      {
        disk: member.disk.forProcess(),
        clock: this.clock,
        logger: silentLogger,
        random: { bytes: (count) => new Uint8Array(count).fill(id), share: this.draw },
        nextTurn,
        transport: this.network.transportOf(id),
      },
      this.settings,
      {
        directory: DIRECTORY,
        clusterId: 'group',
        nodeId: BigInt(id),
        voters: this.isVoter(id) ? this.voters : [],
        applied: member.applied,
      },
    );
    member.log = log;
    return log;
  }

  async openAll(): Promise<void> {
    for (const { id, log } of this.members) if (log === undefined) await this.open(id);
  }

  /** As power loss of its machine does. */
  async crash(id: number): Promise<void> {
    const member = this.member(id);
    const { log } = member;
    this.network.drop(id);
    member.disk.crash(this.draw);
    member.log = undefined;
    await log?.stop().catch(() => undefined);
  }

  async stop(id: number): Promise<void> {
    const { log } = this.member(id);
    this.member(id).log = undefined;
    await log?.stop();
  }

  async stopAll(): Promise<void> {
    for (const { id } of this.members) await this.stop(id);
  }

  leader(): GroupMember | undefined {
    return this.members.find(({ log }) => log?.status().role === 'leader');
  }

  /** Time passes until somebody leads and can commit. */
  async lead(): Promise<RaftLog> {
    return await this.until(async () => {
      const log = this.leader()?.log;
      if (log === undefined) return undefined;
      const isAble = await log.readBarrier(AbortSignal.timeout(50)).then(
        () => true,
        () => false,
      );
      return isAble ? log : undefined;
    });
  }

  /** Time passes, at most a minute of it, until `look` finds something. */
  async until<T>(look: () => Promise<T | undefined> | T | undefined): Promise<T> {
    for (let tick = 0; tick < 600; tick += 1) {
      const found = await look();
      if (found !== undefined) return found;
      await this.tick();
    }
    throw new Error('nothing happened within a minute of ticks');
  }

  async tick(): Promise<void> {
    this.clock.step(this.settings.tickMs);
    await turns(12);
  }
}

export function addressOf(id: number): string {
  return `member-${id}:7411`;
}

/** Lets messages and writes on their way arrive. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
