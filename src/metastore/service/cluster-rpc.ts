// A member and its group, for operators: status, changes of the members, snapshots.
import { LogtierError } from '../../base/errors.ts';
import {
  type ChangeMembersRequest,
  ClusterServiceService,
  type GetMemberResponse,
  type GroupMember,
  type NewLearner,
  type SaveSnapshotResponse,
} from '../../gen/logtier/v1/cluster.ts';
import { rpcService, type RpcService } from '../../rpc/serve.ts';
import type { GroupControl } from '../log/raft-log/group-control.ts';
import { membersOf, safeNumber } from '../log/raft-log/membership.ts';
import type { LogStatus } from '../log/replicated-log.ts';
import type { CatalogMember } from '../member/catalog-member.ts';

export interface ClusterMember {
  readonly member: CatalogMember;
  readonly logStatus: () => LogStatus;
  /** Undefined where the log has no members of its own, and before a new group has begun. */
  readonly group: () => GroupControl | undefined;
}

export function clusterRpc(metastore: ClusterMember, version: string): RpcService {
  return rpcService(ClusterServiceService, {
    getMember: () => Promise.resolve({ ...describe(metastore), version }),
    changeMembers: async (request, { signal }) => {
      const group = groupOf(metastore);
      await change(group, request, signal);
      return { members: printMembers(group) };
    },
    transferLeadership: async ({ nodeId }, { signal }) => {
      const to = nodeId === 0n ? undefined : safeNumber(nodeId);
      const leaderId = await groupOf(metastore).transferLeadership(to, signal);
      return { leaderId: BigInt(leaderId) };
    },
    saveSnapshot: (_, { signal }) => saveSnapshot(metastore, signal),
  });
}

function describe({ member, logStatus, group }: ClusterMember): GetMemberResponse {
  const { role, term, committed, firstIndex, failure = '' } = logStatus();
  const { metastoreId, incarnation, appliedIndex, orphanLock, hash, hashMarks } = member.state;
  const own = group();
  return {
    metastoreId,
    incarnation,
    version: '',
    nodeId: BigInt(own?.nodeId ?? 0),
    role,
    term,
    leaderId: BigInt(own?.leaderId ?? 0),
    committedIndex: committed,
    appliedIndex,
    firstIndex,
    failure,
    orphansLocked: orphanLock,
    hash,
    hashes: hashMarks,
    members: own === undefined ? [] : printMembers(own),
  };
}

function printMembers(group: GroupControl): GroupMember[] {
  const { confState, addresses, directories } = group.membership;
  const followers = group.followers();
  return membersOf(confState).map((id) => {
    const follower = followers.get(id);
    return {
      nodeId: BigInt(id),
      address: addresses.get(id) ?? '',
      directory: directories.get(id) ?? '',
      votes: confState.voters.includes(id),
      matchIndex: follower === undefined ? undefined : BigInt(follower.matchIndex),
      silentMs:
        follower?.silentMs === undefined ? undefined : BigInt(Math.round(follower.silentMs)),
    };
  });
}

function groupOf({ group }: ClusterMember): GroupControl {
  const own = group();
  if (own !== undefined) return own;
  throw new LogtierError(
    'NOT_READY',
    'this metastore has no group: it has not begun, or is in etcd',
    {
      hint: 'members of an etcd cluster are changed with etcdctl member',
    },
  );
}

async function change(
  group: GroupControl,
  { change: asked }: ChangeMembersRequest,
  signal: AbortSignal,
): Promise<void> {
  if (asked === undefined) throw new LogtierError('INVALID_ARGUMENT', 'no change is named');
  if (asked.$case === 'addLearner') await addLearner(group, asked.value, signal);
  else await group.changeGroup({ kind: asked.$case, id: nodeIdOf(asked.value) }, signal);
}

async function addLearner(
  group: GroupControl,
  { nodeId, address }: NewLearner,
  signal: AbortSignal,
): Promise<void> {
  const peer = { id: nodeIdOf(nodeId), address };
  if (address === '') throw new LogtierError('INVALID_ARGUMENT', 'address is empty');
  const directory = await group.introduce(peer, signal);
  await group.changeGroup({ kind: 'addLearner', ...peer, directory }, signal);
}

function nodeIdOf(value: bigint): number {
  if (value >= 1n && value <= MAX_NODE_ID) return Number(value);
  throw new LogtierError('INVALID_ARGUMENT', `${value} is no number of a member`);
}

/** As in the settings. */
const MAX_NODE_ID = 1_000_000n;

async function* saveSnapshot(
  { member }: ClusterMember,
  signal: AbortSignal,
): AsyncGenerator<SaveSnapshotResponse, void, undefined> {
  const snapshot = await member.snapshots.take(signal);
  try {
    for await (const content of snapshot.content(signal)) yield { content: Buffer.from(content) };
  } finally {
    await snapshot.close();
  }
}
