// What this HDFS really does, asked with small files below `.logtier-probe/`.
import { LogtierError, hasCode } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Random } from '../../platform/random.ts';
import { bytesSource } from '../byte-source.ts';
import { PROBE_PREFIX } from '../object-key.ts';
import type { StoreProbe } from '../object-store.ts';
import { requireReplicas } from './publish-file.ts';
import type { HdfsStoreSettings } from './settings.ts';
import type { WebhdfsClient } from './webhdfs-client.ts';

export interface ProbeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly client: WebhdfsClient;
}

interface ProbeRun {
  readonly deps: ProbeDeps;
  readonly settings: HdfsStoreSettings;
  readonly directory: string;
}

type Finding = (run: ProbeRun, signal: AbortSignal) => Promise<string>;

const FIRST = Buffer.from('logtier probe: first');
const OTHER = Buffer.from('logtier probe: other');
const ADDED = Buffer.from(' and more');

async function codeWhen(act: Promise<void>): Promise<ErrorCode | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    if (hasCode(error, 'OBJECT_EXISTS', 'OBJECT_NOT_FOUND', 'STORE_DENIED', 'STORE_REFUSED')) {
      return error.code;
    }
    throw error;
  }
}

function unsafe(fact: string): LogtierError {
  return new LogtierError('STORE_REFUSED', `this HDFS gateway cannot hold objects: ${fact}`, {
    hint: 'name the NameNodes themselves, not an HttpFS gateway',
  });
}

const writing: Finding = async ({ deps, directory }, signal) => {
  await deps.client.create(`${directory}/first`, bytesSource(FIRST), signal);
  await deps.client.create(`${directory}/other`, bytesSource(OTHER), signal);
  return 'writing: allowed, no safe mode';
};

const replicas: Finding = async ({ deps, settings, directory }, signal) => {
  const path = `${directory}/first`;
  await requireReplicas(deps, settings, path, signal);
  const { replication } = await deps.client.status(path, signal);
  const fewest = await deps.client.fewestReplicas(path, signal);
  return `replicas: ${fewest ?? 0} live of ${replication} asked, ${settings.minReplicas} required`;
};

const overwriting: Finding = async ({ deps, directory }, signal) => {
  const code = await codeWhen(deps.client.create(`${directory}/first`, bytesSource(OTHER), signal));
  if (code !== 'OBJECT_EXISTS') throw unsafe('a CREATE replaces a file that exists');
  return 'creating without replacing: works';
};

const renaming: Finding = async ({ deps, directory }, signal) => {
  const { client } = deps;
  const onto = await codeWhen(client.rename(`${directory}/other`, `${directory}/first`, signal));
  if (onto !== 'OBJECT_EXISTS') throw unsafe('a RENAME replaces a file that exists');
  const missing = await codeWhen(client.rename(`${directory}/none`, `${directory}/new`, signal));
  if (missing !== 'OBJECT_NOT_FOUND') throw unsafe('a RENAME does not tell why it refuses');
  await client.rename(`${directory}/other`, `${directory}/renamed`, signal);
  return 'publish by renaming, without replacing: works';
};

const reading: Finding = async ({ deps, directory }, signal) => {
  const got: Uint8Array[] = [];
  const range = { start: 8, end: FIRST.length };
  for await (const bytes of deps.client.open(`${directory}/first`, range, signal)) {
    got.push(Uint8Array.from(bytes));
  }
  const isSame = Buffer.concat(got).equals(FIRST.subarray(range.start));
  if (!isSame) throw unsafe('a range that was read is not what was written');
  return 'reading ranges: works';
};

const listing: Finding = async ({ deps, directory }, signal) => {
  const page = await deps.client.listBatch(directory, 'first', signal);
  const isPaged = page.entries.every(({ name }) => name > 'first');
  return `listing in pages: ${isPaged ? 'works' : 'no, whole directories come at once'}`;
};

/** Objects never change, but HDFS would let their owner: told, so that permissions are looked at. */
const appending: Finding = async ({ deps, directory }, signal) => {
  const path = `${directory}/renamed`;
  const refused = await codeWhen(deps.client.append(path, bytesSource(ADDED), signal));
  if (refused !== undefined) return 'appending: refused';
  const { sizeBytes } = await deps.client.status(path, signal);
  const length = sizeBytes === OTHER.length + ADDED.length ? 'told' : 'not told';
  return `appending: possible (not used), new length ${length} at once`;
};

const clock: Finding = async ({ deps }, signal) => {
  const aheadMs = (await deps.client.wallClockMs(signal)) - deps.clock.wallMs();
  return `clock of the NameNode less ours: ${Math.round(aheadMs / 1000)} s`;
};

const FINDINGS = [
  writing,
  replicas,
  overwriting,
  renaming,
  reading,
  listing,
  appending,
  clock,
] as const;

async function cleanUp({ deps, directory }: ProbeRun, signal: AbortSignal): Promise<void> {
  for (const name of ['first', 'other', 'renamed', 'new']) {
    await deps.client.remove(`${directory}/${name}`, signal);
  }
  await deps.client.remove(directory, signal);
}

/** Rejects when a promise of the store cannot be kept here; else says what was found. */
export async function probeHdfs(
  deps: ProbeDeps,
  settings: HdfsStoreSettings,
  signal: AbortSignal,
): Promise<StoreProbe> {
  const name = Buffer.from(deps.random.bytes(8)).toString('hex');
  const directory = `${settings.directory}/${PROBE_PREFIX}${name}`;
  const run = { deps, settings, directory };
  const findings: string[] = [];
  try {
    await deps.client.makeDirectories(directory, signal);
    for (const find of FINDINGS) findings.push(await find(run, signal));
  } finally {
    await cleanUp(run, signal);
  }
  return { findings: [...findings, 'checksum of whole objects: none, read back'] };
}
