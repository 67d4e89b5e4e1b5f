// Runs a load generator beside servers, and counts what the servers' processes use while it measures.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { LoadResult } from './commit-load.ts';
import { cpuSecondsOf } from './metastore-group.ts';

export interface Load {
  readonly command: string;
  readonly args: readonly string[];
}

export interface MeasuredLoad extends LoadResult {
  /** Of all servers, while the load was measured. */
  readonly serverCpuSeconds: number;
}

/** `during` runs while the load is measured. */
export async function runLoad(
  { command, args }: Load,
  servers: readonly number[],
  during: () => Promise<void> = () => Promise.resolve(),
): Promise<MeasuredLoad> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve(code ?? 1);
    });
  });
  let result: LoadResult | undefined;
  let before = 0;
  let serverCpuSeconds = 0;
  let meanwhile = Promise.resolve();
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('measuring')) {
      before = await cpuOf(servers);
      meanwhile = during();
    } else if (line.includes('measured')) serverCpuSeconds = (await cpuOf(servers)) - before;
    else if (line.startsWith('{')) result = JSON.parse(line);
  }
  await meanwhile;
  if ((await ended) !== 0 || result === undefined) throw new Error(`${command} failed`);
  return { ...result, serverCpuSeconds };
}

/** A process that is gone counts no more. */
async function cpuOf(pids: readonly number[]): Promise<number> {
  const all = await Promise.all(pids.map((pid) => cpuSecondsOf(pid).catch(() => 0)));
  return all.reduce((sum, each) => sum + each, 0);
}
