// A Raft group on simulated time, disks and network, in one thread: the same seed is the same run.
//
// Checked while it runs: one leader a term, one command an index on all members (hash chains), no
// acknowledged command lost, no read older than what was acknowledged before it. After the faults: progress.
import { crc32 } from '../../src/base/checksum.ts';
import { hasCode } from '../../src/base/errors.ts';
import { openRaftLog } from '../../src/metastore/log/raft-log/open-raft-log.ts';
import type { RaftLog } from '../../src/metastore/log/raft-log/raft-log.ts';
import {
  isSnapshot,
  type LogEntry,
  type Snapshot,
  type SnapshotToInstall,
} from '../../src/metastore/log/replicated-log.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { type Draw, MemoryDisk, seededDraw } from '../support/memory-disk.ts';
import { smallRaftSettings } from '../support/raft-group.ts';
import { RaftNetwork } from '../support/raft-network.ts';

const NEVER = new AbortController().signal;
const IDS = [1, 2, 3] as const;
const SETTINGS = { ...smallRaftSettings, wal: { ...smallRaftSettings.wal, fileBytes: 8192 } };

/** A state machine: how far it is, and the hash of everything up to there. */
interface State {
  readonly index: bigint;
  readonly term: bigint;
  readonly hash: number;
}

const EMPTY: State = { index: 0n, term: 0n, hash: 0 };

interface Member {
  readonly id: number;
  readonly disk: MemoryDisk;
  life: number;
  log: RaftLog | undefined;
  state: State;
  /** What power loss leaves of the state. */
  durable: State;
}

function never(): never {
  throw new Error('a log asks no such time');
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

export class RaftSim {
  readonly draw: Draw;
  nowMs = 0;
  steps = 0;
  acknowledged = 0;
  crashes = 0;
  snapshots = 0;
  private readonly events: Event[] = [];
  private readonly members: readonly Member[];
  private readonly network: RaftNetwork;
  /** Hash of the log up to each index, as the first member that applied it saw it. */
  private readonly chain = new Map<bigint, number>();
  private readonly leaders = new Map<bigint, number>();
  private readonly promised = new Map<bigint, string>();
  private readonly applied = new Map<bigint, string>();
  private newestAcknowledged = 0n;
  private violation: Error | undefined;
  private lossShare = 0;
  private blocked = new Set<string>();
  private isCalm = false;

  constructor(seed: number) {
    this.draw = seededDraw(seed);
    this.network = new RaftNetwork((run) => {
      const copies = !this.isCalm && this.draw() < 0.03 ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) this.after(this.latencyMs(), run);
    });
    this.network.passes = (from, to) =>
      this.draw() >= this.lossShare && !this.blocked.has(`${from}>${to}`);
    this.members = IDS.map((id) => {
      const disk = new MemoryDisk();
      disk.place('/data/lost+found', Buffer.alloc(0));
      disk.schedule = () =>
        new Promise((resolve) => {
          this.after(this.draw() < 0.02 ? this.draw() * 200 : this.draw() * 2, resolve);
        });
      return { id, disk, life: 0, log: undefined, state: EMPTY, durable: EMPTY };
    });
  }

  /** Throws what was violated. */
  async run(faultyMs: number): Promise<void> {
    for (const member of this.members) this.start(member);
    this.clients();
    this.faults();
    await this.until(() => this.nowMs > faultyMs);
    this.calmDown();
    const before = this.acknowledged;
    const target = faultyMs + 60_000;
    await this.until(() => this.hasHealed(before) || this.nowMs > target);
    if (!this.hasHealed(before)) throw new Error('no progress a minute after all faults ended');
  }

  private hasHealed(before: number): boolean {
    const all = this.members.every(({ state }) => state.index >= this.newestAcknowledged);
    return all && this.acknowledged > before + 5;
  }

  private async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      const event = this.takeEvent();
      if (event === undefined) throw new Error('nothing is left to happen');
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
      // Everything that waits for nothing but promises runs before the next event.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      this.steps += 1;
      this.checkLeaders();
      if (this.violation !== undefined) throw this.violation;
    }
  }

  private takeEvent(): Event | undefined {
    return this.events.shift();
  }

  private after(ms: number, run: () => void): void {
    const event = { atMs: this.nowMs + ms, run };
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.events[middle]!.atMs <= event.atMs) low = middle + 1;
      else high = middle;
    }
    this.events.splice(low, 0, event);
  }

  private latencyMs(): number {
    return !this.isCalm && this.draw() < 0.05 ? this.draw() * 400 : this.draw() * 5;
  }

  private clockOf(member: Member): Clock {
    const { life } = member;
    return {
      wallMs: () => this.nowMs,
      monotonicMs: () => this.nowMs,
      uptimeMs: never,
      sleep: never,
      deadline: never,
      every: (ms, tick) => {
        const again = (): void => {
          if (member.life !== life) return;
          tick();
          this.after(this.draw() < 0.002 && !this.isCalm ? ms + this.draw() * 3000 : ms, again);
        };
        this.after(ms * this.draw(), again);
        return () => undefined;
      },
    };
  }

  private start(member: Member): void {
    const { life } = member;
    void this.open(member).catch((error: unknown) => {
      if (member.life !== life) return;
      if (hasCode(error, 'DISK_FAILED')) this.crash(member);
      else this.violate(`member ${member.id} does not open: ${String(error)}`);
    });
  }

  private async open(member: Member): Promise<void> {
    const { life, id } = member;
    member.state = member.durable;
    const log = await openRaftLog(
      {
        disk: member.disk.forProcess(),
        clock: this.clockOf(member),
        logger: silentLogger,
        random: {
          bytes: (count) => new Uint8Array(count).map(() => this.draw() * 256),
          share: this.draw,
        },
        nextTurn: (run) => {
          this.after(0, () => {
            if (member.life === life) run();
          });
        },
        transport: this.network.transportOf(id),
      },
      SETTINGS,
      {
        directory: '/data/wal',
        clusterId: 'sim',
        nodeId: BigInt(id),
        voters: IDS.map((each) => ({ id: each, address: `m${each}` })),
        applied: member.durable,
      },
    );
    if (member.life !== life) return;
    member.log = log;
    log.serveSnapshotsOf({ take: () => Promise.resolve(snapshotOf(member.state)) });
    await this.applyAll(member, log);
  }

  private async applyAll(member: Member, log: RaftLog): Promise<void> {
    const { life } = member;
    try {
      for await (const item of log.committed(member.state.index)) {
        if (member.life !== life) return;
        if (isSnapshot(item)) await this.install(member, item);
        else this.applySome(member, item);
      }
    } catch (error) {
      if (member.life !== life) return;
      // An injected error of the disk ends the process; anything else must not happen.
      if (hasCode(error, 'DISK_FAILED')) this.crash(member);
      else this.violate(`member ${member.id} stops applying: ${String(error)}`);
    }
  }

  private async install(member: Member, snapshot: SnapshotToInstall): Promise<void> {
    member.state = await readState(snapshot.content(NEVER));
    member.durable = member.state;
    this.snapshots += 1;
    this.checkChain(member);
  }

  private applySome(member: Member, entries: readonly LogEntry[]): void {
    for (const entry of entries) this.apply(member, entry);
  }

  private apply(member: Member, { index, term, command }: LogEntry): void {
    if (index !== member.state.index + 1n)
      this.violate(`entry ${index} after ${member.state.index}`);
    const text = Buffer.from(command).toString();
    if ((this.promised.get(index) ?? text) !== text) this.violate(`acknowledged ${index} is lost`);
    this.applied.set(index, text);
    const hash = crc32(command, crc32(Buffer.from(`${index} ${term}`), member.state.hash));
    member.state = { index, term, hash };
    this.checkChain(member);
  }

  private checkChain({ id, state: { index, hash } }: Member): void {
    const known = this.chain.get(index);
    if (known === undefined) this.chain.set(index, hash);
    else if (known !== hash) this.violate(`member ${id} applied another history up to ${index}`);
  }

  private checkLeaders(): void {
    for (const { id, log } of this.members) {
      if (log === undefined) continue;
      const { role, term } = log.status();
      if (role !== 'leader') continue;
      const known = this.leaders.get(term);
      if (known === undefined) this.leaders.set(term, id);
      else if (known !== id) this.violate(`members ${known} and ${id} lead in term ${term}`);
    }
  }

  /** Commands and reads to members drawn at random, whether they lead or not. */
  private clients(): void {
    let count = 0;
    const next = (): void => {
      const log = this.pick().log;
      count += 1;
      if (log !== undefined) void (this.draw() < 0.8 ? this.propose(log, count) : this.read(log));
      this.after(this.draw() * 30, next);
    };
    this.after(0, next);
  }

  private async propose(log: RaftLog, number: number): Promise<void> {
    const text = `command ${number} ${'.'.repeat(Math.floor(this.draw() * 400))}`;
    try {
      const index = await log.propose(Buffer.from(text), NEVER);
      this.acknowledged += 1;
      if (index > this.newestAcknowledged) this.newestAcknowledged = index;
      this.mustHold(index, text);
    } catch (error) {
      if (hasCode(error, 'NOT_LEADER', 'OUTCOME_UNKNOWN', 'OVERLOADED', 'DISK_FAILED')) return;
      this.violate(`a proposal ends with ${String(error)}`);
    }
  }

  /** Whoever applies this index must find this very command there. */
  private mustHold(index: bigint, text: string): void {
    const known = this.promised.get(index) ?? this.applied.get(index) ?? text;
    if (known !== text) this.violate(`index ${index} was promised to another command`);
    this.promised.set(index, text);
  }

  private async read(log: RaftLog): Promise<void> {
    const atLeast = this.newestAcknowledged;
    try {
      const index = await log.readBarrier(NEVER);
      if (index < atLeast) this.violate(`a read at ${index} misses ${atLeast}`);
    } catch (error) {
      if (!hasCode(error, 'NOT_LEADER', 'DISK_FAILED')) this.violate(`a read: ${String(error)}`);
    }
  }

  private faults(): void {
    const next = (): void => {
      if (this.isCalm) return;
      this.fault(this.draw());
      this.after(this.draw() * 1500, next);
    };
    this.after(1000, next);
  }

  private fault(dice: number): void {
    const member = this.pick();
    if (dice < 0.25) this.crash(member);
    else if (dice < 0.4) this.lossShare = this.draw() * 0.3;
    else if (dice < 0.55) this.blocked = this.somePairs();
    else if (dice < 0.7) this.blocked = new Set();
    else if (dice < 0.75) this.failNextSync(member);
    else this.flush(member);
  }

  private somePairs(): Set<string> {
    const pairs = IDS.flatMap((from) => IDS.map((to) => `${from}>${to}`));
    return new Set(pairs.filter(() => this.draw() < 0.4));
  }

  private failNextSync({ disk }: Member): void {
    disk.fault = (operation) => {
      if (operation !== 'sync') return undefined;
      disk.fault = () => undefined;
      return 'EIO';
    };
  }

  private flush(member: Member): void {
    const { life, log, state } = member;
    const makeDurable = async (): Promise<void> => {
      await member.disk.schedule();
      if (member.life === life && state.index > member.durable.index) member.durable = state;
    };
    log?.compact({ index: state.index, makeDurable }).catch((error: unknown) => {
      if (member.life !== life || hasCode(error, 'NOT_LEADER', 'DISK_FAILED')) return;
      this.violate(`compacting member ${member.id}: ${String(error)}`);
    });
  }

  private crash(member: Member): void {
    const { log } = member;
    this.crashes += 1;
    member.life += 1;
    member.log = undefined;
    member.disk.fault = () => undefined;
    this.network.drop(member.id);
    if (this.draw() < 0.5) member.disk.crash(this.draw);
    else member.disk.killProcess();
    void log?.stop().catch(() => undefined);
    const { life } = member;
    this.after(this.draw() * 3000, () => {
      if (member.life === life) this.start(member);
    });
  }

  private calmDown(): void {
    this.isCalm = true;
    this.lossShare = 0;
    this.blocked = new Set();
    for (const { disk } of this.members) disk.fault = () => undefined;
  }

  private pick(): Member {
    return this.members[Math.floor(this.draw() * this.members.length)]!;
  }

  private violate(what: string): void {
    this.violation ??= new Error(`at ${this.nowMs.toFixed(1)} ms: ${what}`);
  }
}

function snapshotOf(state: State): Snapshot {
  const { index, term, hash } = state;
  return {
    index,
    term,
    content: () => one(`${index} ${term} ${hash}`),
    close: async () => undefined,
  };
}

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}

async function readState(content: AsyncIterable<Uint8Array>): Promise<State> {
  let text = '';
  for await (const chunk of content) text += Buffer.from(chunk).toString();
  const [index, term, hash] = text.split(' ');
  return { index: BigInt(index!), term: BigInt(term!), hash: Number(hash) };
}
