// A member's log in an etcd cluster.
import type { Disk } from '../../../platform/disk.ts';
import type { LogHome } from '../log-home.ts';
import type { LogIndex, ReplicatedLog } from '../replicated-log.ts';
import type { ReaderDeps } from './committed-reader.ts';
import type { EtcdClient } from './etcd-client.ts';
import { openEtcdLog } from './etcd-log.ts';
import { joinedLog, rememberLog } from './joined-log.ts';
import type { EtcdLogSettings } from './settings.ts';

export interface EtcdHomeDeps extends Omit<ReaderDeps, 'client'> {
  readonly disk: Disk;
  /** A client of its own for each opened log, which stops it. */
  connect(): Promise<EtcdClient>;
}

/** A member's place among those that share the log. */
export interface EtcdPlace {
  /** The metastore's id, the same for all members. */
  readonly metastoreId: string;
  /** Unique among them; shown to operators. */
  readonly memberId: string;
}

export function etcdHome(deps: EtcdHomeDeps, settings: EtcdLogSettings, own: EtcdPlace): LogHome {
  return {
    metastoreId: own.metastoreId,
    open: async ({ directory, metastoreId, applied }) => {
      const kept = `${directory}/log`;
      const place = {
        groupId: metastoreId,
        memberId: own.memberId,
        applied: applied.index,
        known: await joinedLog(deps.disk, kept),
        remember: (identity: string) => rememberLog(deps.disk, kept, identity),
      };
      const client = await deps.connect();
      try {
        const log = await openEtcdLog({ ...deps, client }, settings, place);
        return { log: withClient(log, client), services: [], group: () => undefined };
      } catch (error) {
        client.stop();
        throw error;
      }
    },
  };
}

function withClient(log: ReplicatedLog, client: EtcdClient): ReplicatedLog {
  return {
    propose: (command, signal) => log.propose(command, signal),
    serveSnapshotsOf: (provider) => {
      log.serveSnapshotsOf(provider);
    },
    committed: (after: LogIndex) => log.committed(after),
    readBarrier: (signal) => log.readBarrier(signal),
    compact: (snapshot) => log.compact(snapshot),
    status: () => log.status(),
    stop: async () => {
      await log.stop();
      client.stop();
    },
  };
}
