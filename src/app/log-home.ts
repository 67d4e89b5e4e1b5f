// Where the log of this process's metastore member lies, by its settings.
import { LogtierError } from '../base/errors.ts';
import { etcdHome } from '../metastore/log/etcd-log/etcd-home.ts';
import { requireNeverJoined } from '../metastore/log/etcd-log/joined-log.ts';
import type { LogHome } from '../metastore/log/log-home.ts';
import { type GroupPlace, raftHome } from '../metastore/log/raft-log/raft-home.ts';
import type { MetastoreDeps } from '../metastore/member/open-metastore.ts';
import type { MetricsRegistry } from '../platform/metrics.ts';
import { connectConfiguredEtcd } from './etcd-access.ts';
import { objectSnapshots } from './object-snapshots.ts';
import { type NamedStore, openStores, type OpenStores } from './open-stores.ts';
import type { Settings } from './settings.ts';

type EtcdSettings = NonNullable<Settings['metastore']['etcd']>;

export function logHomeOf(
  deps: MetastoreDeps,
  { member, group, etcd }: Pick<Settings['metastore'], 'member' | 'group' | 'etcd'>,
  stores: ReadonlyMap<string, NamedStore>,
): LogHome {
  if (etcd === undefined) return neverInEtcd(deps, raftHome(deps, member.log, groupPlaceOf(group)));
  const snapshots = objectSnapshots(storeOf(stores, etcd), etcd.metastoreId);
  const connect = (): ReturnType<typeof connectConfiguredEtcd> => connectConfiguredEtcd(deps, etcd);
  return etcdHome({ ...deps, snapshots, connect }, etcd, etcd);
}

/** As `logHomeOf`. INVALID_CONFIG for a group: its members need an address that others reach. */
export function embeddedLogHome(
  deps: MetastoreDeps,
  settings: Pick<Settings['metastore'], 'member' | 'group' | 'etcd'>,
  stores: ReadonlyMap<string, NamedStore>,
): LogHome {
  if (settings.group === undefined) return logHomeOf(deps, settings, stores);
  throw new LogtierError('INVALID_CONFIG', 'metastore.group: a sidecar is no member of a group', {
    hint: 'run `logtier metastore` with it, and name the members in metastore.endpoints',
  });
}

function neverInEtcd({ disk }: MetastoreDeps, home: LogHome): LogHome {
  return {
    metastoreId: home.metastoreId,
    open: async (place) => {
      await requireNeverJoined(disk, `${place.directory}/log`);
      return await home.open(place);
    },
  };
}

/** The one store that a member needs; none where etcd does not keep the log. */
export function openSnapshotStore(
  deps: MetastoreDeps & { readonly registry: MetricsRegistry },
  settings: Pick<Settings, 'metastore' | 'stores' | 'transfer'>,
): OpenStores {
  const name = settings.metastore.etcd?.store;
  const stores = Object.entries(settings.stores).filter(([each]) => each === name);
  return openStores(deps, { stores: Object.fromEntries(stores), transfer: settings.transfer });
}

/** Asks the store for snapshots once, and warns: the member runs without it, but its log grows. Answers how to stop. */
export function askSnapshotStore(
  { clock, logger }: MetastoreDeps,
  stores: ReadonlyMap<string, NamedStore>,
): () => Promise<void> {
  const stopping = new AbortController();
  const ask = async ([store, { objects }]: [string, NamedStore]): Promise<void> => {
    const deadline = clock.deadline(ASK_MS, stopping.signal);
    try {
      await objects.wallClockMs(deadline.signal);
    } catch (error) {
      if (stopping.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ store, reason }, 'no snapshot can be stored now, the log in etcd will grow');
    } finally {
      deadline.clear();
    }
  };
  const asking = Promise.all([...stores].map(ask));
  return async () => {
    stopping.abort(new LogtierError('ABORTED', 'the metastore stops'));
    await asking;
  };
}

/** Longest wait for the store's answer. */
const ASK_MS = 15_000;

function storeOf(
  stores: ReadonlyMap<string, NamedStore>,
  etcd: EtcdSettings,
): NamedStore['objects'] {
  const store = stores.get(etcd.store);
  if (store !== undefined) return store.objects;
  throw new LogtierError('INVALID_CONFIG', `metastore.etcd.store: there is no store ${etcd.store}`);
}

function groupPlaceOf(group: Settings['metastore']['group']): GroupPlace | undefined {
  if (group === undefined) return undefined;
  const { id, node, voters } = group;
  const address = group.address ?? voters.find((voter) => voter.node === node)?.address;
  if (address === undefined) {
    throw new LogtierError('INVALID_CONFIG', 'metastore.group.address is missing', {
      hint: 'a member that is not among the voters says where the others reach it',
    });
  }
  const peers = voters.map((voter) => ({ id: voter.node, address: voter.address }));
  return { id, nodeId: node, address, voters: peers };
}
