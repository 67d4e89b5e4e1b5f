// What the process does for `logtier cluster`: whom to ask, and files of snapshots.
import { basename, dirname, join, resolve } from 'node:path';
import { ClusterCalls } from '../cli/cluster-calls.ts';
import type { ClusterHost } from '../cli/cluster-program.ts';
import { openRocksdbEngine } from '../metastore/engine/rocksdb-engine.ts';
import { freshMetastoreId } from '../metastore/member/identity.ts';
import { restoreSnapshot } from '../metastore/member/restore-snapshot.ts';
import { saveSnapshotFile } from '../metastore/member/save-snapshot.ts';
import { systemClock } from '../platform/clock.ts';
import { nodeDisk } from '../platform/disk.ts';
import { systemRandom } from '../platform/random.ts';
import type { LoadedSettings } from './load-settings.ts';
import type { Settings } from './settings.ts';

type Load = (file: string | undefined) => Promise<LoadedSettings>;

export function clusterHost(
  load: Load,
  signal: AbortSignal,
): Pick<ClusterHost, 'connectCluster' | 'saveSnapshot' | 'restoreSnapshot' | 'freshMetastoreId'> {
  return {
    freshMetastoreId: () => freshMetastoreId(systemRandom),
    connectCluster: async (endpoints, config) => {
      const given = endpoints?.split(',').map((each) => each.trim());
      const addresses = given ?? membersIn((await load(config)).settings);
      return new ClusterCalls(systemClock, addresses);
    },
    saveSnapshot: async (content, path) => {
      const whole = resolve(path);
      const snapshot = {
        index: 0n,
        term: 0n,
        content: () => content,
        close: () => Promise.resolve(),
      };
      const member = { snapshots: { take: () => Promise.resolve(snapshot) } };
      const deps = { disk: nodeDisk, member };
      const { bytes } = await saveSnapshotFile(deps, dirname(whole), basename(whole), signal);
      return { path: whole, bytes };
    },
    restoreSnapshot: async (file, dir, config) => {
      const directory = resolve(dir ?? join((await load(config)).settings.state.dir, 'metastore'));
      const deps = { disk: nodeDisk, random: systemRandom, openEngine: openRocksdbEngine };
      const paths = { file: resolve(file), directory };
      const { metastoreId, incarnation } = await restoreSnapshot(deps, paths, signal);
      return { directory, metastoreId, incarnation };
    },
  };
}

/** A sidecar's settings name them as endpoints, a member's as voters or by where it listens. */
function membersIn({ metastore }: Settings): readonly string[] {
  const { endpoints, group, listen } = metastore;
  if (endpoints !== undefined) return endpoints;
  const own = group?.address === undefined ? [] : [group.address];
  const members = [...own, ...(group?.voters.map(({ address }) => address) ?? [])];
  return members.length === 0 ? [listen.grpc] : members;
}
