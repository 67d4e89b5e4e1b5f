import { assert } from '../../base/assert.ts';
import { isStorageThread, NO_NODE } from './messages.ts';

/** For a limit that shall not bind. */
export const NO_LIMIT: number = Number.MAX_SAFE_INTEGER;

/** `leaseBased` trusts clocks; it exists for comparison with other cores only and is never offered. */
export type ReadMode = 'safe' | 'leaseBased';

export interface RaftSettings {
  /** Never 0, never reused after a member lost its disk. */
  readonly id: number;
  /** Ticks without a leader before an election starts; the draw lies in [n, 2n). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Last index the state machine has applied before the start; 0 when it does not know. */
  readonly applied: number;
  /** Storage writes as messages with answers attached (MsgStorageAppend); `advance` is not used then. */
  readonly asyncStorageWrites: boolean;
  /** Sum of encoded entries in one MsgApp; a single larger entry still goes. */
  readonly maxMessageBytes: number;
  /** Sum of encoded entries being applied at once; a single larger entry still goes. */
  readonly maxCommittedBytesPerReady: number;
  /** Sum of payloads in the leader's log not yet applied; above it proposals are dropped. */
  readonly maxUncommittedBytes: number;
  /** MsgApps on their way to one follower. */
  readonly maxInflightMessages: number;
  /** Sum of payloads on their way to one follower; at least `maxMessageBytes`. */
  readonly maxInflightBytes: number;
  /** The leader steps down when a quorum was silent for an election timeout; followers keep faith meanwhile. */
  readonly checkQuorum: boolean;
  /** Ask before raising the term, so that a cut-off member disrupts nobody. */
  readonly preVote: boolean;
  readonly readMode: ReadMode;
  /** Off: a follower drops proposals and the client follows the leader hint. */
  readonly forwardsProposals: boolean;
  /** Off: conf changes are appended unchecked; for comparison with other cores only. */
  readonly checksConfChanges: boolean;
  /** A leader that was removed or made a learner becomes follower at once. */
  readonly stepsDownOnRemoval: boolean;
}

/** Settings come checked from the wiring; a bad value here is our bug. */
export function assertSettings(settings: RaftSettings): void {
  assert(settings.id !== NO_NODE && !isStorageThread(settings.id), 'a raft id must name a node');
  assert(settings.heartbeatTicks > 0, 'heartbeatTicks must be above 0');
  assert(settings.electionTicks > settings.heartbeatTicks, 'electionTicks must be above heartbeat');
  assert(settings.maxInflightMessages > 0, 'maxInflightMessages must be above 0');
  assert(
    settings.maxInflightBytes >= settings.maxMessageBytes,
    'maxInflightBytes must not be below maxMessageBytes',
  );
  assert(
    settings.readMode === 'safe' || settings.checkQuorum,
    'lease-based reads without checkQuorum would be stale',
  );
}
