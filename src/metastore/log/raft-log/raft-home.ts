// A member's log in its own directory: of a group of one, or of several over gRPC.
import { LogtierError } from '../../../base/errors.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Disk } from '../../../platform/disk.ts';
import type { Logger } from '../../../platform/log.ts';
import type { Random } from '../../../platform/random.ts';
import { nextTurn } from '../../../platform/turn.ts';
import type { LogHome, LogPlace, OpenedLog } from '../log-home.ts';
import { directoryIdOf } from './directory-id.ts';
import { Founders } from './founders.ts';
import { FoundingLog } from './founding-log.ts';
import { GrpcRaftTransport } from './grpc-transport.ts';
import { type MeetingDeps, meetVoters } from './meet-voters.ts';
import type { Peer } from './membership.ts';
import { hasBegun, openMemberWal, openRaftLog, startRaftLog } from './open-raft-log.ts';
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
    open: async (place) =>
      group === undefined
        ? await openAlone(deps, settings, place)
        : await openInGroup(deps, settings, { ...place, group }),
  };
}

async function openAlone(
  deps: RaftHomeDeps,
  settings: RaftLogSettings,
  { directory, metastoreId, applied }: LogPlace,
): Promise<OpenedLog> {
  const own = {
    directory: `${directory}/log`,
    clusterId: metastoreId,
    nodeId: BigInt(ONLY_NODE),
    voters: [{ id: ONLY_NODE, address: '' }],
    applied,
  };
  const log = await openRaftLog({ ...deps, nextTurn, transport: noPeers }, settings, own);
  return { log, services: [], group: () => log.group };
}

/** Of a new group the log begins later, when all its voters have met. */
async function openInGroup(
  deps: RaftHomeDeps,
  settings: RaftLogSettings,
  place: LogPlace & { readonly group: GroupPlace },
): Promise<OpenedLog> {
  const { directory, metastoreId, applied, group } = place;
  const { nodeId, address, voters } = group;
  const own = {
    directory: `${directory}/log`,
    clusterId: metastoreId,
    nodeId: BigInt(nodeId),
    applied,
  };
  const directoryId = await directoryIdOf(deps, own.directory);
  const self = { id: nodeId, address, directory: directoryId };
  const founders = await Founders.open(deps.disk, own.directory, { self, voters });
  const transport = new GrpcRaftTransport(deps, {
    ...group,
    groupId: metastoreId,
    directory,
    directoryId,
    founders,
  });
  const services = [transport.service];
  const logDeps = { ...deps, nextTurn, transport };
  const wal = await openMemberWal(deps, settings, own);
  const start = async (first: readonly Peer[]): ReturnType<typeof startRaftLog> => {
    try {
      return await startRaftLog(logDeps, settings, { ...own, self, voters: first }, wal);
    } catch (error) {
      await wal.close();
      throw error;
    }
  };
  if (!hasBegun(wal)) {
    try {
      founders.requireOwn();
      if (voters.length > 1) requireNothingApplied(applied.index);
    } catch (error) {
      await wal.close();
      throw error;
    }
  }
  if (voters.length <= 1 || hasBegun(wal)) {
    const log = await start(voters.map((voter) => (voter.id === nodeId ? self : voter)));
    return { log, services, group: () => log.group };
  }
  const introduce: MeetingDeps['introduce'] = (peer, proposed, signal) =>
    transport.introduce(peer, proposed, signal);
  const log = new FoundingLog(deps.logger, nodeId, async (signal) => {
    const meetingDeps = { ...deps, founders, introduce };
    const met = await meetVoters(meetingDeps, { self, voters }, signal).catch(
      async (error: unknown) => {
        await wal.close();
        throw error;
      },
    );
    return await start(met);
  });
  return { log, services, group: () => log.group };
}

/** What a restored catalog counts as: its log has nothing before. */
const RESTORED_INDEX = 1n;

function requireNothingApplied(index: bigint): void {
  if (index === 0n) return;
  throw index === RESTORED_INDEX ? beginsAlone() : logLost(index);
}

function beginsAlone(): LogtierError {
  return new LogtierError('INVALID_CONFIG', 'a restored metastore begins alone', {
    hint: 'name only this member in metastore.group.voters, and add the others: docs/runbooks/restore-a-backup.md',
  });
}

function logLost(applied: bigint): LogtierError {
  return new LogtierError('CORRUPT_STATE', `the catalog is at entry ${applied}, its log is gone`, {
    hint: 'this member cannot come back: docs/runbooks/replace-a-member.md',
  });
}
