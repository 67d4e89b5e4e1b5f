// The broker beside this sidecar: its identity, the client's credentials, and what the fetcher asks of it.
import { LogtierError } from '../base/errors.ts';
import type { BrokerIdentity } from '../broker/broker-identity.ts';
import type { BrokerView, OffsetAnswer } from '../broker/broker-view.ts';
import { KafkaBrokerView } from '../broker/kafka-broker-view.ts';
import type { ConnectionOptions } from '../broker/kafka-connection.ts';
import type { BrokerClientSettings } from '../broker/settings.ts';
import type { BrokerOffsets } from '../fetcher/segment-lookup.ts';
import type { Clock } from '../platform/clock.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';

export async function openBrokerView(
  deps: { readonly clock: Clock; readonly disk: Disk },
  identity: BrokerIdentity,
  client: BrokerClientSettings,
): Promise<BrokerView> {
  const { brokerId, clusterId, bootstrap } = identity;
  const connection = await connectionOptions(deps.disk, client);
  return new KafkaBrokerView(deps, { brokerId, clusterId, bootstrap, connection });
}

async function connectionOptions(
  disk: Disk,
  client: BrokerClientSettings,
): Promise<ConnectionOptions> {
  const { tls, sasl } = client;
  const read = async (path: string, key: string): Promise<string> => {
    const text = await disk.readFile(path).catch((error: unknown) => {
      throw new LogtierError(
        'INVALID_CONFIG',
        `broker.client.${key}: ${path} cannot be read (${errnoOf(error) ?? String(error)})`,
      );
    });
    return text.toString('utf8');
  };
  const readIf = (path: string | undefined, key: string): Promise<string | undefined> =>
    path === undefined ? Promise.resolve(undefined) : read(path, key);
  const base = { connectTimeout: client.connectTimeoutMs, requestTimeout: client.requestTimeoutMs };
  const tlsPart = tls && {
    tls: defined({
      ca: await readIf(tls.caFile, 'tls.caFile'),
      cert: await readIf(tls.certFile, 'tls.certFile'),
      key: await readIf(tls.keyFile, 'tls.keyFile'),
      servername: tls.serverName,
    }),
  };
  const password = await readIf(sasl?.passwordFile, 'sasl.passwordFile');
  const { tokenFile } = sasl ?? {};
  const saslPart = sasl && {
    sasl: {
      mechanism: sasl.mechanism,
      ...defined({ username: sasl.username, password }),
      ...(tokenFile === undefined ? {} : { token: () => read(tokenFile, 'sasl.tokenFile') }),
    },
  };
  return { ...base, ...tlsPart, ...saslPart };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(options: T): Defined<T> {
  const told: Defined<T> = {};
  for (const key in options) {
    const value = options[key];
    if (isDefined(value)) told[key] = value;
  }
  return told;
}

function isDefined<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}

/** Where local data begins and how far it is decided; a broker that does not lead tells nothing. */
export function brokerOffsets(broker: BrokerView): BrokerOffsets {
  return {
    outcomes: (topic, partition, offset, signal) =>
      broker.fetch({ topic, partition, offset, committedOnly: true }, signal),
    offsets: async (topic, partition, signal) => {
      const query = [{ topic, partition, leaderEpoch: undefined }];
      const [[earliest], [latest], [stable]] = await Promise.all([
        broker.offsets(query, 'earliest', false, signal),
        broker.offsets(query, 'latest', false, signal),
        broker.offsets(query, 'latest', true, signal),
      ]);
      return {
        localStart: offsetOf(earliest),
        highWatermark: offsetOf(latest),
        lastStableOffset: offsetOf(stable),
      };
    },
  };
}

function offsetOf(answer: OffsetAnswer | undefined): bigint | undefined {
  return answer !== undefined && 'offset' in answer ? answer.offset : undefined;
}
