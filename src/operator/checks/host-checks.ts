// This host: log directories, file watches, our own state directory, the cache.
import { printBytes } from '../../base/units.ts';
import type { Disk } from '../../platform/disk.ts';
import type { DiskSpaceOf } from '../../platform/disk-space.ts';
import type { Random } from '../../platform/random.ts';
import type { Diagnosis } from '../../gen/logtier/v1/operator.ts';
import { failed, ok, warn, type Check } from '../diagnosis.ts';

export interface CacheState {
  readonly isOn: boolean;
  /** Size when on, the reason when off. */
  readonly words: string;
}

export interface HostCheckDeps {
  readonly disk: Disk;
  readonly diskSpace: DiskSpaceOf;
  readonly random: Random;
  readonly cache: () => CacheState;
}

export interface HostCheckSettings {
  readonly logDirs: readonly string[];
  readonly stateDir: string;
}

const WATCH_LIMIT_PATH = '/proc/sys/fs/inotify/max_user_watches';
/** Above this share of the limit new directories may soon go without a watch. */
const WATCHES_SHARE = 0.8;
/** The view, the embedded metastore and the log of a sidecar need little, but not nothing. */
const LOW_BYTES = 1024 ** 3;
const LOW_SHARE = 0.05;

export function hostChecks(deps: HostCheckDeps, settings: HostCheckSettings): Check[] {
  return [
    { name: 'log-dirs', run: () => checkLogDirs(deps, settings) },
    { name: 'file-watches', run: () => checkWatches(deps, settings) },
    { name: 'state-dir', run: () => checkStateDir(deps, settings) },
    { name: 'cache', run: () => Promise.resolve(checkCache(deps)) },
  ];
}

async function checkLogDirs(
  { disk }: HostCheckDeps,
  { logDirs }: HostCheckSettings,
): Promise<Diagnosis[]> {
  const check = 'log-dirs';
  const hint = 'run the sidecar in the group that owns log.dirs, with read and search permission';
  return await Promise.all(
    logDirs.map(async (logDir) => {
      try {
        const entries = await disk.list(logDir);
        const first = entries.find(({ name, kind }) => kind === 'directory' && /-\d+$/.test(name));
        if (first !== undefined) await disk.list(`${logDir}/${first.name}`);
        return ok(check, `${logDir} can be read: ${directories(entries)} directories`);
      } catch (error) {
        return failed(check, `${logDir} cannot be read`, error, hint);
      }
    }),
  );
}

function directories(entries: readonly { readonly kind: string }[]): number {
  return entries.filter(({ kind }) => kind === 'directory').length;
}

async function checkWatches(
  { disk }: HostCheckDeps,
  { logDirs }: HostCheckSettings,
): Promise<Diagnosis[]> {
  const check = 'file-watches';
  try {
    const limit = Number((await disk.readFile(WATCH_LIMIT_PATH)).toString('utf8').trim());
    const lists = await Promise.all(logDirs.map((logDir) => disk.list(logDir)));
    const needed = lists.reduce((sum, entries) => sum + 1 + directories(entries), 0);
    const text = `${needed} file watches needed, ${limit} allowed to a user`;
    if (needed <= limit * WATCHES_SHARE) return [ok(check, text)];
    const hint = `raise fs.inotify.max_user_watches; without a watch a directory is looked at by time`;
    return [warn(check, text, hint)];
  } catch (error) {
    return [failed(check, 'the limit of file watches is not known', error, 'is /proc mounted?')];
  }
}

async function checkStateDir(
  { disk, diskSpace, random }: HostCheckDeps,
  { stateDir }: HostCheckSettings,
): Promise<Diagnosis[]> {
  const check = 'state-dir';
  const path = `${stateDir}/.doctor-${Buffer.from(random.bytes(6)).toString('hex')}`;
  try {
    const file = await disk.open(path, 'create');
    try {
      await file.write(Buffer.from('doctor\n'), 0);
      await file.sync();
    } finally {
      await file.close();
      await disk.unlink(path);
    }
    const { freeBytes, sizeBytes } = await diskSpace(stateDir);
    const text = `${stateDir} can be written; ${printBytes(freeBytes)} of ${printBytes(sizeBytes)} free`;
    if (freeBytes >= Math.min(LOW_BYTES, sizeBytes * LOW_SHARE)) return [ok(check, text)];
    return [warn(check, text, 'make room: without it copies and the cache stop')];
  } catch (error) {
    const hint = 'state.dir must belong to the sidecar’s user, on a file system with room';
    return [failed(check, `${stateDir} cannot be written`, error, hint)];
  }
}

function checkCache({ cache }: HostCheckDeps): Diagnosis[] {
  const { isOn, words } = cache();
  if (isOn) return [ok('cache', `the disk cache is on: ${words}`)];
  const hint = 'reads of history go to the store each time; see cache.sizeBytes and cache.dir';
  return [warn('cache', `the disk cache is off: ${words}`, hint)];
}
