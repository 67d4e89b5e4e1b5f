// A whole metastore member in one directory: identity, log and catalog. Embedded in a sidecar, or a process
// of its own behind src/rpc.
import type { RpcService } from '../../rpc/serve.ts';
import type { Clock } from '../../platform/clock.ts';
import { diskError, type Disk } from '../../platform/disk.ts';
import type { Logger } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import { readState } from '../catalog/state.ts';
import { openRocksdbEngine } from '../engine/rocksdb-engine.ts';
import type { GroupControl } from '../log/raft-log/group-control.ts';
import type { LogHome } from '../log/log-home.ts';
import type { LogStatus } from '../log/replicated-log.ts';
import { type CatalogMember, openMember } from './catalog-member.ts';
import { type EngineHome, openEngineHome } from './engine-home.ts';
import { metastoreIdOf } from './identity.ts';
import type { MemberSettings } from './settings.ts';

export interface MetastoreDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Metastore {
  readonly member: CatalogMember;
  /** What its peers call, to be served at its address. */
  readonly peerServices: readonly RpcService[];
  readonly logStatus: () => LogStatus;
  /** Its place in a Raft group; undefined before a new one has begun, and where etcd keeps the log. */
  readonly group: () => GroupControl | undefined;
  /** Idempotent. Stops the member, then closes log and catalog. */
  stop(): Promise<void>;
}

/** Where the member lives, and its log. */
export interface MetastorePlace {
  /** Made when missing. */
  readonly directory: string;
  readonly logHome: LogHome;
}

/** ALREADY_RUNNING when another process has the directory open. */
export async function openMetastore(
  deps: MetastoreDeps,
  settings: MemberSettings,
  place: MetastorePlace,
): Promise<Metastore> {
  const { directory, logHome } = place;
  try {
    await deps.disk.makeDirectory(directory);
  } catch (error) {
    throw diskError(error, `making ${directory}`);
  }
  const metastoreId = await metastoreIdOf(deps, directory, logHome.metastoreId);
  // The engine first: its lock keeps a second process away from the log.
  const home = await openEngineHome({ ...deps, openEngine: openRocksdbEngine }, directory);
  try {
    return await openLogAndMember(deps, settings, { ...place, home, metastoreId });
  } catch (error) {
    await home.close();
    throw error;
  }
}

async function openLogAndMember(
  deps: MetastoreDeps,
  settings: MemberSettings,
  place: MetastorePlace & { readonly home: EngineHome; readonly metastoreId: string },
): Promise<Metastore> {
  const { directory, logHome, home, metastoreId } = place;
  const { appliedIndex: index, appliedTerm: term } = await readState(home.engine, metastoreId);
  const { log, services, group } = await logHome.open({
    directory,
    metastoreId,
    applied: { index, term },
  });
  try {
    const member = await openMember({ ...deps, home, log }, settings, metastoreId);
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await member.stop();
      await home.close();
    };
    return {
      member,
      peerServices: services,
      logStatus: () => log.status(),
      group,
      stop: () => (stopping ??= stop()),
    };
  } catch (error) {
    await log.stop();
    throw error;
  }
}
