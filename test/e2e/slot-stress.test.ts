// Two processes at one slot file, each stopped between any two steps, the writer killed and started again.
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pauseMs, startProcess, type TestProcess } from '../support/testbeds/processes.ts';

/** What must have been seen before the test is content. */
const LEAST = { right: 200, changed: 5, pauses: 60, restarts: 4 };
const BOUND_MS = 120_000;
const PAUSES_A_LIFE = 20;

interface Counts {
  readonly right: number;
  readonly changed: number;
  readonly wrong: number;
  readonly empty: number;
}

let directory: string;
const started: TestProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logtier-slot-stress-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.stop()));
  await rm(directory, { recursive: true, force: true });
});

async function start(role: 'writer' | 'reader'): Promise<TestProcess> {
  const child = await startProcess({
    name: role,
    command: process.execPath,
    args: [
      '--import',
      'tsx',
      join(import.meta.dirname, 'slot-stress.child.ts'),
      role,
      join(directory, 'cache'),
    ],
    logFile: join(directory, `${role}.log`),
    pipes: true,
  });
  started.push(child);
  return child;
}

/** Up to 40 ms: from less than one step to several refills. */
function aMoment(): Promise<void> {
  return pauseMs(Math.random() * 40);
}

async function slotFiles(): Promise<{ readonly name: string; readonly ino: number }[]> {
  const names = await readdir(join(directory, 'cache')).catch(() => []);
  const found = names.filter((name) => name.endsWith('.slots'));
  return Promise.all(
    found.map(async (name) => ({ name, ino: (await stat(join(directory, 'cache', name))).ino })),
  );
}

test(
  'rules 17 to 19: a second process never takes a wrong byte out of a slot, whoever stops where',
  async () => {
    let writer = await start('writer');
    const reader = await start('reader');
    let counts: Counts = { right: 0, changed: 0, wrong: 0, empty: 0 };
    createInterface({ input: reader.stdout! }).on('line', (line) => {
      counts = JSON.parse(line) as Counts;
    });
    await expect.poll(() => counts.right, { timeout: BOUND_MS, interval: 20 }).toBeGreaterThan(0);
    const before = await slotFiles();

    const untilMs = performance.now() + BOUND_MS;
    let pauses = 0;
    let restarts = 0;
    const isContent = (): boolean =>
      counts.right >= LEAST.right &&
      counts.changed >= LEAST.changed &&
      pauses >= LEAST.pauses &&
      restarts >= LEAST.restarts;
    while (!isContent() && counts.wrong === 0 && performance.now() < untilMs) {
      const stopped = Math.random() < 0.5 ? writer : reader;
      await aMoment();
      stopped.kill('SIGSTOP');
      await aMoment();
      stopped.kill('SIGCONT');
      pauses += 1;
      if (pauses % PAUSES_A_LIFE > 0) continue;
      writer.kill('SIGKILL');
      await writer.exited;
      writer = await start('writer');
      restarts += 1;
    }
    expect(counts.wrong).toBe(0);
    expect({ ...counts, pauses, restarts, content: isContent() }).toMatchObject({ content: true });
    expect([writer.alive, reader.alive]).toEqual([true, true]);
    expect(await slotFiles()).toEqual(before); // the same file, used again
  },
  BOUND_MS + 60_000,
);
