// A metastore group of real processes, with a way of its own from each member to each other one.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { ClusterCalls } from '../../src/cli/cluster-calls.ts';
import type { ChangeMembersRequest, GetMemberResponse } from '../../src/gen/logtier/v1/cluster.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { type LinkProxy, type LinkState, startLink } from '../support/link-proxy.ts';
import { startProcess, type TestProcess } from '../support/testbeds/processes.ts';

/** What a member process is told. */
export interface MemberPlace {
  readonly directory: string;
  readonly groupId: string;
  readonly nodeId: number;
  /** Nobody for a member that joins later. */
  readonly voters: readonly number[];
}

const CHILD = fileURLToPath(new URL('member.child.ts', import.meta.url));
const GROUP_ID = 'a-group-under-faults-_';
/** A bound for what hangs: an overloaded machine is slow, not wrong. */
const PATIENCE = { timeout: 180_000, interval: 50 };
const CHANGE_MS = 30_000;

export class ProcessGroup {
  readonly directory: string;
  /** Node ids of who belongs to it. */
  members: readonly number[];
  private readonly founders: readonly number[];
  private readonly processes = new Map<number, TestProcess>();
  private readonly links = new Map<string, LinkProxy>();
  private everyone: readonly number[] = [];

  /** Below a directory with a short path: names of sockets have a limit. */
  private constructor(directory: string, size: number) {
    this.directory = directory;
    this.founders = Array.from({ length: size }, (_, at) => at + 1);
    this.members = this.founders;
  }

  static async start(directory: string, size: number): Promise<ProcessGroup> {
    const group = new ProcessGroup(directory, size);
    for (const node of group.founders) await group.enter(node);
    for (const node of group.founders) await group.launch(node);
    return group;
  }

  /** Of all members. */
  get addresses(): readonly string[] {
    return this.members.map((node) => this.addressOf(node));
  }

  addressOf(node: number): string {
    return `unix:${this.directory}/${node}.sock`;
  }

  logFile(node: number): string {
    return join(this.directory, `member-${node}.log`);
  }

  /** Resolves when the process runs, long before it serves; nothing happens when it runs already. */
  async launch(node: number): Promise<void> {
    if (this.processes.get(node)?.alive === true) return;
    const { directory, founders } = this;
    const voters = founders.includes(node) ? founders : [];
    const place: MemberPlace = { directory, groupId: GROUP_ID, nodeId: node, voters };
    const child = await startProcess({
      name: `member ${node}`,
      command: process.execPath,
      args: ['--import', 'tsx', CHILD, JSON.stringify(place)],
      logFile: this.logFile(node),
    });
    this.processes.set(node, child);
  }

  async kill(node: number): Promise<void> {
    const child = this.processes.get(node);
    child?.kill('SIGKILL');
    await child?.exited;
  }

  stall(node: number): void {
    this.processes.get(node)?.kill('SIGSTOP');
  }

  wake(node: number): void {
    this.processes.get(node)?.kill('SIGCONT');
  }

  /** Resolves with how the process ended by itself; fails when it goes on. */
  async ended(node: number): Promise<string> {
    const child = this.processes.get(node)!;
    await vi.waitUntil(() => !child.alive, PATIENCE);
    return child.exited;
  }

  link(from: number, to: number, state: LinkState): void {
    this.links.get(`${from}-${to}`)!.state = state;
  }

  healLinks(): void {
    for (const link of this.links.values()) link.state = { kind: 'whole' };
  }

  /** A disk that takes no bytes, or whose fdatasync fails, until it is mended. */
  async spoilDisk(node: number, how: 'full' | 'broken'): Promise<void> {
    await fs.writeFile(join(this.directory, `${how}-${node}`), '');
  }

  async mendDisk(node: number): Promise<void> {
    for (const how of ['full', 'broken']) {
      await fs.rm(join(this.directory, `${how}-${node}`), { force: true });
    }
  }

  /** The member that others follow; undefined while nobody says so. */
  async leader(): Promise<number | undefined> {
    for (const node of this.members) {
      const seen = await this.look(node);
      if (seen?.role === 'leader') return node;
    }
    return undefined;
  }

  async someLeader(): Promise<number> {
    return await vi.waitUntil(() => this.leader(), PATIENCE);
  }

  async look(node: number): Promise<GetMemberResponse | undefined> {
    const calls = new ClusterCalls(systemClock, [this.addressOf(node)]);
    try {
      return await calls.memberAt(this.addressOf(node), AbortSignal.timeout(3_000));
    } catch {
      return undefined;
    } finally {
      calls.close();
    }
  }

  async transferLeadership(to: number): Promise<void> {
    await this.withCalls((calls, signal) => calls.transferLeadership(BigInt(to), signal));
  }

  /** The dead one leaves, a new one under a new number learns and then votes. Resolves with the new number. */
  async replace(dead: number): Promise<number> {
    await this.kill(dead);
    this.members = this.members.filter((node) => node !== dead);
    await this.change({ $case: 'remove', value: BigInt(dead) });
    const young = Math.max(...this.everyone) + 1;
    await this.enter(young);
    await this.launch(young);
    const address = this.addressOf(young);
    await this.change({ $case: 'addLearner', value: { nodeId: BigInt(young), address } });
    await this.change({ $case: 'promote', value: BigInt(young) });
    this.members = [...this.members, young];
    await fs.rm(join(this.directory, `state-${dead}`), { recursive: true });
    return young;
  }

  /** Once nobody writes any more: all have applied the same and hold the same. */
  async agreement(): Promise<readonly GetMemberResponse[]> {
    let seen: readonly GetMemberResponse[] = [];
    await vi.waitUntil(async () => {
      const all = await Promise.all(this.members.map((node) => this.look(node)));
      seen = all.filter((each) => each !== undefined);
      const [first] = seen;
      return (
        seen.length === this.members.length &&
        seen.every(({ appliedIndex }) => appliedIndex === first?.appliedIndex)
      );
    }, PATIENCE);
    return seen;
  }

  /** Idempotent. Leaves the directory. */
  async stop(): Promise<void> {
    for (const node of this.processes.keys()) {
      this.wake(node);
      await this.kill(node);
    }
    await Promise.all([...this.links.values()].map((link) => link.stop()));
  }

  private async enter(node: number): Promise<void> {
    for (const other of this.everyone) {
      await this.makeLink(node, other);
      await this.makeLink(other, node);
    }
    this.everyone = [...this.everyone, node];
  }

  private async makeLink(from: number, to: number): Promise<void> {
    const at = join(this.directory, `link-${from}-${to}.sock`);
    this.links.set(`${from}-${to}`, await startLink(at, join(this.directory, `${to}.sock`)));
  }

  /** Until the group did it: it may have no leader, be at another change, or wait for the learner. */
  private async change(change: ChangeMembersRequest['change']): Promise<void> {
    await this.withCalls((calls, signal) => calls.changeMembers({ change }, signal));
  }

  private async withCalls(
    ask: (calls: ClusterCalls, signal: AbortSignal) => Promise<unknown>,
  ): Promise<void> {
    let last: unknown;
    const attempt = async (): Promise<boolean> => {
      const calls = new ClusterCalls(systemClock, this.addresses);
      try {
        await ask(calls, AbortSignal.timeout(CHANGE_MS));
        return true;
      } catch (error) {
        last = error;
        return false;
      } finally {
        calls.close();
      }
    };
    try {
      await vi.waitUntil(attempt, PATIENCE);
    } catch (error) {
      throw new Error(`the group did not do it: ${String(last)}`, { cause: error });
    }
  }
}
