// One run: a group, clients that fight, faults, and then the question whether what was seen has an order.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { seededDraw } from '../support/memory-disk.ts';
import { claimRequest, TestMetastoreClient, TOPIC } from '../support/metastore-world.ts';
import { checkHistory } from './checker.ts';
import { Clients } from './clients.ts';
import { type FaultName, GroupNemesis } from './group-nemesis.ts';
import { ProcessGroup } from './group.ts';
import type { History } from './history.ts';

/** Partitions that no history is about. */
const APART = 1_000_000;
const ANSWER_BOUND_MS = 60_000;

export interface GroupRun {
  /** Of what happens, not of its moments. */
  readonly seed: number;
  readonly members: number;
  /** Faults of each round; asked until undefined. */
  readonly next: (nemesis: GroupNemesis) => readonly FaultName[] | undefined;
  readonly longestMs: number;
}

export interface GroupReport {
  readonly seed: number;
  readonly members: number;
  readonly answered: number;
  readonly refused: number;
  readonly unknown: number;
  readonly faults: Readonly<Record<string, number>>;
  /** From the end of faults until the group answered again. */
  readonly worstMs: number;
  /** Contents of the members at the end, as hashes of all they applied. */
  readonly hashes: readonly number[];
  readonly verdict: string;
}

export function seedOf(variable: string): number {
  return Number(process.env[variable] ?? Math.floor(Math.random() * 2 ** 31));
}

/** Keeps its directory, with the history and the members' logs, when it fails. */
export async function runGroup(run: GroupRun): Promise<GroupReport> {
  const directory = await fs.mkdtemp(join(tmpdir(), 'logtier-lin-'));
  const share = seededDraw(run.seed);
  const group = await ProcessGroup.start(directory, run.members);
  const clients = new Clients({
    endpoints: () => group.addresses,
    clients: 8,
    partitions: 4,
    share: seededDraw(run.seed + 1),
  });
  clients.start();
  try {
    const nemesis = new GroupNemesis(group, clients, { share, longestMs: run.longestMs });
    await nemesis.serving();
    nemesis.worstMs = 0;
    for (let faults = run.next(nemesis); faults !== undefined; faults = run.next(nemesis)) {
      await nemesis.round(faults);
    }
    await clients.stop();
    const agreed = await group.agreement();
    for (const [at, address] of group.addresses.entries()) await answersThrough(address, at);
    await clients.readEverything();
    const { history } = clients;
    const report = {
      ...told(run, history, nemesis),
      hashes: agreed.map(({ hash }) => hash),
      verdict: await checkHistory(directory, history.lines),
    };
    await group.stop();
    await fs.rm(directory, { recursive: true });
    return report;
  } catch (error) {
    const where = `seed ${run.seed}, logs in ${directory}`;
    throw new Error(`${where}: ${String(error)}`, { cause: error });
  } finally {
    await group.stop();
    await clients.stop();
  }
}

/** Any member leads a client to an answer: commands to who leads, reads by itself. */
async function answersThrough(address: string, number: number): Promise<void> {
  const transport = grpcTransport(systemClock, [address]);
  const identity = { brokerId: number, instance: `at ${address}` };
  const client = new TestMetastoreClient(transport, systemClock, identity);
  const signal = AbortSignal.timeout(ANSWER_BOUND_MS);
  try {
    const id = { topicId: TOPIC, partition: APART + number };
    await client.ledger.claim(claimRequest({ id }), signal);
    await vi.waitUntil(() => client.queries.status(signal).catch(() => undefined), {
      timeout: ANSWER_BOUND_MS,
    });
  } finally {
    await client.channel.stop();
    transport.stop();
  }
}

function told(run: GroupRun, history: History, nemesis: GroupNemesis) {
  return {
    seed: run.seed,
    members: run.members,
    answered: history.count('ok'),
    refused: history.count('refused'),
    unknown: history.count('unknown'),
    faults: Object.fromEntries(nemesis.begun),
    worstMs: Math.round(nemesis.worstMs),
  };
}
