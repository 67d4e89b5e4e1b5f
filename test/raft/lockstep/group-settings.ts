import { NO_LIMIT, type RaftSettings } from '../../../src/metastore/raft/settings.ts';
import type { Dice } from './dice.ts';

/** Of one run; the oracle takes it as JSON. 0 means no limit. */
export interface GroupSettings {
  readonly nodes: number;
  /** Members start with a snapshot up to here, term 1; the other nodes with nothing. */
  readonly firstIndex: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly inflightMessages: number;
  readonly messageBytes: number;
  readonly committedBytes: number;
  readonly uncommittedBytes: number;
  readonly inflightBytes: number;
  readonly async: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leaseReads: boolean;
  readonly forwardsProposals: boolean;
  readonly stepsDownOnRemoval: boolean;
}

/** A group of 1 to 7 nodes with limits from none to absurdly small. */
export function drawSettings(dice: Dice): GroupSettings {
  const nodes = dice.between(1, 8);
  const ids = Array.from({ length: nodes }, (_, at) => at + 1);
  const voters = ids.slice(0, dice.between(Math.min(nodes, 1 + (nodes >> 1)), nodes + 1));
  const learners = ids.slice(voters.length).filter(() => dice.chance(0.5));
  const messageBytes = dice.oneOf([0, 0, 1, 64, 200, 1000]);
  const checkQuorum = dice.chance(0.5);
  return {
    nodes,
    firstIndex: dice.between(2, 20),
    voters,
    learners,
    electionTicks: dice.between(3, 11),
    heartbeatTicks: dice.between(1, 3),
    inflightMessages: dice.oneOf([1, 2, 3, 8, 256]),
    messageBytes,
    committedBytes: dice.oneOf([0, 0, 1, 50, 500]),
    uncommittedBytes: dice.oneOf([0, 0, 100, 1000]),
    inflightBytes: messageBytes === 0 ? 0 : dice.oneOf([0, messageBytes, messageBytes * 3]),
    async: dice.chance(0.5),
    preVote: dice.chance(0.5),
    checkQuorum,
    leaseReads: checkQuorum && dice.chance(0.2),
    forwardsProposals: dice.chance(0.7),
    stepsDownOnRemoval: dice.chance(0.5),
  };
}

export function raftSettings(group: GroupSettings, id: number, applied: number): RaftSettings {
  return {
    id,
    applied,
    electionTicks: group.electionTicks,
    heartbeatTicks: group.heartbeatTicks,
    asyncStorageWrites: group.async,
    maxMessageBytes: group.messageBytes || NO_LIMIT,
    maxCommittedBytesPerReady: group.committedBytes || NO_LIMIT,
    maxUncommittedBytes: group.uncommittedBytes || NO_LIMIT,
    maxInflightMessages: group.inflightMessages,
    maxInflightBytes: group.inflightBytes || NO_LIMIT,
    checkQuorum: group.checkQuorum,
    preVote: group.preVote,
    readMode: group.leaseReads ? 'leaseBased' : 'safe',
    forwardsProposals: group.forwardsProposals,
    checksConfChanges: true,
    stepsDownOnRemoval: group.stepsDownOnRemoval,
  };
}
