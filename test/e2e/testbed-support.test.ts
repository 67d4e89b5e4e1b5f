import { spawn } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { once, withLock } from '../support/testbeds/cache.ts';
import { freePorts } from '../support/testbeds/ports.ts';
import {
  pauseMs,
  runToEnd,
  startProcess,
  untilReady,
  type TestProcess,
} from '../support/testbeds/processes.ts';

let directory: string;
const started: TestProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'logtier-support-'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const child of started.splice(0)) await child.stop(0);
  await rm(directory, { recursive: true, force: true });
});

async function shell(script: string): Promise<TestProcess> {
  const logFile = join(directory, 'log');
  const child = await startProcess({ name: 'sh', command: 'sh', args: ['-c', script], logFile });
  started.push(child);
  return child;
}

function refused(): Promise<boolean> {
  return Promise.reject(new Error('refused'));
}

/** A zombie has ended; in a container nobody may be there to reap it. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

test('a process that ends before it is ready fails at once and shows its log', async () => {
  const child = await shell('echo no such port; exit 3');
  const waiting = untilReady(child, () => Promise.resolve(false), 600_000);
  await expect(waiting).rejects.toThrow(/^sh ended \(code 3\)[^]*no such port/);
});

test('a process that never gets ready fails after the bound', async () => {
  const child = await shell('exec sleep 600');
  await expect(untilReady(child, refused, 50)).rejects.toThrow('sh is not ready after 50 ms');
});

test('stop ends a process that is paused or deaf to SIGTERM, and may be repeated', async () => {
  const paused = await shell('exec sleep 600');
  paused.kill('SIGSTOP');
  await paused.stop();
  expect(await paused.exited).toBe('SIGTERM');
  const deaf = await shell("trap '' TERM; echo deaf; while :; do sleep 0.1; done");
  await untilReady(deaf, async () => (await readFile(deaf.logFile, 'utf8')).includes('deaf'));
  await deaf.stop(50);
  await deaf.stop(50);
  expect([deaf.alive, await deaf.exited]).toEqual([false, 'SIGKILL']);
});

test('a command that fails says what it printed', async () => {
  const spec = { name: 'list', command: 'sh', logFile: join(directory, 'log') };
  expect(await runToEnd({ ...spec, args: ['-c', 'echo fine'] })).toBe('fine\n');
  const failing = runToEnd({ ...spec, args: ['-c', 'echo out; echo err >&2; exit 1'] });
  await expect(failing).rejects.toThrow(/^list failed \(code 1\)\nout\n[^]*err/);
  await expect(runToEnd({ ...spec, command: '/no/such', args: [] })).rejects.toThrow('list');
});

test.each(['SIGTERM', 'SIGKILL'] as const)('children do not outlive a %s', async (signal) => {
  const program = fileURLToPath(new URL('testbed-support.child.ts', import.meta.url));
  const parent = spawn(process.execPath, ['--import', 'tsx', program, join(directory, 'log')]);
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.once('data', (bytes: Buffer) => resolve(Number(bytes.toString())));
  });
  expect(await isRunning(pid)).toBe(true);
  const ended = new Promise((resolve) => parent.once('exit', (_code, how) => resolve(how)));
  parent.kill(signal);
  expect(await ended).toBe(signal);
  for (let poll = 0; (await isRunning(pid)) && poll < 6_000; poll += 1) await pauseMs(10);
  expect(await isRunning(pid)).toBe(false);
});

test('ports are distinct and free', async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    server.close();
  }
});

test('of many askers one builds, and all see the whole', async () => {
  vi.stubEnv('LOGTIER_CACHE', directory);
  let builds = 0;
  const build = async (into: string): Promise<void> => {
    builds += 1;
    await pauseMs(20);
    await writeFile(join(into, 'thing'), 'whole');
  };
  const homes = await Promise.all([1, 2, 3, 4].map(() => once('thing', 'v1', build)));
  expect(homes).toEqual(Array(4).fill(join(directory, 'thing', 'v1')));
  expect(builds).toBe(1);
  expect(await readdir(join(directory, 'thing'))).toEqual(['v1']);
  await rm(join(directory, 'thing', 'v1'), { recursive: true });
  await once('thing', 'v1', build);
  expect(builds).toBe(2);
});

test('a build that fails leaves nothing, and the next one is tried', async () => {
  vi.stubEnv('LOGTIER_CACHE', directory);
  const failing = once('thing', 'v1', () => Promise.reject(new Error('no network')));
  await expect(failing).rejects.toThrow('no network');
  expect(await readdir(join(directory, 'thing'))).toEqual([]);
  await once('thing', 'v1', () => Promise.resolve());
  expect(await readdir(join(directory, 'thing'))).toEqual(['v1']);
});

test('the lock of a dead process is taken over', async () => {
  const lockFile = join(directory, 'lock');
  const dead = await shell('exit 0');
  await dead.exited;
  await writeFile(lockFile, `${dead.pid}`);
  expect(await withLock(lockFile, () => readFile(lockFile, 'utf8'))).toBe(`${process.pid}`);
});
