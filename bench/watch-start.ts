// How long until the watcher knows every file, and in how much memory? 10,000 directories with 100,000 files, each
// measure in a fresh process, against a bare readdir of all of them.
import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { segmentFileName } from '../src/kafka/segment-files.ts';
import { systemClock } from '../src/platform/clock.ts';
import { nodeDisk } from '../src/platform/disk.ts';
import { silentLogger } from '../src/platform/log.ts';
import { SegmentWatcher } from '../src/uploader/segment-watcher.ts';
import { benchLine, type BenchLine } from './support/bench-line.ts';

const DIRECTORIES = 10_000;
/** Two segments of three files, a snapshot, and Kafka's three small ones. */
const SEGMENTS_A_DIRECTORY = 2;
const OTHER_FILES = ['partition.metadata', 'leader-epoch-checkpoint', 'remote-log-start'];
/** Of each measure; the median counts. */
const RUNS = 3;
const CHILD_FLAG = '--child';

type Way = 'watcher' | 'readdir';

interface Measured {
  readonly seconds: number;
  /** Growth of the resident set over the start of the measure. */
  readonly rssMib: number;
  readonly directories: number;
}

export async function* run(): AsyncGenerator<BenchLine> {
  const logDir = await fs.mkdtemp(join(tmpdir(), 'logtier-watch-'));
  try {
    process.stderr.write(`making ${DIRECTORIES} directories\n`);
    await makeLogDir(logDir);
    const reference = await median('readdir', logDir);
    const watcher = await median('watcher', logDir);
    const seconds = { case: 'start', value: watcher.seconds, unit: 's' };
    yield benchLine('watch-start', seconds, reference.seconds);
    const memory = { case: 'memory', value: watcher.rssMib, unit: 'MiB' };
    yield benchLine('watch-start', memory, reference.rssMib);
  } finally {
    await fs.rm(logDir, { recursive: true, force: true });
  }
}

async function makeLogDir(logDir: string): Promise<void> {
  for (let first = 0; first < DIRECTORIES; first += 100) {
    const batch = Array.from({ length: 100 }, (_, at) => makeDirectory(logDir, first + at));
    await Promise.all(batch);
  }
}

async function makeDirectory(logDir: string, number: number): Promise<void> {
  const directory = join(logDir, `topic-${Math.floor(number / 10)}-${number % 10}`);
  await fs.mkdir(directory);
  const segments = Array.from({ length: SEGMENTS_A_DIRECTORY }, (_, at) => BigInt(at) * 1000n);
  const names = segments.flatMap((offset) =>
    (['log', 'index', 'timeindex'] as const).map((kind) => segmentFileName(offset, kind)),
  );
  const snapshot = segmentFileName(1000n, 'snapshot');
  const files = [...names, snapshot, ...OTHER_FILES];
  await Promise.all(files.map((name) => fs.writeFile(join(directory, name), '')));
}

async function median(way: Way, logDir: string): Promise<Measured> {
  const runs: Measured[] = [];
  for (let count = 0; count < RUNS; count += 1) runs.push(await inChild(way, logDir));
  const sorted = runs.toSorted((left, right) => left.seconds - right.seconds);
  const middle = sorted[Math.floor(RUNS / 2)];
  if (middle?.directories !== DIRECTORIES) throw new Error(`${way} saw ${middle?.directories}`);
  return middle;
}

async function inChild(way: Way, logDir: string): Promise<Measured> {
  const args = ['--expose-gc', '--import', 'tsx', import.meta.filename, CHILD_FLAG, way, logDir];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Measured;
}

async function measure(way: Way, logDir: string): Promise<Measured> {
  globalThis.gc?.();
  const rssBefore = process.memoryUsage.rss();
  const beganMs = performance.now();
  const directories = way === 'watcher' ? await startWatcher(logDir) : await readAll(logDir);
  const seconds = (performance.now() - beganMs) / 1000;
  const rssMib = (process.memoryUsage.rss() - rssBefore) / 2 ** 20;
  return { seconds, rssMib, directories };
}

/** What was found, kept until the resident set is read. */
const kept: unknown[] = [];

async function startWatcher(logDir: string): Promise<number> {
  let seen = 0;
  const deps = { disk: nodeDisk, clock: systemClock, logger: silentLogger };
  const watcher = new SegmentWatcher(
    deps,
    { logDirs: [logDir], scanIntervalMs: 3_600_000 },
    {
      changed: () => {
        seen += 1;
      },
      gone: () => undefined,
    },
  );
  await watcher.start();
  kept.push(watcher);
  const [finding] = watcher.findings();
  if (finding !== undefined) throw new Error(finding.text);
  return seen;
}

/** As many at once as the watcher lists; the names are kept, as whoever knows the files must. */
async function readAll(logDir: string): Promise<number> {
  const names = await fs.readdir(logDir);
  const found = new Map<string, readonly string[]>();
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < names.length; at = next++)
      found.set(names[at] ?? '', await fs.readdir(join(logDir, names[at] ?? '')));
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  kept.push(found);
  return found.size;
}

if (resolve(process.argv[1] ?? '') === import.meta.filename && process.argv[2] === CHILD_FLAG) {
  const way: Way = process.argv[3] === 'watcher' ? 'watcher' : 'readdir';
  process.stdout.write(JSON.stringify(await measure(way, process.argv[4] ?? '')));
  process.exit(0); // the watcher's watches would keep the process
}
