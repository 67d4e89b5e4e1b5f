// How the core is run: opinions, not settings. PreVote and CheckQuorum keep a cut-off member from
// disturbing the others; reads are never answered from a lease.
import type { RaftSettings } from '../../raft/settings.ts';
import type { RaftLogSettings } from './settings.ts';

/** Ticks without a leader before an election; drawn from [10, 20). */
export const ELECTION_TICKS = 10;

export function coreSettings(
  settings: RaftLogSettings,
  { id, applied }: { readonly id: number; readonly applied: number },
): RaftSettings {
  return {
    id,
    applied,
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    asyncStorageWrites: true,
    maxMessageBytes: settings.maxMessageBytes,
    maxCommittedBytesPerReady: settings.maxMessageBytes * 8,
    maxUncommittedBytes: settings.maxUncommittedBytes,
    maxInflightMessages: 64,
    maxInflightBytes: Math.max(settings.maxInflightBytes, settings.maxMessageBytes),
    checkQuorum: true,
    preVote: true,
    readMode: 'safe',
    forwardsProposals: false,
    checksConfChanges: true,
    stepsDownOnRemoval: true,
  };
}
