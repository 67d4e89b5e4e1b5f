// server.properties of a small, impatient KRaft node.

export interface NodeAddress {
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
}

/** Failover, retention and checkpoints in seconds instead of minutes. Read and run on 3.9.2 and 4.3.1. */
const IMPATIENT = {
  'broker.session.timeout.ms': '6000',
  'broker.heartbeat.interval.ms': '1000',
  'controller.quorum.election.timeout.ms': '1000',
  'controller.quorum.fetch.timeout.ms': '2000',
  'replica.lag.time.max.ms': '5000',
  'log.segment.delete.delay.ms': '1000',
  'log.retention.check.interval.ms': '500',
  'log.initial.task.delay.ms': '500',
  'replica.high.watermark.checkpoint.interval.ms': '500',
  'log.flush.offset.checkpoint.interval.ms': '1000',
  'log.flush.start.offset.checkpoint.interval.ms': '1000',
  'group.initial.rebalance.delay.ms': '0',
} as const;

/** The time a killed broker's successor is refused for. Nobody can take over from a single broker. */
const ALONE = {
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
} as const;

const FEW_THREADS = {
  'num.network.threads': '1',
  'num.replica.fetchers': '1',
  'num.recovery.threads.per.data.dir': '1',
  'num.io.threads': '2',
  'background.threads': '2',
} as const;

export function brokerProperties(
  node: NodeAddress,
  nodes: readonly NodeAddress[],
  logDirs: readonly string[],
): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'node.id': `${node.id}`,
    'controller.quorum.voters': nodes
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(','),
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': logDirs.join(','),
    'num.partitions': '1',
    'auto.create.topics.enable': 'false',
    // The workload's timestamps lie in the past; a topic that wants to expire says so.
    'log.retention.ms': '-1',
    'log.cleaner.enable': 'false',
    ...replication(nodes.length),
    ...IMPATIENT,
    ...FEW_THREADS,
    ...(nodes.length === 1 ? ALONE : {}),
  };
}

function replication(brokers: number): Record<string, string> {
  const minInSync = brokers === 1 ? '1' : '2';
  const properties: Record<string, string> = {
    'default.replication.factor': `${brokers}`,
    'min.insync.replicas': '1',
    'offsets.topic.replication.factor': `${brokers}`,
    'offsets.topic.num.partitions': '1',
  };
  for (const topic of ['transaction.state.log', 'share.coordinator.state.topic']) {
    properties[`${topic}.replication.factor`] = `${brokers}`;
    properties[`${topic}.num.partitions`] = '1';
    properties[`${topic}.min.isr`] = minInSync;
  }
  return properties;
}

export function propertiesText(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
