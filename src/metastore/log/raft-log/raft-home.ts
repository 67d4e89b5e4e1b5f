// A member's log in its own directory: of a group of one, or of several over gRPC.
import type { Clock } from '../../../platform/clock.ts';
import type { Disk } from '../../../platform/disk.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import { nextTurn } from '../../../platform/turn.ts';
import type { LogHome } from '../log-home.ts';
import { GrpcRaftTransport } from './grpc-transport.ts';
import type { Peer } from './membership.ts';
import { openRaftLog } from './open-raft-log.ts';
import type { RaftLogSettings } from './settings.ts';
import { noPeers } from './transport.ts';

export interface RaftHomeDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
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
  /** Where this member reaches another one, when that is not the other's address. */
  readonly dial?: (peer: Peer) => string;
}

/** Raft ids begin at 1; a group of one has only this. */
const ONLY_NODE = 1;

export function raftHome(
  deps: RaftHomeDeps,
  settings: RaftLogSettings,
  group?: GroupPlace,
): LogHome {
  return {
    metastoreId: group?.id,
    open: async ({ directory, metastoreId, applied }) => {
      const peers =
        group === undefined
          ? undefined
          : new GrpcRaftTransport(deps, { ...group, groupId: metastoreId, directory });
      const place = {
        directory: `${directory}/log`,
        clusterId: metastoreId,
        nodeId: BigInt(group?.nodeId ?? ONLY_NODE),
        voters: group?.voters ?? [{ id: ONLY_NODE, address: '' }],
        applied,
      };
      const transport = peers ?? noPeers;
      const log = await openRaftLog({ ...deps, nextTurn, transport }, settings, place);
      return { log, services: peers === undefined ? [] : [peers.service] };
    },
  };
}
