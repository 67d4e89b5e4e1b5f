// The commands of `logtier cluster`.
import { type Command, InvalidArgumentError } from 'commander';
import type { ChangeMembersRequest } from '../gen/logtier/v1/cluster.ts';
import type { ClusterCalls } from './cluster-calls.ts';
import {
  type ClusterContext,
  clusterHash,
  clusterMembers,
  clusterStatus,
  printMembers,
} from './cluster.ts';
import type { CliIo } from './command-context.ts';
import { child, type CommandEnd, type GlobalOptions, parseSeconds } from './program-parts.ts';
import { jsonDocument, printJson } from './printed.ts';
import { watchEvery } from './watch.ts';

export interface SavedFile {
  readonly path: string;
  readonly bytes: number;
}

export interface RestoredDirectory {
  readonly directory: string;
  readonly metastoreId: string;
  readonly incarnation: number;
}

/** What the process does for the commands of a group. */
export interface ClusterHost {
  readonly io: CliIo;
  /** Fires on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal;
  /** `endpoints`: as given, comma separated, or undefined to take them from environment, settings file or default. */
  connectCluster(endpoints: string | undefined, config: string | undefined): Promise<ClusterCalls>;
  /** Whole and durable, or not at all; refuses to replace a file. */
  saveSnapshot(content: AsyncIterable<Uint8Array>, path: string): Promise<SavedFile>;
  /** Into a directory that is empty or missing; undefined: where the settings say. */
  restoreSnapshot(
    file: string,
    directory: string | undefined,
    config: string | undefined,
  ): Promise<RestoredDirectory>;
  freshMetastoreId(): string;
}

export function addCluster(program: Command, host: ClusterHost, end: CommandEnd): void {
  const cluster = child(
    program,
    'cluster',
    'the members of a metastore; --endpoint names some of them, comma separated',
  );
  child(
    cluster,
    'status',
    'every member: role, term, how far; exit code 3 when one is down or nobody leads',
  )
    .option('-w, --watch [seconds]', 'print again every so many seconds', parseSeconds)
    .action(({ watch }: { watch?: number | true }) =>
      withCluster(program, host, (context) =>
        watchEvery(context, watch, async () => {
          end.code = await clusterStatus(context);
        }),
      ),
    );
  child(cluster, 'members', 'who votes, who learns, and where').action(() =>
    withCluster(program, host, clusterMembers),
  );
  child(cluster, 'hash', 'compare what the members hold; exit code 3 when they differ').action(() =>
    withCluster(program, host, async (context) => {
      end.code = await clusterHash(context);
    }),
  );
  child(cluster, 'new-id', 'make up the id of a new metastore, for metastore.group.id').action(
    () => {
      host.io.out(`${host.freshMetastoreId()}\n`);
    },
  );
  addChanges(cluster, program, host);
  addSnapshots(cluster, program, host);
}

function addChanges(cluster: Command, program: Command, host: ClusterHost): void {
  const change = (request: ChangeMembersRequest['change']): Promise<void> =>
    withCluster(program, host, async (context) => {
      const { members } = await context.calls.changeMembers({ change: request }, context.signal);
      printMembers(context, members);
    });
  child(
    cluster,
    'add <node> <address>',
    'take in a member that runs already, with a number never used before; it learns and does not vote',
  ).action((node: string, address: string) =>
    change({ $case: 'addLearner', value: { nodeId: parseNode(node), address } }),
  );
  child(cluster, 'promote <node>', 'let a learner vote that has caught up').action((node: string) =>
    change({ $case: 'promote', value: parseNode(node) }),
  );
  child(cluster, 'remove <node>', 'take a member out; its number is never used again').action(
    (node: string) => change({ $case: 'remove', value: parseNode(node) }),
  );
  child(
    cluster,
    'transfer-leader [node]',
    'hand the leadership over, to the one that has most if none is named',
  ).action((node: string | undefined) =>
    withCluster(program, host, async ({ calls, signal, io, format }) => {
      const to = node === undefined ? 0n : parseNode(node);
      const { leaderId } = await calls.transferLeadership(to, signal);
      io.out(format === 'json' ? printJson({ leaderId }) : `member ${leaderId} leads\n`);
    }),
  );
}

function addSnapshots(cluster: Command, program: Command, host: ClusterHost): void {
  const snapshot = child(cluster, 'snapshot', 'backups of the catalog');
  child(
    snapshot,
    'save <file>',
    'write everything a member has applied; the metastore goes on',
  ).action((file: string) =>
    withCluster(program, host, async ({ calls, signal, io, format }) => {
      const { address } = await calls.anyMember(signal);
      const content = withProgress(io, calls.snapshotOf(address, signal));
      const saved = await host.saveSnapshot(content, file);
      const text = `${saved.path}: ${saved.bytes} bytes from the member at ${address}\n`;
      io.out(format === 'json' ? printJson(jsonDocument('SavedSnapshot', [saved])) : text);
    }),
  );
  child(
    snapshot,
    'restore <file>',
    'make an empty directory a member that begins a new group; no member may run in it',
  )
    .option(
      '--dir <dir>',
      'the member’s directory (default: metastore in state.dir of the settings)',
    )
    .action(async (file: string, { dir }: { dir?: string }) => {
      const { config, output } = program.opts<GlobalOptions>();
      const restored = await host.restoreSnapshot(file, dir, config);
      host.io.out(
        output === 'json'
          ? printJson(jsonDocument('RestoredSnapshot', [restored]))
          : restoredText(restored),
      );
    });
}

function restoredText({ directory, metastoreId, incarnation }: RestoredDirectory): string {
  return `${directory}: metastore ${metastoreId}, incarnation ${incarnation}
Start this member alone (metastore.group.id: ${metastoreId}, itself as the only voter), then add others.
Nothing without a record is erased before the store is reconciled.
`;
}

async function* withProgress(
  io: CliIo,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    if (io.isTerminal) io.err(`\r\u001B[K${(bytes / 2 ** 20).toFixed(0)} MiB`);
    yield chunk;
  }
  if (io.isTerminal) io.err('\n');
}

async function withCluster<T>(
  program: Command,
  host: ClusterHost,
  work: (context: ClusterContext) => Promise<T>,
): Promise<T> {
  const { endpoint, config, output } = program.opts<GlobalOptions>();
  const calls = await host.connectCluster(endpoint, config);
  try {
    return await work({ io: host.io, format: output, calls, signal: host.signal });
  } finally {
    calls.close();
  }
}

function parseNode(text: string): bigint {
  if (!/^[1-9]\d{0,6}$/.test(text))
    throw new InvalidArgumentError('a member is named by its number.');
  return BigInt(text);
}
