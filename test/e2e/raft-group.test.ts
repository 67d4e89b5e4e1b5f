// Three processes form a group; its leader is killed under proposals, and comes back far behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import {
  claimRequest,
  intent,
  NEVER,
  segmentName,
  TestMetastoreClient,
} from '../support/metastore-world.ts';

const CHILD = join(import.meta.dirname, 'raft-member.child.ts');
const NODES = [1, 2, 3] as const;
const KILLS = 2;
const PATIENCE = { timeout: 120_000, interval: 20 };

class Members {
  readonly sockets: readonly string[];
  leader: number | undefined;
  private readonly directory: string;
  private readonly children = new Map<number, ChildProcess>();
  readonly said: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
    this.sockets = NODES.map((node) => `unix:${directory}/${node}.sock`);
  }

  start(node: number): void {
    const args = ['--import', 'tsx', CHILD, `${this.directory}/${node}`, String(node)];
    const child = spawn(process.execPath, [...args, ...this.sockets], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    this.children.set(node, child);
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.said.push(line);
      if (line.includes('"role":"leader"')) this.leader = node;
    });
  }

  async end(node: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.children.get(node);
    if (this.leader === node) this.leader = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }
}

test('a group of three processes loses no answered command when its leaders are killed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'raft-group-'));
  const members = new Members(directory);
  for (const node of NODES) members.start(node);
  const transport = grpcTransport(systemClock, members.sockets);
  const client = new TestMetastoreClient(transport, systemClock, { brokerId: 1, instance: 'one' });
  const status = () =>
    vi.waitUntil(() => client.queries.status(NEVER).catch(() => undefined), PATIENCE);
  try {
    const claim = await client.ledger.claim(claimRequest(), NEVER);
    const stop = new AbortController();
    const done: number[] = [];
    const writers = Array.from({ length: 4 }, async (_, from) => {
      for (let number = from; !stop.signal.aborted; number += 4) {
        await client.ledger.startCopy(claim, intent(number), NEVER);
        await client.ledger.finishCopy(claim, segmentName(number), NEVER);
        done.push(number);
      }
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      const enough = done.length + 150;
      await vi.waitUntil(() => done.length > enough && members.leader !== undefined, PATIENCE);
      const killed = members.leader!;
      await members.end(killed, 'SIGKILL');
      const more = done.length + 50;
      await vi.waitUntil(() => done.length > more, PATIENCE);
      members.start(killed);
    }
    stop.abort();
    await Promise.all(writers);
    const { segments, appliedIndex } = await status();
    expect(segments).toBe(BigInt(done.length));
    // Every member has it all, the ones that were killed too.
    for (const socket of members.sockets) {
      const one = grpcTransport(systemClock, [socket]);
      const { queries } = new TestMetastoreClient(one, systemClock, {
        brokerId: 1,
        instance: 'look',
      });
      const seen = await vi.waitUntil(() => queries.status(NEVER).catch(() => undefined), PATIENCE);
      expect([seen.segments, seen.appliedIndex >= appliedIndex]).toEqual([segments, true]);
      one.stop();
    }
  } catch (error) {
    throw new Error(members.said.slice(-40).join('\n'), { cause: error });
  } finally {
    await client.channel.stop();
    transport.stop();
    for (const node of NODES) await members.end(node, 'SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
});
