// Things that are slow to fetch or build, made once per machine under `.cache/` (LOGTIER_CACHE names another place).
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pauseMs } from './processes.ts';

const LOCK_POLL_MS = 100;
const LOCK_TOUCH_MS = 5_000;
/** A holder touches its lock every 5 s; one that did not for this long is taken for dead. */
const LOCK_STALE_MS = 60_000;

export function cacheRoot(): string {
  return process.env['LOGTIER_CACHE'] ?? fileURLToPath(new URL('../../../.cache', import.meta.url));
}

export function cachePath(...names: readonly string[]): string {
  return join(cacheRoot(), ...names);
}

/** A short key that changes with any of the texts: the `version` of things derived from them. */
export function contentKey(...texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
}

/**
 * The directory `.cache/<name>/<version>`, filled by `make` when it is not there.
 *
 * `make` fills an empty directory that gets its name only when complete: whoever sees it sees all of it.
 * Of many processes one makes it and the others wait.
 */
export async function once(
  name: string,
  version: string,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  const target = cachePath(name, version);
  if (await exists(target)) return target;
  await fs.mkdir(cachePath(name), { recursive: true });
  await withLock(`${target}.lock`, async () => {
    if (!(await exists(target))) await makeAside(target, make);
  });
  return target;
}

/** Holds a lock file while `work` runs; a holder that died without a word is replaced. */
export async function withLock<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  await takeLock(lockFile);
  const touching = setInterval(() => {
    const now = new Date();
    fs.utimes(lockFile, now, now).catch(() => {});
  }, LOCK_TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touching);
    await fs.rm(lockFile, { force: true });
  }
}

async function makeAside(
  target: string,
  make: (directory: string) => Promise<void>,
): Promise<void> {
  const aside = `${target}.${randomUUID()}.tmp`;
  await fs.mkdir(aside);
  try {
    await make(aside);
    await fs.rename(aside, target);
  } catch (error) {
    await fs.rm(aside, { recursive: true, force: true });
    // Two makers are possible when a lock went stale; the first to finish is right.
    if (!(await exists(target))) throw error;
  }
}

async function takeLock(lockFile: string): Promise<void> {
  for (;;) {
    try {
      await fs.writeFile(lockFile, `${process.pid}`, { flag: 'wx' });
      return;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (await isAbandoned(lockFile)) await fs.rm(lockFile, { force: true });
    else await pauseMs(LOCK_POLL_MS);
  }
}

async function isAbandoned(lockFile: string): Promise<boolean> {
  try {
    const { mtimeMs } = await fs.stat(lockFile);
    const pid = Number(await fs.readFile(lockFile, 'utf8'));
    return Date.now() - mtimeMs > LOCK_STALE_MS || (pid > 0 && !isRunning(pid));
  } catch {
    return false; // released in this moment
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function exists(path: string): Promise<boolean> {
  return fs.access(path).then(
    () => true,
    () => false,
  );
}
