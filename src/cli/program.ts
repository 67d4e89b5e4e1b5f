// Every command of `logtier`, its arguments and its help. docs/cli.md is printed from it.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { LogtierError } from '../base/errors.ts';
import { addCluster, type ClusterHost } from './cluster-program.ts';
import type { CommandContext } from './command-context.ts';
import { doctor } from './doctor.ts';
import { exitCodeOf, exitCodes } from './exit-code.ts';
import { inventoryDescribe, inventoryLs } from './inventory.ts';
import type { OperatorCalls } from './operator-calls.ts';
import { parseOnePartition } from './partition-name.ts';
import { printJsonLine } from './printed.ts';
import { child, type CommandEnd, type GlobalOptions, parseSeconds } from './program-parts.ts';
import { recordsRead } from './records.ts';
import { segmentFetch, segmentLs, segmentStat, segmentVerify } from './segment.ts';
import { storeAudit } from './store-audit.ts';
import { tasks } from './tasks.ts';
import { watchEvery } from './watch.ts';
import { why } from './why.ts';

export interface DevOptions {
  readonly bootstrap: string;
  readonly logDirs: string;
  readonly store: string;
  readonly state: string | undefined;
  readonly grpc: string | undefined;
  readonly http: string | undefined;
}

/** What the process does for its command line; app/ supplies it. */
export interface CliHost extends ClusterHost {
  readonly version: string;
  /** `endpoint`: as given, or undefined to take it from environment, settings file or default. */
  connect(endpoint: string | undefined, config: string | undefined): Promise<OperatorCalls>;
  runSidecar(config: string | undefined): Promise<void>;
  runMetastore(config: string | undefined): Promise<void>;
  runDev(options: DevOptions): Promise<void>;
  /** One line when all is well; INVALID_CONFIG otherwise. */
  validateConfig(config: string | undefined): Promise<string>;
  /** The settings as YAML; `effective` adds defaults and the source of each value. Secrets are masked. */
  showConfig(config: string | undefined, effective: boolean): Promise<string>;
}

/** Runs one command line (without node and script) and resolves with the exit code. Never throws. */
export async function runCli(host: CliHost, argv: readonly string[]): Promise<number> {
  const end: CommandEnd = { code: exitCodes.ok.code };
  const program = buildProgram(host, end);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return host.signal.aborted && end.code === exitCodes.ok.code ? stopped(end) : end.code;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
    return reportError(host, argv, error);
  }
}

function stopped(end: CommandEnd): number {
  return end.isRole === true ? exitCodes.ok.code : exitCodes.interrupted.code;
}

function wantsJson(argv: readonly string[]): boolean {
  return argv.some((word, index) =>
    word === 'json'
      ? /^(-o|--output)$/.test(argv[index - 1] ?? '')
      : /^(-o|--output=)json$/.test(word),
  );
}

function reportError(host: CliHost, argv: readonly string[], error: unknown): number {
  if (host.signal.aborted) return exitCodes.interrupted.code;
  // What is no LogtierError is a bug of ours: its stack goes to whoever reports it.
  const known = error instanceof LogtierError;
  const message = error instanceof Error ? error.message : String(error);
  const hint = known ? error.hint : stackOf(error);
  const code = known ? error.code : 'INTERNAL';
  if (wantsJson(argv)) host.io.err(printJsonLine({ error: { code, message, hint } }));
  else host.io.err(`error: ${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`);
  return exitCodeOf(error);
}

function stackOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  return `this is a bug of logtier; please report it with these lines: ${stack}`;
}

export function buildProgram(host: CliHost, end: CommandEnd): Command {
  const program = new Command('logtier')
    .description(
      'Tiered storage for Apache Kafka: copies closed segments to HDFS or S3, and proves what it holds.',
    )
    .version(host.version, '-V, --version')
    .addOption(
      new Option(
        '--endpoint <address>',
        'gRPC address of a sidecar, HOST:PORT or unix:/path (default: settings, else 127.0.0.1:7400)',
      ).env('LOGTIER_ENDPOINT'),
    )
    .addOption(new Option('--config <file>', 'settings file').env('LOGTIER_CONFIG'))
    .addOption(
      new Option('-o, --output <format>', 'how to print')
        .choices(['table', 'json'])
        .default('table'),
    )
    .option('--bytes', 'print sizes as whole bytes')
    .showHelpAfterError('(add --help for usage)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        host.io.out(text);
      },
      writeErr: (text) => {
        host.io.err(text);
      },
    });
  addRoles(program, host, end);
  addInventory(program, host);
  addSegment(program, host, end);
  addRecords(program, host, end);
  addCare(program, host, end);
  addCluster(program, host, end);
  addConfig(program, host);
  return program;
}

/** Runs `work` against the endpoint and hangs up afterwards. */
async function withCalls<T>(
  program: Command,
  host: CliHost,
  work: (context: CommandContext) => Promise<T>,
): Promise<T> {
  const { endpoint, config, output, bytes } = program.opts<GlobalOptions>();
  const calls = await host.connect(endpoint, config);
  try {
    return await work({
      io: host.io,
      format: output,
      exactBytes: bytes === true,
      calls,
      signal: host.signal,
    });
  } finally {
    calls.close();
  }
}

function addRoles(program: Command, host: CliHost, end: CommandEnd): void {
  const config = (): string | undefined => program.opts<GlobalOptions>().config;
  const role = async (run: () => Promise<void>): Promise<void> => {
    end.isRole = true;
    await run();
  };
  child(
    program,
    'dev',
    'sidecar and metastore in one process, a directory as the store; needs no file',
  )
    .requiredOption('--bootstrap <host:port>', 'a broker of the cluster')
    .requiredOption('--log-dirs <dirs>', 'log.dirs of the broker on this host, comma separated')
    .requiredOption('--store <dir>', 'directory for the remote segments')
    .option('--state <dir>', 'our own files (default: .logtier beside the store directory)')
    .option('--grpc <address>', 'gRPC listener (default: 127.0.0.1:7400)')
    .option('--http <address>', 'health and metrics (default: 127.0.0.1:7401)')
    .action((options: DevOptions) => role(() => host.runDev(options)));
  child(program, 'sidecar', 'the sidecar of one broker').action(() =>
    role(() => host.runSidecar(config())),
  );
  child(program, 'metastore', 'one member of the metastore').action(() =>
    role(() => host.runMetastore(config())),
  );
}

function addInventory(program: Command, host: CliHost): void {
  const inventory = child(program, 'inventory', 'what lies where, local and remote');
  child(inventory, 'ls [topic[:partition]]', 'one line a partition')
    .option('-w, --watch [seconds]', 'print again every so many seconds', parseSeconds)
    .action((name: string | undefined, { watch }: { watch?: number | true }) =>
      withCalls(program, host, (context) =>
        watchEvery(context, watch, () => inventoryLs(context, name)),
      ),
    );
  child(
    inventory,
    'describe <topic:partition>',
    'one partition in detail: offsets, sizes, lag, epochs, findings',
  )
    .option('-w, --watch [seconds]', 'print again every so many seconds', parseSeconds)
    .action((name: string, { watch }: { watch?: number | true }) =>
      withCalls(program, host, (context) =>
        watchEvery(context, watch, () => inventoryDescribe(context, name)),
      ),
    );
  child(program, 'why <topic[:partition]>', 'why each closed local segment is not remote yet')
    .option('-w, --watch [seconds]', 'print again every so many seconds', parseSeconds)
    .action((name: string, { watch }: { watch?: number | true }) =>
      withCalls(program, host, (context) => watchEvery(context, watch, () => why(context, name))),
    );
}

function addSegment(program: Command, host: CliHost, end: CommandEnd): void {
  const segment = child(program, 'segment', 'remote segments, down to their bytes');
  child(segment, 'ls <topic:partition>', 'remote segments in offset order')
    .option('--from <offset>', 'first offset of interest', parseOffset)
    .option('--to <offset>', 'end of interest, exclusive', parseOffset)
    .action((name: string, { from, to }: { from?: bigint; to?: bigint }) =>
      withCalls(program, host, (context) =>
        segmentLs(context, name, { fromOffset: from, toOffset: to }),
      ),
    );
  child(segment, 'stat <segment-id>', 'record and manifest of one segment').action((id: string) =>
    withCalls(program, host, (context) => segmentStat(context, id)),
  );
  child(segment, 'fetch <segment-id>', 'write the segment’s files as the broker had them')
    .option('--to <dir>', 'existing directory; files are never replaced', '.')
    .action((id: string, { to }: { to: string }) =>
      withCalls(program, host, (context) => segmentFetch(context, id, to)),
    );
  child(
    segment,
    'verify <segment-id>',
    'read every byte again and check it; exit code 3 on a finding',
  ).action(async (id: string) => {
    end.code = await withCalls(program, host, (context) => segmentVerify(context, id));
  });
}

function addRecords(program: Command, host: CliHost, end: CommandEnd): void {
  const records = child(program, 'records', 'records of both tiers');
  child(
    records,
    'read <topic:partition>',
    'decode and print records; remote ones from the store, the rest from the broker',
  )
    .requiredOption('--from <offset>', 'first offset', parseOffset)
    .option('--count <n>', 'how many', parseOffset, 10n)
    .option('--committed', 'leave out aborted transactions')
    .action(
      async (
        name: string,
        { from, count, committed }: { from: bigint; count: bigint; committed?: boolean },
      ) => {
        const wanted = { fromOffset: from, count, committedOnly: committed === true };
        end.code = await withCalls(program, host, (context) => recordsRead(context, name, wanted));
      },
    );
}

function addCare(program: Command, host: CliHost, end: CommandEnd): void {
  child(
    program,
    'tasks',
    'copies in flight with rate and time left, erasures with their next due time and last error',
  )
    .option('-w, --watch', 'until Ctrl-C')
    .action(({ watch }: { watch?: boolean }) =>
      withCalls(program, host, (context) => tasks(context, watch === true)),
    );
  child(program, 'doctor', 'check the set-up; exit code 3 when a check fails').action(async () => {
    end.code = await withCalls(program, host, doctor);
  });
  const store = child(program, 'store', 'what the object stores hold');
  child(
    store,
    'audit [name]',
    'list a store and compare it with the catalog; exit code 3 on a finding',
  ).action(async (name: string | undefined) => {
    end.code = await withCalls(program, host, (context) => storeAudit(context, name ?? ''));
  });
  const claim = child(program, 'claim', 'the right to change a partition');
  child(
    claim,
    'release <topic:partition>',
    'give up this broker’s claim; the true leader claims again',
  ).action((name: string) =>
    withCalls(program, host, async ({ calls, signal, io }) => {
      await calls.releaseClaim(parseOnePartition(name), signal);
      io.out(`${name}: claim released\n`);
    }),
  );
  child(
    claim,
    'reset <topic>',
    'after the cluster’s controller was rebuilt: leader epochs may begin anew',
  )
    .requiredOption('--by <name>', 'who says so; kept in the metastore')
    .action((topic: string, { by }: { by: string }) =>
      withCalls(program, host, async ({ calls, signal, io }) => {
        const { partitions } = await calls.resetClaim({ topic, operator: by }, signal);
        io.out(`${topic}: claims of ${partitions} partitions reset; their leaders claim again\n`);
      }),
    );
  const clock = child(program, 'clock', 'the clock that retention goes by');
  child(
    clock,
    'confirm',
    'after a jump of more than an hour: the time is right, retention may go on',
  )
    .requiredOption('--by <name>', 'who says so; kept in the metastore')
    .action(({ by }: { by: string }) =>
      withCalls(program, host, async ({ calls, signal, io }) => {
        const { replicatedClockMs } = await calls.confirmClock({ confirmedBy: by }, signal);
        io.out(`the clock stands at ${new Date(Number(replicatedClockMs)).toISOString()}\n`);
      }),
    );
}

function addConfig(program: Command, host: CliHost): void {
  const file = (): string | undefined => program.opts<GlobalOptions>().config;
  const config = child(program, 'config', 'the settings');
  child(
    config,
    'validate',
    'check the settings file; exit code 2 names the first wrong key',
  ).action(async () => {
    host.io.out(await host.validateConfig(file()));
  });
  child(config, 'show', 'print the settings')
    .option('--effective', 'with defaults, and where each value comes from')
    .action(async ({ effective }: { effective?: boolean }) => {
      host.io.out(await host.showConfig(file(), effective === true));
    });
}

function parseOffset(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError('must be a whole number.');
  return BigInt(text);
}
