// Child processes of a test: a log file each, ready or failed within a bound, and none outlives the test process.
import { spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';

export interface ProcessSpec {
  /** How the process is called in error messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Receives stdout and stderr, appended; with `pipes` only stderr. */
  readonly logFile: string;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** True: stdin and stdout belong to the caller. */
  readonly pipes?: boolean;
}

export interface TestProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly alive: boolean;
  /** Resolves, never rejects, when the process is gone: `code 1`, `SIGKILL`. */
  readonly exited: Promise<string>;
  /** Only with `pipes`. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  /** Sends a signal to the process alone; nothing happens when it is gone. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL if it is still there after `boundMs`. Idempotent. */
  stop(boundMs?: number): Promise<void>;
  /** The last lines of the log, for error messages. */
  logTail(): string;
}

const STOP_BOUND_MS = 30_000;
// Bounds for what hangs, not for what is slow: a loaded machine takes ten times the usual.
const READY_BOUND_MS = 180_000;
const PROBE_BOUND_MS = 10_000;
const PROBE_EVERY_MS = 20;
const TAIL_BYTES = 4_000;
const SETPRIV = '/usr/bin/setpriv';

const living = new Set<ChildProcess>();
let guarded = false;

export async function startProcess(spec: ProcessSpec): Promise<TestProcess> {
  guardExit();
  fs.mkdirSync(dirname(spec.logFile), { recursive: true });
  const child = spawnWithLog(spec);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new Error(`${spec.name} cannot start`, { cause })));
  });
  return new SpawnedProcess(spec, child);
}

/**
 * Asks `probe` again and again until it says true; a probe that throws counts as "not yet".
 * Fails at once, with the log's tail, when the process is gone, and after `boundMs` at the latest.
 */
export async function untilReady(
  child: TestProcess,
  probe: (signal: AbortSignal) => Promise<boolean>,
  boundMs: number = READY_BOUND_MS,
): Promise<void> {
  const deadline = performance.now() + boundMs;
  for (;;) {
    if (!child.alive) {
      throw new Error(`${child.name} ended (${await child.exited})\n${child.logTail()}`);
    }
    if (await probe(AbortSignal.timeout(PROBE_BOUND_MS)).catch(() => false)) return;
    if (performance.now() > deadline) {
      throw new Error(`${child.name} is not ready after ${boundMs} ms\n${child.logTail()}`);
    }
    await pauseMs(PROBE_EVERY_MS);
  }
}

/** Runs a command to its end; its output is returned, and shown when it fails. */
export async function runToEnd(spec: ProcessSpec): Promise<string> {
  const child = await startProcess({ ...spec, pipes: true });
  child.stdin?.end();
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const how = await child.exited;
  if (how !== 'code 0') {
    throw new Error(
      `${spec.name} failed (${how})\n${output.slice(-TAIL_BYTES)}\n${child.logTail()}`,
    );
  }
  return output;
}

export function pauseMs(waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, waitMs);
  });
}

class SpawnedProcess implements TestProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;

  constructor(spec: ProcessSpec, child: ChildProcess) {
    this.name = spec.name;
    this.logFile = spec.logFile;
    this.pid = child.pid!;
    this.#child = child;
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve(signal ?? `code ${code}`));
    });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stdin(): Writable | undefined {
    return this.#child.stdin ?? undefined;
  }

  get stdout(): Readable | undefined {
    return this.#child.stdout ?? undefined;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(boundMs: number = STOP_BOUND_MS): Promise<void> {
    if (this.alive) {
      this.kill('SIGTERM');
      this.kill('SIGCONT'); // a paused process gets its SIGTERM only when it runs again
    }
    const timer = setTimeout(() => this.kill('SIGKILL'), boundMs);
    await this.exited;
    clearTimeout(timer);
  }

  logTail(): string {
    const text = fs.readFileSync(this.logFile, 'utf8').slice(-TAIL_BYTES);
    return `--- end of ${this.logFile}\n${text}`;
  }
}

function spawnWithLog(spec: ProcessSpec): ChildProcess {
  const log = fs.openSync(spec.logFile, 'a');
  try {
    const [command, args] = dyingWithParent(spec);
    const child = spawn(command, args, {
      stdio: spec.pipes === true ? ['pipe', 'pipe', log] : ['ignore', log, log],
      env: { ...process.env, ...spec.env },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    });
    living.add(child);
    child.once('exit', () => living.delete(child));
    child.once('error', () => living.delete(child));
    child.stdin?.on('error', () => {}); // EPIPE of a process that is gone; `exited` tells it
    return child;
  } finally {
    fs.closeSync(log);
  }
}

/** prctl(PR_SET_PDEATHSIG) by util-linux: even a SIGKILL of the test process leaves nothing running. */
function dyingWithParent(spec: ProcessSpec): [command: string, args: string[]] {
  if (!fs.existsSync(SETPRIV)) return [spec.command, [...spec.args]];
  return [SETPRIV, ['--pdeathsig', 'KILL', '--', spec.command, ...spec.args]];
}

function guardExit(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', killAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killAll();
      // Ours was the only reader of the signal: it must still end this process.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
  }
}

function killAll(): void {
  for (const child of living) child.kill('SIGKILL');
}
