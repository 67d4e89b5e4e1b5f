// Everything the core decides and a person may want to read, as values: one event for each line that
// go.etcd.io/raft logs. The sink belongs to one node, so events do not repeat its id.
import type { ConfChange } from './conf-change.ts';
import type { ConfState, MessageType } from './messages.ts';
import type { ProgressView } from './progress.ts';
import type { Role } from './ready.ts';

export type TraceSink = (event: TraceEvent) => void;

/** Why a leader put an empty entry in the place of a conf change. */
export type ConfChangeObjection =
  | {
      readonly kind: 'possiblyUnapplied';
      readonly pendingIndex: number;
      readonly appliedIndex: number;
    }
  | { readonly kind: 'mustLeaveJointFirst' }
  | { readonly kind: 'notJoint' };

export type TraceEvent =
  | RoleEvent
  | ElectionEvent
  | TermEvent
  | ProposalEvent
  | ReplicationEvent
  | SnapshotEvent
  | TransferEvent
  | ReadEvent
  | LogEvent;

type RoleEvent =
  | {
      readonly kind: 'started';
      /** All voters, incoming and outgoing, ascending. */
      readonly peers: readonly number[];
      readonly term: number;
      readonly commit: number;
      readonly applied: number;
      readonly lastIndex: number;
      readonly lastTerm: number;
    }
  | { readonly kind: 'becameFollower'; readonly term: number }
  | { readonly kind: 'becamePreCandidate'; readonly term: number }
  | { readonly kind: 'becameCandidate'; readonly term: number }
  | { readonly kind: 'becameLeader'; readonly term: number }
  | { readonly kind: 'steppedDownWithoutQuorum' }
  | { readonly kind: 'forgotLeader'; readonly lead: number; readonly term: number }
  /** Error level: leases forbid it. */
  | { readonly kind: 'ignoredForgetLeader' };

/** A vote request against this node's log. */
interface VoteDecision {
  readonly message: MessageType;
  readonly from: number;
  /** This node's last entry, vote and term, before the answer. */
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly vote: number;
  readonly term: number;
  /** The candidate's last entry. */
  readonly candidateTerm: number;
  readonly candidateIndex: number;
}

type ElectionEvent =
  | { readonly kind: 'ignoredHupAsLeader' }
  | { readonly kind: 'cannotCampaign' }
  | { readonly kind: 'campaignedUnpromotable' }
  | { readonly kind: 'cannotCampaignWithUnappliedConfChange'; readonly term: number }
  | { readonly kind: 'electionStarted'; readonly term: number }
  | {
      readonly kind: 'voteRequested';
      readonly message: MessageType;
      readonly to: number;
      readonly lastTerm: number;
      readonly lastIndex: number;
      readonly term: number;
    }
  | {
      readonly kind: 'voteReceived';
      readonly message: MessageType;
      readonly from: number;
      readonly term: number;
      readonly granted: boolean;
    }
  | {
      readonly kind: 'votesCounted';
      readonly message: MessageType;
      readonly granted: number;
      readonly rejected: number;
    }
  | ({ readonly kind: 'voteCast' } & VoteDecision)
  | ({ readonly kind: 'voteRejected' } & VoteDecision)
  | ({ readonly kind: 'voteIgnoredInLease'; readonly remainingTicks: number } & VoteDecision)
  | {
      readonly kind: 'ignoredTimeoutNow';
      readonly term: number;
      readonly role: Role;
      readonly from: number;
    }
  | { readonly kind: 'receivedTimeoutNow'; readonly term: number; readonly from: number };

type TermEvent =
  | {
      readonly kind: 'higherTermReceived';
      readonly message: MessageType;
      readonly from: number;
      readonly term: number;
      readonly messageTerm: number;
    }
  | {
      readonly kind: 'ignoredLowerTerm';
      readonly message: MessageType;
      readonly from: number;
      readonly term: number;
      readonly messageTerm: number;
    }
  /** A storage answer of an older term: its entries may have been overwritten meanwhile. */
  | {
      readonly kind: 'ignoredLowerTermAppend';
      readonly message: MessageType;
      readonly term: number;
      readonly messageTerm: number;
    };

type ProposalEvent =
  | {
      readonly kind: 'droppedProposalInTransfer';
      readonly term: number;
      readonly transferee: number;
    }
  | { readonly kind: 'droppedProposalWithoutLeader'; readonly term: number }
  | { readonly kind: 'droppedProposalNotForwarded'; readonly lead: number; readonly term: number }
  | { readonly kind: 'droppedProposalOverLimit' }
  | {
      readonly kind: 'ignoredConfChange';
      readonly change: ConfChange;
      readonly config: ConfState;
      readonly objection: ConfChangeObjection;
    }
  | { readonly kind: 'configSwitched'; readonly config: ConfState }
  | { readonly kind: 'autoLeaveStarted'; readonly config: ConfState }
  /** The one reason is a dropped proposal. */
  | { readonly kind: 'autoLeaveDropped'; readonly config: ConfState };

type ReplicationEvent =
  | { readonly kind: 'noProgress'; readonly from: number }
  | {
      readonly kind: 'appendRejectionReceived';
      readonly from: number;
      readonly index: number;
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  | { readonly kind: 'progressDecreased'; readonly from: number; readonly progress: ProgressView }
  | { readonly kind: 'unreachable'; readonly from: number; readonly progress: ProgressView }
  | {
      readonly kind: 'appendRejected';
      readonly from: number;
      readonly index: number;
      /** This node's term at `index`, 0 where it has none. */
      readonly ownTerm: number;
      readonly logTerm: number;
    };

type SnapshotEvent =
  | { readonly kind: 'snapshotNotSentToInactive'; readonly to: number }
  | { readonly kind: 'snapshotUnavailable'; readonly to: number }
  | {
      readonly kind: 'snapshotSent';
      readonly to: number;
      readonly firstIndex: number;
      readonly commit: number;
      readonly index: number;
      readonly term: number;
      readonly progress: ProgressView;
    }
  | { readonly kind: 'replicationPaused'; readonly to: number; readonly progress: ProgressView }
  | {
      readonly kind: 'snapshotNoLongerNeeded';
      readonly from: number;
      readonly progress: ProgressView;
    }
  | { readonly kind: 'snapshotSucceeded'; readonly from: number; readonly progress: ProgressView }
  | { readonly kind: 'snapshotFailed'; readonly from: number; readonly progress: ProgressView }
  /** The core's verdict on a MsgSnap, after `snapshotInstalled` or one of the reasons against. */
  | {
      readonly kind: 'snapshotRestored';
      readonly commit: number;
      readonly index: number;
      readonly term: number;
    }
  | {
      readonly kind: 'snapshotIgnored';
      readonly commit: number;
      readonly index: number;
      readonly term: number;
    }
  | { readonly kind: 'snapshotForNonFollower' }
  | { readonly kind: 'snapshotWithoutThisNode'; readonly confState: ConfState }
  | ({ readonly kind: 'snapshotFastForwarded' } & RestoredLog)
  | ({ readonly kind: 'snapshotInstalled' } & RestoredLog);

interface RestoredLog {
  readonly commit: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The snapshot's last entry. */
  readonly index: number;
  readonly term: number;
}

type TransferEvent =
  | { readonly kind: 'transferIgnoredToLearner' }
  | {
      readonly kind: 'transferAlreadyInProgress';
      readonly term: number;
      readonly transferee: number;
    }
  | { readonly kind: 'transferAborted'; readonly term: number; readonly transferee: number }
  | { readonly kind: 'transferIgnoredToSelf' }
  | { readonly kind: 'transferStarted'; readonly term: number; readonly transferee: number }
  | { readonly kind: 'transferTimeoutNowAtOnce'; readonly transferee: number }
  | { readonly kind: 'transferTimeoutNowCaughtUp'; readonly transferee: number }
  | { readonly kind: 'droppedTransferWithoutLeader'; readonly term: number };

type ReadEvent =
  | { readonly kind: 'droppedReadWithoutLeader'; readonly term: number }
  /** Error level. */
  | { readonly kind: 'malformedReadResponse'; readonly from: number; readonly entryCount: number }
  /** Error level: released before the first commit of the own term. */
  | { readonly kind: 'pendingReadsTooEarly' };

type LogEvent =
  | {
      readonly kind: 'conflictFound';
      readonly index: number;
      readonly existingTerm: number;
      readonly conflictingTerm: number;
    }
  | {
      readonly kind: 'logRestoreStarted';
      readonly commit: number;
      readonly applied: number;
      readonly applying: number;
      readonly unstableOffset: number;
      readonly unstableOffsetInProgress: number;
      readonly unstableEntries: number;
      /** The snapshot's last entry. */
      readonly index: number;
      readonly term: number;
    }
  | { readonly kind: 'stableEntryMissing'; readonly index: number }
  | { readonly kind: 'stableEntryIsSnapshot'; readonly index: number }
  | {
      readonly kind: 'stableEntryMismatch';
      readonly index: number;
      readonly term: number;
      readonly unstableTerm: number;
    }
  | { readonly kind: 'unstableReplaced'; readonly index: number }
  | { readonly kind: 'unstableTruncated'; readonly index: number };
