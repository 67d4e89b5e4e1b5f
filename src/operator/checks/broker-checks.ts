// The broker beside this sidecar: does it answer, is it the right one, does it tell what we need?
import type { BrokerView } from '../../broker/broker-view.ts';
import { failed, fail, ok, someOf, warn, type Check } from '../diagnosis.ts';
import type { UploaderStatus } from '../../uploader/uploader-status.ts';

export interface BrokerCheckDeps {
  readonly broker: Pick<BrokerView, 'brokerId' | 'metadata' | 'topicConfigs'>;
  readonly uploader: Pick<UploaderStatus, 'partitions'>;
}

const ACL_HINT = 'grant Describe and DescribeConfigs on the topics to the sidecar’s principal';

export function brokerChecks(deps: BrokerCheckDeps): Check[] {
  return [
    { name: 'broker', run: (signal) => checkReachable(deps, signal) },
    { name: 'broker-metadata', run: (signal) => checkMetadata(deps, signal) },
    { name: 'broker-topic-configs', run: (signal) => checkConfigs(deps, signal) },
  ];
}

async function checkReachable({ broker }: BrokerCheckDeps, signal: AbortSignal) {
  const check = 'broker';
  try {
    const { clusterId, brokers } = await broker.metadata([], signal);
    if (brokers.some(({ id }) => id === broker.brokerId)) {
      return [ok(check, `broker ${broker.brokerId} of cluster ${clusterId} answers`)];
    }
    const text = `cluster ${clusterId} has no broker ${broker.brokerId}`;
    return [fail(check, text, 'is the broker of these log directories running?')];
  } catch (error) {
    const hint = 'check broker.bootstrap, broker.client and that the broker is up';
    return [failed(check, 'the broker does not answer', error, hint)];
  }
}

/** Only topics with an entry in `topics:` have to be seen. */
async function tieredTopics(
  { uploader }: BrokerCheckDeps,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const partitions = await uploader.partitions(undefined, signal);
  const tiered = partitions.filter(({ rule }) => rule !== undefined);
  return [...new Set(tiered.map(({ topic }) => topic))].toSorted();
}

async function checkMetadata(deps: BrokerCheckDeps, signal: AbortSignal) {
  const check = 'broker-metadata';
  const topics = await tieredTopics(deps, signal);
  if (topics.length === 0) return [ok(check, 'no local topic is to be tiered')];
  try {
    const told = await deps.broker.metadata(topics, signal);
    const names = new Set(told.topics.map(({ name }) => name));
    const unseen = topics.filter((topic) => !names.has(topic));
    if (unseen.length === 0) return [ok(check, `the broker lists all ${topics.length} topics`)];
    return [
      warn(check, `the broker does not list ${someOf(unseen)}, which lie on its disk`, ACL_HINT),
    ];
  } catch (error) {
    return [failed(check, 'the broker lists no topics', error, ACL_HINT)];
  }
}

async function checkConfigs(deps: BrokerCheckDeps, signal: AbortSignal) {
  const check = 'broker-topic-configs';
  const topics = await tieredTopics(deps, signal);
  if (topics.length === 0) return [ok(check, 'no local topic is to be tiered')];
  try {
    const configs = await deps.broker.topicConfigs(topics, signal);
    const untold = topics.filter((topic) => !configs.has(topic));
    const conflicts = topics.filter((topic) => configs.get(topic)?.remoteStorageEnabled === true);
    const compacted = topics.filter(
      (topic) => configs.get(topic)?.cleanupPolicy.includes('compact') === true,
    );
    const problems = [
      untold.length > 0
        ? [fail(check, `the broker does not tell the settings of ${someOf(untold)}`, ACL_HINT)]
        : [],
      conflicts.length > 0
        ? [
            warn(
              check,
              `remote.storage.enable is on for ${someOf(conflicts)}: the broker tiers them itself`,
              'exclude them under topics, or turn remote.storage.enable off',
            ),
          ]
        : [],
      compacted.length > 0
        ? [
            warn(
              check,
              `${someOf(compacted)} are compacted and are left alone`,
              'exclude them under topics',
            ),
          ]
        : [],
    ].flat();
    return problems.length > 0
      ? problems
      : [ok(check, `the settings of ${topics.length} topics are told, none in conflict`)];
  } catch (error) {
    return [failed(check, 'the broker does not tell topic settings', error, ACL_HINT)];
  }
}
