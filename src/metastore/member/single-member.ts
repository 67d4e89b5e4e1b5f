// A whole metastore in one directory: identity, log and catalog. Embedded in a sidecar, or a process of
// its own behind src/rpc.
import type { Clock } from '../../platform/clock.ts';
import { diskError, type Disk } from '../../platform/disk.ts';
import type { Logger } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import { nextTurn } from '../../platform/turn.ts';
import { readState } from '../catalog/state.ts';
import { openRocksdbEngine } from '../engine/rocksdb-engine.ts';
import { openRaftLog } from '../log/raft-log/open-raft-log.ts';
import { GrpcRaftTransport } from '../log/raft-log/grpc-transport.ts';
import type { Peer } from '../log/raft-log/membership.ts';
import { noPeers } from '../log/raft-log/transport.ts';
import type { RpcService } from '../../rpc/serve.ts';
import { type CatalogMember, openMember } from './catalog-member.ts';
import { openEngineHome } from './engine-home.ts';
import { metastoreIdOf } from './identity.ts';
import type { MemberSettings } from './settings.ts';

export interface SingleMemberDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface SingleMember {
  readonly member: CatalogMember;
  /** What its peers call, to be served at its address; undefined for a group of one. */
  readonly raftService: RpcService | undefined;
  /** Idempotent. Stops the member, then closes log and catalog. */
  stop(): Promise<void>;
}

/** A member's place in a group of several. */
export interface GroupPlace {
  /** The metastore's id, the same for all members. */
  readonly id: string;
  readonly nodeId: number;
  /** Whom a new group begins with; nobody for a member that joins later. */
  readonly voters: readonly Peer[];
  /** Where the others reach this member. */
  readonly address: string;
}

/** Raft ids begin at 1; a group of one has only this. */
const ONLY_NODE = 1;

/** `directory` is made when missing. ALREADY_RUNNING when another process has it open. */
export async function openSingleMember(
  deps: SingleMemberDeps,
  settings: MemberSettings,
  directory: string,
  group?: GroupPlace,
): Promise<SingleMember> {
  try {
    await deps.disk.makeDirectory(directory);
  } catch (error) {
    throw diskError(error, `making ${directory}`);
  }
  const metastoreId = await metastoreIdOf(deps, directory, group?.id);
  // The engine first: its lock keeps a second process away from the log.
  const home = await openEngineHome({ ...deps, openEngine: openRocksdbEngine }, directory);
  try {
    const { appliedIndex, appliedTerm } = await readState(home.engine, metastoreId);
    const place = {
      directory: `${directory}/log`,
      clusterId: metastoreId,
      nodeId: BigInt(group?.nodeId ?? ONLY_NODE),
      voters: group?.voters ?? [{ id: ONLY_NODE, address: '' }],
      applied: { index: appliedIndex, term: appliedTerm },
    };
    const peers =
      group === undefined
        ? undefined
        : new GrpcRaftTransport(deps, { ...group, groupId: metastoreId, directory });
    const transport = peers ?? noPeers;
    const log = await openRaftLog({ ...deps, nextTurn, transport }, settings.log, place);
    const member = await openMember({ ...deps, home, log }, settings, metastoreId).catch(
      async (error: unknown) => {
        await log.stop();
        throw error;
      },
    );
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await member.stop();
      await home.close();
    };
    return { member, raftService: peers?.service, stop: () => (stopping ??= stop()) };
  } catch (error) {
    await home.close();
    throw error;
  }
}
