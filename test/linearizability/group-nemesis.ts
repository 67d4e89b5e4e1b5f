// What happens to a group meanwhile. A fault begins, stays a while, and ends; then the group has to serve again.
import * as fs from 'node:fs/promises';
import { vi } from 'vitest';
import { pauseMs } from '../support/testbeds/processes.ts';
import type { Clients } from './clients.ts';
import type { ProcessGroup } from './group.ts';

export type FaultName =
  | 'kill leader'
  | 'kill one'
  | 'kill two'
  | 'kill all'
  | 'standstill'
  | 'isolate'
  | 'one way'
  | 'halves'
  | 'slow links'
  | 'full disk'
  | 'broken disk'
  | 'replace'
  | 'transfer';

/** Those that can be there at one time. */
export const MIXABLE = [
  'kill leader',
  'kill one',
  'standstill',
  'isolate',
  'one way',
  'slow links',
] as const satisfies readonly FaultName[];

/** Those that come alone. */
export const ALONE = [
  'kill two',
  'kill all',
  'halves',
  'full disk',
  'broken disk',
  'replace',
  'transfer',
] as const satisfies readonly FaultName[];

export interface NemesisOptions {
  /** A draw from [0, 1). */
  readonly share: () => number;
  readonly longestMs: number;
}

type Undo = () => Promise<void>;

const SHORTEST_MS = 200;
/** Operations that end before the next trouble. */
const ANSWERS_BETWEEN = 60;
/** Generous: members begin anew, elect and catch up on a machine that others use. */
const SERVING = { timeout: 180_000, interval: 10 };

export class GroupNemesis {
  readonly begun = new Map<FaultName, number>();
  /** From the end of the faults until the next answers, at worst. */
  worstMs = 0;
  private readonly group: ProcessGroup;
  private readonly clients: Clients;
  private readonly options: NemesisOptions;

  constructor(group: ProcessGroup, clients: Clients, options: NemesisOptions) {
    this.group = group;
    this.clients = clients;
    this.options = options;
  }

  /** Together, then their end, then the group serves. */
  async round(faults: readonly FaultName[]): Promise<void> {
    const undos: Undo[] = [];
    for (const name of faults) {
      this.begun.set(name, (this.begun.get(name) ?? 0) + 1);
      undos.push(await this.beginnings[name]());
    }
    const { share, longestMs } = this.options;
    await pauseMs(SHORTEST_MS + share() * (longestMs - SHORTEST_MS));
    for (const undo of undos) await undo();
    await this.serving();
  }

  /** Resolves when the group answers. */
  async serving(): Promise<void> {
    const { history } = this.clients;
    const enough = history.lines.length + ANSWERS_BETWEEN;
    const fromMs = performance.now();
    await vi.waitUntil(() => history.lines.length >= enough, SERVING);
    this.worstMs = Math.max(this.worstMs, performance.now() - fromMs);
  }

  draw(below: number): number {
    return Math.floor(this.options.share() * below);
  }

  private readonly beginnings: Readonly<Record<FaultName, () => Promise<Undo>>> = {
    'kill leader': async () => this.kill([await this.group.someLeader()]),
    'kill one': () => this.kill(this.some(1)),
    'kill two': () => this.kill(this.some(2)),
    'kill all': () => this.kill(this.group.members),
    standstill: async () => this.standstill(await this.oneOrLeader()),
    isolate: async () => this.partition([await this.oneOrLeader()], 'both ways'),
    'one way': async () => this.partition([await this.oneOrLeader()], 'one way'),
    halves: () => Promise.resolve(this.partition(this.some(this.minority), 'both ways')),
    'slow links': () => Promise.resolve(this.slow()),
    'full disk': () => this.spoil('full', 'DISK_FULL'),
    'broken disk': () => this.spoil('broken', 'DISK_FAILED'),
    replace: async () => {
      await this.group.replace(await this.oneOrLeader());
      return nothing;
    },
    transfer: async () => {
      await this.group.transferLeadership(this.some(1)[0]!);
      return nothing;
    },
  };

  private get minority(): number {
    return Math.floor(this.group.members.length / 2);
  }

  private async kill(nodes: readonly number[]): Promise<Undo> {
    await Promise.all(nodes.map((node) => this.group.kill(node)));
    return async () => {
      for (const node of nodes) await this.group.launch(node);
    };
  }

  private standstill(node: number): Undo {
    this.group.stall(node);
    return () => {
      this.group.wake(node);
      return Promise.resolve();
    };
  }

  /** Connections end, or nothing passes on them; one way: nobody hears these nodes, or they hear nobody. */
  private partition(nodes: readonly number[], how: 'both ways' | 'one way'): Undo {
    const kind = this.draw(2) === 0 ? 'cut' : 'silent';
    const outward = how === 'both ways' || this.draw(2) === 0;
    const inward = how === 'both ways' || !outward;
    for (const node of nodes) {
      for (const other of this.group.members.filter((each) => !nodes.includes(each))) {
        if (outward) this.group.link(node, other, { kind });
        if (inward) this.group.link(other, node, { kind });
      }
    }
    return this.healing();
  }

  private slow(): Undo {
    const delayMs = 5 + this.draw(100);
    for (const from of this.group.members) {
      for (const to of this.group.members) {
        if (from !== to) this.group.link(from, to, { kind: 'slow', delayMs });
      }
    }
    return this.healing();
  }

  private healing(): Undo {
    return () => {
      this.group.healLinks();
      return Promise.resolve();
    };
  }

  /** It ends by itself, with a clear line, and comes back when the disk is well. */
  private async spoil(how: 'full' | 'broken', code: string): Promise<Undo> {
    const node = await this.oneOrLeader();
    await this.group.spoilDisk(node, how);
    const end = await this.group.ended(node);
    const said = await fs.readFile(this.group.logFile(node), 'utf8');
    const last = said.trimEnd().split('\n').at(-1);
    if (end !== 'code 1' || last?.startsWith(`error: ${code}: `) !== true) {
      throw new Error(`member ${node} ended with ${end} and said ${last}`);
    }
    return async () => {
      await this.group.mendDisk(node);
      await this.group.launch(node);
    };
  }

  /** The leader every other time: that is where it hurts. */
  private async oneOrLeader(): Promise<number> {
    return this.draw(2) === 0 ? await this.group.someLeader() : this.some(1)[0]!;
  }

  private some(count: number): readonly number[] {
    const left = [...this.group.members];
    return Array.from({ length: count }, () => left.splice(this.draw(left.length), 1)[0]!);
  }
}

const nothing: Undo = () => Promise.resolve();
