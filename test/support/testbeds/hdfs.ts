// A real HDFS on loopback: one NameNode and one or two DataNodes 3.5.0 as processes, from Maven artifacts.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentKey, once } from './cache.ts';
import { mavenJars } from './jars.ts';
import { freePorts } from './ports.ts';
import { runToEnd, startProcess, untilReady, type TestProcess } from './processes.ts';

const VERSION = '3.5.0';

export type HdfsNode = 'namenode' | DataNode;
/** The second one only with `dataNodes: 2`. */
export type DataNode = 'datanode' | 'datanode2';

export interface HdfsTestbed {
  /** `http://127.0.0.1:PORT`: WebHDFS of the NameNode. */
  readonly nameNodeUrl: string;
  /** `127.0.0.1:PORT`: WebHDFS of the DataNode, as the NameNode names it. */
  readonly dataNodeHost: string;
  /** Superuser: owns the root directory. */
  readonly user: string;
  readonly pids: Readonly<Record<'namenode' | 'datanode', number>>;
  readonly logFiles: Readonly<Record<'namenode' | 'datanode', string>>;
  /** Sends a signal and, when it is SIGKILL, waits until the process is gone. */
  kill(node: HdfsNode, signal: NodeJS.Signals): Promise<void>;
  /** Starts a node again on its data and ports; resolves when the cluster is ready. */
  restart(node: HdfsNode): Promise<void>;
  stop(): Promise<void>;
}

export interface HdfsOptions {
  /** Home of data, settings and logs. Default: a temporary one that `stop` removes. */
  readonly directory?: string;
  /** Default: one. */
  readonly dataNodes?: 1 | 2;
}

const MAIN_CLASSES: Readonly<Record<HdfsNode, string>> = {
  namenode: 'org.apache.hadoop.hdfs.server.namenode.NameNode',
  datanode: 'org.apache.hadoop.hdfs.server.datanode.DataNode',
  datanode2: 'org.apache.hadoop.hdfs.server.datanode.DataNode',
};

const JVM_ARGS = [
  '-XX:+UseSerialGC',
  '-Xmx256m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+PerfDisableSharedMem',
  '-Djava.net.preferIPv4Stack=true',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.util=ALL-UNNAMED',
] as const;

const LOG4J = `log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %p %c{2}: %m%n
`;

/** Hadoop looks for the (empty) directories of its web pages in the class path. */
const WEB_APPS = ['hdfs', 'datanode', 'static'];

/** What all clusters of one machine share, made once. */
interface Runtime {
  readonly classPath: string;
  readonly loggerArg: string;
  /** A formatted name directory, and an archive of loaded classes per node (AppCDS). */
  readonly home: string;
}

interface DataNodePorts {
  readonly data: number;
  readonly dataHttp: number;
  readonly dataIpc: number;
}

interface Ports {
  readonly rpc: number;
  readonly http: number;
  /** Of every DataNode of the cluster. */
  readonly dataNodes: Readonly<Partial<Record<DataNode, DataNodePorts>>>;
}

async function portsOfCluster(dataNodes: 1 | 2): Promise<Ports> {
  const [rpc, http, ...rest] = await freePorts(2 + 3 * dataNodes);
  const [first, second] = [rest.slice(0, 3), rest.slice(3)].map(([data, dataHttp, dataIpc]) => ({
    data: data!,
    dataHttp: dataHttp!,
    dataIpc: dataIpc!,
  }));
  const one = { datanode: first! };
  return {
    rpc: rpc!,
    http: http!,
    dataNodes: dataNodes === 1 ? one : { ...one, datanode2: second! },
  };
}

function at(port: number): string {
  return `127.0.0.1:${port}`;
}

function siteOf(
  ports: Ports,
  dataNode: DataNode,
  directory: string,
): Readonly<Record<string, string>> {
  const own = ports.dataNodes[dataNode]!;
  return {
    'fs.defaultFS': `hdfs://${at(ports.rpc)}`,
    'hadoop.tmp.dir': join(directory, 'tmp', dataNode),
    'hadoop.http.staticuser.user': 'logtier',
    'dfs.namenode.rpc-address': at(ports.rpc),
    'dfs.namenode.http-address': at(ports.http),
    'dfs.datanode.address': at(own.data),
    'dfs.datanode.http.address': at(own.dataHttp),
    'dfs.datanode.ipc.address': at(own.dataIpc),
    'dfs.datanode.hostname': '127.0.0.1',
    'dfs.namenode.name.dir': `file://${join(directory, 'name')}`,
    'dfs.datanode.data.dir': `file://${join(directory, dataNode)}`,
    'dfs.replication': '1',
    'dfs.permissions.superusergroup': 'logtier',
    'dfs.namenode.fs-limits.min-block-size': '4096',
    'dfs.namenode.safemode.extension': '0',
    // Pages of a listing: small, so that a few files make several.
    'dfs.ls.limit': '40',
    'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
    // A dead DataNode is noticed in 12 s instead of 10.5 minutes.
    'dfs.heartbeat.interval': '1',
    'dfs.namenode.heartbeat.recheck-interval': '1000',
    'dfs.client.block.write.replace-datanode-on-failure.policy': 'NEVER',
    'dfs.datanode.du.reserved': '0',
  };
}

/** A NameNode reads the one of the first DataNode. */
function siteFile(node: HdfsNode, directory: string): string {
  return join(directory, node === 'datanode2' ? 'site2.xml' : 'site.xml');
}

async function writeSites(ports: Ports, directory: string): Promise<void> {
  await fs.mkdir(directory, { recursive: true });
  await writeSite(ports, 'datanode', directory);
  if (ports.dataNodes.datanode2) await writeSite(ports, 'datanode2', directory);
}

async function writeSite(ports: Ports, dataNode: DataNode, directory: string): Promise<void> {
  const properties = Object.entries(siteOf(ports, dataNode, directory)).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  );
  await fs.writeFile(
    siteFile(dataNode, directory),
    `<configuration>\n${properties.join('\n')}\n</configuration>\n`,
  );
}

/** A jar, because the class archive refuses directories in the class path. */
async function makeWebApps(directory: string): Promise<void> {
  for (const name of WEB_APPS) {
    await fs.mkdir(join(directory, 'tree', 'webapps', name), { recursive: true });
  }
  await fs.writeFile(join(directory, 'log4j.properties'), LOG4J);
  await runToEnd({
    name: 'jar',
    command: 'jar',
    args: ['-c', '-f', join(directory, 'webapps.jar'), '-C', join(directory, 'tree'), 'webapps'],
    logFile: join(directory, 'jar.log'),
  });
}

/** About 45 s the first time on a machine, Maven included. */
async function hdfsRuntime(): Promise<Runtime> {
  const jars = await mavenJars(
    `hdfs-${VERSION}`,
    ['hadoop-common', 'hadoop-hdfs', 'hadoop-hdfs-client'].map((id) => ({
      coordinate: `org.apache.hadoop:${id}:${VERSION}`,
    })),
  );
  const key = contentKey(VERSION, LOG4J, ...WEB_APPS, ...JVM_ARGS);
  const webApps = await once('hdfs-webapps', key, makeWebApps);
  const shared = {
    classPath: `${join(webApps, 'webapps.jar')}:${jars}/*`,
    loggerArg: `-Dlog4j.configuration=file:${join(webApps, 'log4j.properties')}`,
  };
  const home = await once('hdfs-runtime', contentKey(key, jars), (directory) =>
    makeRuntime({ ...shared, home: directory }),
  );
  return { ...shared, home };
}

function archiveOf(runtime: Runtime, node: HdfsNode): string {
  return join(runtime.home, `${node === 'namenode' ? node : 'datanode'}.jsa`);
}

function javaArgs(runtime: Runtime, node: HdfsNode, directory: string): string[] {
  const jvm = [...JVM_ARGS, runtime.loggerArg, '-cp', runtime.classPath];
  return [...jvm, MAIN_CLASSES[node], '-conf', siteFile(node, directory)];
}

/** Formats a name directory and runs both nodes once, for the archives of their classes. */
async function makeRuntime(runtime: Runtime): Promise<void> {
  const scratch = join(runtime.home, 'scratch');
  const ports = await portsOfCluster(1);
  await writeSites(ports, scratch);
  await runToEnd({
    name: 'namenode -format',
    command: 'java',
    args: [...javaArgs(runtime, 'namenode', scratch), '-format', '-force', '-nonInteractive'],
    logFile: join(scratch, 'format.log'),
    env: { HADOOP_USER_NAME: 'logtier' },
  });
  await fs.cp(join(scratch, 'name'), join(runtime.home, 'name'), { recursive: true });
  const cluster = new Cluster(runtime, ports, scratch);
  await cluster.start('-XX:ArchiveClassesAtExit=');
  await cluster.halt(60_000);
  await fs.access(archiveOf(runtime, 'namenode'));
  await fs.access(archiveOf(runtime, 'datanode'));
  await fs.rm(scratch, { recursive: true });
}

class Cluster {
  readonly directory: string;
  readonly ports: Ports;
  readonly running = new Map<HdfsNode, TestProcess>();
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, ports: Ports, directory: string) {
    this.#runtime = runtime;
    this.ports = ports;
    this.directory = directory;
  }

  get dataNodes(): readonly DataNode[] {
    return this.ports.dataNodes.datanode2 ? ['datanode', 'datanode2'] : ['datanode'];
  }

  async start(archiveOption = '-XX:SharedArchiveFile='): Promise<void> {
    for (const node of ['namenode', ...this.dataNodes] as const) {
      await this.launch(node, archiveOption);
    }
    await this.ready();
  }

  async launch(node: HdfsNode, archiveOption = '-XX:SharedArchiveFile='): Promise<void> {
    const archive = `${archiveOption}${archiveOf(this.#runtime, node)}`;
    const launched = await startProcess({
      name: node,
      command: 'java',
      args: [archive, ...javaArgs(this.#runtime, node, this.directory)],
      logFile: this.logFileOf(node),
      env: { HADOOP_USER_NAME: 'logtier' },
    });
    this.running.set(node, launched);
  }

  /** Every DataNode is live, and the NameNode out of safe mode. */
  async ready(): Promise<void> {
    for (const name of this.dataNodes) {
      const dataNode = this.processOf(name);
      await untilReady(dataNode, (signal) => this.#isServing(name, signal), READY_BOUND_MS);
    }
    const nameNode = this.processOf('namenode');
    await untilReady(nameNode, (signal) => this.#isReady(signal), READY_BOUND_MS);
  }

  processOf(node: HdfsNode): TestProcess {
    const found = this.running.get(node);
    if (found === undefined) throw new Error(`${node} was never started`);
    return found;
  }

  logFileOf(node: HdfsNode): string {
    return join(this.directory, `${node}.log`);
  }

  async halt(boundMs?: number): Promise<void> {
    const all = [...this.running.values()];
    await Promise.all(all.map((launched) => launched.stop(boundMs)));
  }

  async #isReady(signal: AbortSignal): Promise<boolean> {
    const asked = `http://127.0.0.1:${this.ports.http}/jmx?qry=Hadoop:service=NameNode,name=`;
    const bean = async (name: string): Promise<string> =>
      (await fetch(`${asked}${name}`, { signal })).text();
    const isLive = (await bean('FSNamesystemState')).includes(
      `"NumLiveDataNodes" : ${this.dataNodes.length}`,
    );
    return isLive && (await bean('NameNodeInfo')).includes('"Safemode" : ""');
  }

  /** The NameNode believes in a dead DataNode for a while, so it is asked itself. */
  async #isServing(dataNode: DataNode, signal: AbortSignal): Promise<boolean> {
    const query = 'qry=Hadoop:service=DataNode,name=DataNodeInfo';
    const asked = `http://${at(this.ports.dataNodes[dataNode]!.dataHttp)}/jmx?${query}`;
    const info = await (await fetch(asked, { signal })).text();
    return /ActorState[^,]*RUNNING/.test(info) && /LastBlockReport[^,]*\d/.test(info);
  }
}

/** A NameNode that comes back waits in safe mode for the DataNode's block report. */
const READY_BOUND_MS = 300_000;

/** Ready when it resolves: about 6 s. */
export async function startHdfs(options: HdfsOptions = {}): Promise<HdfsTestbed> {
  const runtime = await hdfsRuntime();
  const directory = options.directory ?? (await fs.mkdtemp(join(tmpdir(), 'logtier-hdfs-')));
  const cluster = new Cluster(runtime, await portsOfCluster(options.dataNodes ?? 1), directory);
  await writeSites(cluster.ports, directory);
  await fs.cp(join(runtime.home, 'name'), join(directory, 'name'), { recursive: true });
  try {
    await cluster.start();
  } catch (error) {
    await cluster.halt();
    throw error;
  }
  return {
    nameNodeUrl: `http://127.0.0.1:${cluster.ports.http}`,
    dataNodeHost: at(cluster.ports.dataNodes.datanode!.dataHttp),
    user: 'logtier',
    get pids() {
      return {
        namenode: cluster.processOf('namenode').pid,
        datanode: cluster.processOf('datanode').pid,
      };
    },
    logFiles: { namenode: cluster.logFileOf('namenode'), datanode: cluster.logFileOf('datanode') },
    kill: async (node, signal) => {
      const killed = cluster.processOf(node);
      killed.kill(signal);
      if (signal === 'SIGKILL') await killed.exited;
    },
    restart: async (node) => {
      await cluster.processOf(node).stop();
      await cluster.launch(node);
      await cluster.ready();
    },
    stop: async () => {
      await cluster.halt();
      if (options.directory === undefined) await fs.rm(directory, { recursive: true, force: true });
    },
  };
}
