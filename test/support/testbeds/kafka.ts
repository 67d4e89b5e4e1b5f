// Real Kafka brokers on loopback: KRaft nodes that are broker and controller at once, one JVM each.
// Retention, failover and checkpoints are set to seconds; tiering is off unless `properties` asks for it.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerProperties, propertiesText, type NodeAddress } from './kafka-properties.ts';
import { brokersSeenBy } from './kafka-probe.ts';
import {
  javaArgs,
  kafkaRuntime,
  newUuid,
  type KafkaRuntime,
  type KafkaVersion,
} from './kafka-runtime.ts';
import { freePorts } from './ports.ts';
import { startProcess, untilReady, type TestProcess } from './processes.ts';

export interface KafkaOptions {
  readonly version: KafkaVersion;
  /** Default 1. */
  readonly brokers?: 1 | 3;
  /** Home of data, settings and logs; must not hold another cluster. Default: a temporary one that `stop` removes. */
  readonly directory?: string;
  /** Default 1. */
  readonly logDirsPerBroker?: number;
  /** Broker properties that add to or replace the usual ones. */
  readonly properties?:
    | Readonly<Record<string, string>>
    | ((brokerId: number) => Readonly<Record<string, string>>);
  /** Default 256. */
  readonly heapMiB?: number;
}

export interface KafkaBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly logDirs: readonly string[];
  readonly logFile: string;
  /** Changes with each restart. */
  readonly pid: number;
  readonly alive: boolean;
  /** Sends a signal and, when it is SIGKILL, waits until the process is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: the broker keeps its sockets and its belief, and does nothing. */
  pause(): void;
  resume(): void;
  /** Stops the broker if it is alive, starts it on the same data and port, and waits until it serves. */
  restart(): Promise<void>;
  /** SIGTERM: a controlled shutdown, which hands leadership over first. */
  stop(): Promise<void>;
}

export interface KafkaTestbed {
  readonly version: KafkaVersion;
  /** `host:port` of every broker, comma separated. */
  readonly bootstrap: string;
  readonly clusterId: string;
  readonly directory: string;
  readonly brokers: readonly KafkaBroker[];
  /** Kills all brokers: a quorum that goes down one by one would wait for itself. */
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const READY_BOUND_MS = 240_000;
const STOP_BOUND_MS = 60_000;

export async function startKafka(options: KafkaOptions): Promise<KafkaTestbed> {
  const runtime = await kafkaRuntime(options.version);
  const directory = options.directory ?? (await fs.mkdtemp(join(tmpdir(), 'logtier-kafka-')));
  const clusterId = newUuid();
  const brokers = await layOut(runtime, { ...options, directory }, clusterId);
  const stop = async (): Promise<void> => {
    await Promise.all(brokers.map((broker) => broker.kill('SIGKILL')));
    if (options.directory === undefined) await fs.rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(brokers.map((broker) => broker.launch()));
    await Promise.all(brokers.map((broker) => broker.untilSees(brokers.length)));
  } catch (error) {
    await stop();
    throw error;
  }
  const bootstrap = brokers.map(({ host, port }) => `${host}:${port}`).join(',');
  return { version: options.version, bootstrap, clusterId, directory, brokers, stop };
}

async function layOut(
  runtime: KafkaRuntime,
  options: KafkaOptions & { readonly directory: string },
  clusterId: string,
): Promise<LocalBroker[]> {
  const count = options.brokers ?? 1;
  const ports = await freePorts(count * 2);
  const nodes: NodeAddress[] = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    port: ports[index * 2]!,
    controllerPort: ports[index * 2 + 1]!,
  }));
  return Promise.all(
    nodes.map(async (node) => {
      const home = join(options.directory, `broker-${node.id}`);
      const logDirs = Array.from({ length: options.logDirsPerBroker ?? 1 }, (_, index) =>
        join(home, `data-${index + 1}`),
      );
      for (const logDir of logDirs) await runtime.format(logDir, { clusterId, nodeId: node.id });
      const extra =
        typeof options.properties === 'function'
          ? options.properties(node.id)
          : (options.properties ?? {});
      const settings = propertiesText({ ...brokerProperties(node, nodes, logDirs), ...extra });
      await fs.writeFile(join(home, 'server.properties'), settings);
      return new LocalBroker(runtime, { home, node, logDirs, heapMiB: options.heapMiB ?? 256 });
    }),
  );
}

interface BrokerPlace {
  readonly home: string;
  readonly node: NodeAddress;
  readonly logDirs: readonly string[];
  readonly heapMiB: number;
}

class LocalBroker implements KafkaBroker {
  readonly id: number;
  readonly host = HOST;
  readonly port: number;
  readonly logDirs: readonly string[];
  readonly logFile: string;
  readonly #runtime: KafkaRuntime;
  readonly #place: BrokerPlace;
  #process: TestProcess | undefined;

  constructor(runtime: KafkaRuntime, place: BrokerPlace) {
    this.#runtime = runtime;
    this.#place = place;
    this.id = place.node.id;
    this.port = place.node.port;
    this.logDirs = place.logDirs;
    this.logFile = join(place.home, 'broker.log');
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`broker ${this.id} was never started`);
    return this.#process.pid;
  }

  get alive(): boolean {
    return this.#process?.alive ?? false;
  }

  async launch(): Promise<void> {
    this.#process = await startProcess({
      name: `broker ${this.id}`,
      command: 'java',
      args: [
        ...javaArgs(this.#runtime, { heapMiB: this.#place.heapMiB, logsDir: this.#place.home }),
        `-XX:SharedArchiveFile=${this.#runtime.classArchive}`,
        'kafka.Kafka',
        join(this.#place.home, 'server.properties'),
      ],
      cwd: this.#place.home,
      logFile: this.logFile,
    });
  }

  /** Until this broker knows itself and `count` brokers in all to be in service. */
  async untilSees(count: number): Promise<void> {
    if (this.#process === undefined) throw new Error(`broker ${this.id} was never started`);
    await untilReady(
      this.#process,
      async (signal) => {
        const seen = await brokersSeenBy(this.host, this.port, signal);
        return seen.includes(this.id) && seen.length >= count;
      },
      READY_BOUND_MS,
    );
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#process?.kill(signal);
    if (signal === 'SIGKILL') await this.#process?.exited;
  }

  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.launch();
    await this.untilSees(1);
  }

  async stop(): Promise<void> {
    await this.#process?.stop(STOP_BOUND_MS);
  }
}
