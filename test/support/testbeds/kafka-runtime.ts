// What every broker of one Kafka version shares, made once: jars, logger settings, the first metadata
// records and an archive of loaded classes (AppCDS) that takes a start from 4 s to 1.5 s.
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { contentKey, once } from './cache.ts';
import { mavenJars, type MavenArtifact } from './jars.ts';
import { brokerProperties, propertiesText } from './kafka-properties.ts';
import { brokersSeenBy } from './kafka-probe.ts';
import { freePorts } from './ports.ts';
import { runToEnd, startProcess, untilReady } from './processes.ts';

export type KafkaVersion = '3.9.2' | '4.3.1';

export interface KafkaRuntime {
  readonly version: KafkaVersion;
  readonly jars: string;
  readonly loggerArg: string;
  readonly classArchive: string;
  /** What StorageTool format would write into one log directory, without its JVM start. */
  format(logDir: string, ids: NodeIds): Promise<void>;
}

export interface NodeIds {
  readonly clusterId: string;
  readonly nodeId: number;
}

interface LoggerFiles {
  readonly artifacts: readonly MavenArtifact[];
  readonly file: string;
  readonly text: string;
  readonly property: string;
}

const LOG4J1: LoggerFiles = {
  artifacts: [{ coordinate: 'org.slf4j:slf4j-reload4j:1.7.36' }],
  file: 'log4j.properties',
  text: `log4j.rootLogger=\${kafka.loglevel}, stdout
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=%d %p %m (%c)%n
`,
  property: '-Dlog4j.configuration=file:',
};

const LOG4J2: LoggerFiles = {
  // Not -slf4j2-impl: Kafka 4 still names slf4j-api 1.7.36.
  artifacts: [
    { coordinate: 'org.apache.logging.log4j:log4j-slf4j-impl:2.25.3' },
    { coordinate: 'org.apache.logging.log4j:log4j-core:2.25.3' },
  ],
  file: 'log4j2.xml',
  text: `<Configuration status="warn">
  <Appenders>
    <Console name="stdout"><PatternLayout pattern="%d %p %m (%c)%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="\${sys:kafka.loglevel:-WARN}"><AppenderRef ref="stdout"/></Root>
  </Loggers>
</Configuration>
`,
  property: '-Dlog4j2.configurationFile=',
};

const JVM_ARGS = [
  '-Xms64m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xss512k',
  '-XX:ReservedCodeCacheSize=64m',
  '-XX:+PerfDisableSharedMem',
  '-Dkafka.loglevel=WARN',
] as const;

/** The tools bring DumpLogSegments, our oracle for file formats; Connect would bring 40 jars of Jetty. */
const TOOLS_WITHOUT = ['connect-runtime', 'connect-api', 'connect-json'].map(
  (id) => `org.apache.kafka:${id}`,
);

/** The directory of jars of a Kafka version: broker, clients, tools and a logger. */
export async function kafkaJars(version: KafkaVersion): Promise<string> {
  return mavenJars(`kafka-${version}`, [
    { coordinate: `org.apache.kafka:kafka_2.13:${version}` },
    { coordinate: `org.apache.kafka:kafka-tools:${version}`, without: TOOLS_WITHOUT },
    ...loggerOf(version).artifacts,
  ]);
}

export async function kafkaRuntime(version: KafkaVersion): Promise<KafkaRuntime> {
  const jars = await kafkaJars(version);
  const logger = loggerOf(version);
  const key = contentKey(version, jars, logger.text, ...JVM_ARGS);
  const home = await once(`kafka-runtime-${version}`, key, (directory) =>
    makeRuntime(version, jars, directory),
  );
  return runtimeAt(version, jars, home);
}

/** Options of the JVM up to the class path; the main class follows. */
export function javaArgs(
  runtime: Pick<KafkaRuntime, 'jars' | 'loggerArg'>,
  settings: { readonly heapMiB: number; readonly logsDir: string },
): string[] {
  return [
    ...JVM_ARGS,
    `-Xmx${settings.heapMiB}m`,
    runtime.loggerArg,
    `-Dkafka.logs.dir=${settings.logsDir}`,
    '-cp',
    `${runtime.jars}/*`,
  ];
}

function loggerOf(version: KafkaVersion): LoggerFiles {
  return version.startsWith('3.') ? LOG4J1 : LOG4J2;
}

function runtimeAt(version: KafkaVersion, jars: string, home: string): KafkaRuntime {
  const logger = loggerOf(version);
  return {
    version,
    jars,
    loggerArg: `${logger.property}${join(home, logger.file)}`,
    classArchive: join(home, 'broker.jsa'),
    format: (logDir, ids) => formatFrom(home, logDir, ids),
  };
}

async function makeRuntime(version: KafkaVersion, jars: string, home: string): Promise<void> {
  const logger = loggerOf(version);
  await fs.writeFile(join(home, logger.file), logger.text);
  const runtime = runtimeAt(version, jars, home);
  const scratch = join(home, 'scratch');
  await fs.mkdir(scratch);
  const ports = await freePorts(2);
  const node = { id: 1, port: ports[0]!, controllerPort: ports[1]! };
  const logDir = join(scratch, 'data');
  const settings = join(scratch, 'server.properties');
  await fs.writeFile(settings, propertiesText(brokerProperties(node, [node], [logDir])));
  const jvm = javaArgs(runtime, { heapMiB: 256, logsDir: scratch });
  await runToEnd({
    name: 'kafka.tools.StorageTool',
    command: 'java',
    args: [...jvm, 'kafka.tools.StorageTool', 'format', '-t', newUuid(), '-c', settings],
    logFile: join(scratch, 'format.log'),
  });
  await fs.copyFile(join(logDir, 'bootstrap.checkpoint'), join(home, 'bootstrap.checkpoint'));
  const broker = await startProcess({
    name: `kafka ${version}, first start`,
    command: 'java',
    args: [`-XX:ArchiveClassesAtExit=${runtime.classArchive}`, ...jvm, 'kafka.Kafka', settings],
    logFile: join(scratch, 'broker.log'),
  });
  await untilReady(
    broker,
    async (signal) => (await brokersSeenBy('127.0.0.1', node.port, signal)).length > 0,
  );
  await broker.stop(60_000);
  await fs.access(runtime.classArchive);
  await fs.rm(scratch, { recursive: true });
}

async function formatFrom(home: string, logDir: string, ids: NodeIds): Promise<void> {
  await fs.mkdir(logDir, { recursive: true });
  await fs.copyFile(join(home, 'bootstrap.checkpoint'), join(logDir, 'bootstrap.checkpoint'));
  const meta = {
    version: '1',
    'cluster.id': ids.clusterId,
    'node.id': `${ids.nodeId}`,
    'directory.id': newUuid(),
  };
  await fs.writeFile(join(logDir, 'meta.properties'), propertiesText(meta));
}

/** As Kafka's Uuid: 16 bytes in base64url; one that starts with a dash would look like an option. */
export function newUuid(): string {
  for (;;) {
    const text = randomBytes(16).toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}
