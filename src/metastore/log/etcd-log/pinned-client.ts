import { LogtierError } from '../../../base/errors.ts';
import type { EtcdClient, Puts } from './etcd-client.ts';

/** Believes one etcd cluster only: WRONG_CLUSTER as soon as an endpoint leads to another. */
export function pinnedClient(client: EtcdClient, clusterId: bigint): EtcdClient {
  return {
    txn: async (txn, signal) => {
      const result = await client.txn(txn, signal);
      requireSame(result.clusterId, clusterId);
      return result;
    },
    watchPuts: (range, fromRevision, signal) =>
      pinnedPuts(client.watchPuts(range, fromRevision, signal), clusterId),
    compact: (revision, signal) => client.compact(revision, signal),
    grantLease: (ttlMs, signal) => client.grantLease(ttlMs, signal),
    renewLease: (lease, signal) => client.renewLease(lease, signal),
    revokeLease: (lease, signal) => client.revokeLease(lease, signal),
    stop: () => {
      client.stop();
    },
  };
}

async function* pinnedPuts(
  puts: AsyncIterable<Puts>,
  clusterId: bigint,
): AsyncGenerator<Puts, void, undefined> {
  for await (const put of puts) {
    requireSame(put.clusterId, clusterId);
    yield put;
  }
}

export function requireSame(clusterId: bigint, expected: bigint): void {
  if (clusterId === expected) return;
  throw new LogtierError(
    'WRONG_CLUSTER',
    `etcd is cluster ${clusterId.toString(16)}, the log was founded in ${expected.toString(16)}`,
    { hint: 'an endpoint of another etcd, or etcd was restored: then restore the metastore too' },
  );
}
