// Trace events as the log lines that etcd's Raft writes: `INFO 1 became candidate at term 2`.
import {
  asV2,
  type ConfChange,
  type ConfChangeType,
} from '../../src/metastore/raft/conf-change.ts';
import type { ConfChangeObjection, TraceEvent } from '../../src/metastore/raft/trace.ts';
import { describeConfig, describeProgress, hex, quote, ROLE_NAMES } from './describe.ts';

export type LogLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

type Kind = TraceEvent['kind'];
type EventOf<K extends Kind> = Extract<TraceEvent, { readonly kind: K }>;

/** How one kind of event is told; `id` is the node's own. */
interface Line<K extends Kind> {
  readonly level: LogLevel;
  readonly text: (event: EventOf<K>, id: string) => string;
}

type Lines = { readonly [K in Kind]: Line<K> };

const TRANSITION_NAMES = {
  auto: 'ConfChangeTransitionAuto',
  jointImplicit: 'ConfChangeTransitionJointImplicit',
  jointExplicit: 'ConfChangeTransitionJointExplicit',
} as const;

const CHANGE_NAMES: Readonly<Record<ConfChangeType, string>> = {
  addNode: 'ConfChangeAddNode',
  removeNode: 'ConfChangeRemoveNode',
  updateNode: 'ConfChangeUpdateNode',
  addLearnerNode: 'ConfChangeAddLearnerNode',
};

export function describeTrace(
  event: TraceEvent,
  nodeId: number,
): { level: LogLevel; text: string } {
  return tell(lines[event.kind] as Line<Kind>, event, hex(nodeId));
}

function tell(line: Line<Kind>, event: TraceEvent, id: string): { level: LogLevel; text: string } {
  return { level: line.level, text: line.text(event, id) };
}

function info<K extends Kind>(text: Line<K>['text']): Line<K> {
  return { level: 'INFO', text };
}

function debug<K extends Kind>(text: Line<K>['text']): Line<K> {
  return { level: 'DEBUG', text };
}

function warn<K extends Kind>(text: Line<K>['text']): Line<K> {
  return { level: 'WARN', text };
}

function error<K extends Kind>(text: Line<K>['text']): Line<K> {
  return { level: 'ERROR', text };
}

const lines: Lines = {
  started: info(
    (e, id) =>
      `newRaft ${id} [peers: [${e.peers.map(hex).join(',')}], term: ${e.term}, commit: ${e.commit}, ` +
      `applied: ${e.applied}, lastindex: ${e.lastIndex}, lastterm: ${e.lastTerm}]`,
  ),
  becameFollower: info((e, id) => `${id} became follower at term ${e.term}`),
  becamePreCandidate: info((e, id) => `${id} became pre-candidate at term ${e.term}`),
  becameCandidate: info((e, id) => `${id} became candidate at term ${e.term}`),
  becameLeader: info((e, id) => `${id} became leader at term ${e.term}`),
  steppedDownWithoutQuorum: warn(
    (_, id) => `${id} stepped down to follower since quorum is not active`,
  ),
  forgotLeader: info((e, id) => `${id} forgetting leader ${hex(e.lead)} at term ${e.term}`),
  ignoredForgetLeader: error(() => 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased'),

  ignoredHupAsLeader: debug((_, id) => `${id} ignoring MsgHup because already leader`),
  cannotCampaign: warn((_, id) => `${id} is unpromotable and can not campaign`),
  campaignedUnpromotable: warn(
    (_, id) => `${id} is unpromotable; campaign() should have been called`,
  ),
  cannotCampaignWithUnappliedConfChange: warn(
    (e, id) =>
      `${id} cannot campaign at term ${e.term} since there are still pending configuration changes to apply`,
  ),
  electionStarted: info((e, id) => `${id} is starting a new election at term ${e.term}`),
  voteRequested: info(
    (e, id) =>
      `${id} [logterm: ${e.lastTerm}, index: ${e.lastIndex}] sent ${e.message} request to ` +
      `${hex(e.to)} at term ${e.term}`,
  ),
  voteReceived: info(
    (e, id) =>
      `${id} received ${e.message}${e.granted ? '' : ' rejection'} from ${hex(e.from)} at term ${e.term}`,
  ),
  votesCounted: info(
    (e, id) =>
      `${id} has received ${e.granted} ${e.message} votes and ${e.rejected} vote rejections`,
  ),
  voteCast: info((e, id) => `${voter(e, id)} cast ${e.message} for ${candidate(e)}`),
  voteRejected: info((e, id) => `${voter(e, id)} rejected ${e.message} from ${candidate(e)}`),
  voteIgnoredInLease: info(
    (e, id) =>
      `${voter(e, id)} ignored ${e.message} from ${candidate(e)}: ` +
      `lease is not expired (remaining ticks: ${e.remainingTicks})`,
  ),
  ignoredTimeoutNow: debug(
    (e, id) =>
      `${id} [term ${e.term} state ${ROLE_NAMES[e.role]}] ignored MsgTimeoutNow from ${hex(e.from)}`,
  ),
  receivedTimeoutNow: info(
    (e, id) =>
      `${id} [term ${e.term}] received MsgTimeoutNow from ${hex(e.from)} and starts an election to get leadership.`,
  ),

  higherTermReceived: info(
    (e, id) =>
      `${id} [term: ${e.term}] received a ${e.message} message with higher term from ` +
      `${hex(e.from)} [term: ${e.messageTerm}]`,
  ),
  ignoredLowerTerm: info(
    (e, id) =>
      `${id} [term: ${e.term}] ignored a ${e.message} message with lower term from ` +
      `${hex(e.from)} [term: ${e.messageTerm}]`,
  ),
  ignoredLowerTermAppend: info(
    (e, id) =>
      `${id} [term: ${e.term}] ignored entry appends from a ${e.message} message with lower term ` +
      `[term: ${e.messageTerm}]`,
  ),

  droppedProposalInTransfer: debug(
    (e, id) =>
      `${id} [term ${e.term}] transfer leadership to ${hex(e.transferee)} is in progress; dropping proposal`,
  ),
  droppedProposalWithoutLeader: info(
    (e, id) => `${id} no leader at term ${e.term}; dropping proposal`,
  ),
  droppedProposalNotForwarded: info(
    (e, id) => `${id} not forwarding to leader ${hex(e.lead)} at term ${e.term}; dropping proposal`,
  ),
  droppedProposalOverLimit: warn(
    (_, id) =>
      `${id} appending new entries to log would exceed uncommitted entry size limit; dropping proposal`,
  ),
  ignoredConfChange: info(
    (e, id) =>
      `${id} ignoring conf change ${describeChange(e.change)} at config ${describeConfig(e.config)}: ` +
      objection(e.objection),
  ),
  configSwitched: info((e, id) => `${id} switched to configuration ${describeConfig(e.config)}`),
  autoLeaveStarted: info(
    (e) => `initiating automatic transition out of joint configuration ${describeConfig(e.config)}`,
  ),
  autoLeaveDropped: debug(
    (e) =>
      `not initiating automatic transition out of joint configuration ${describeConfig(e.config)}: ` +
      'raft proposal dropped',
  ),

  noProgress: debug((e, id) => `${id} no progress available for ${hex(e.from)}`),
  appendRejectionReceived: debug(
    (e, id) =>
      `${id} received MsgAppResp(rejected, hint: (index ${e.hintIndex}, term ${e.hintTerm})) from ` +
      `${hex(e.from)} for index ${e.index}`,
  ),
  progressDecreased: debug(
    (e, id) => `${id} decreased progress of ${hex(e.from)} to [${describeProgress(e.progress)}]`,
  ),
  unreachable: debug(
    (e, id) =>
      `${id} failed to send message to ${hex(e.from)} because it is unreachable [${describeProgress(e.progress)}]`,
  ),
  appendRejected: debug(
    (e, id) =>
      `${id} [logterm: ${e.ownTerm}, index: ${e.index}] rejected MsgApp ` +
      `[logterm: ${e.logTerm}, index: ${e.index}] from ${hex(e.from)}`,
  ),

  snapshotNotSentToInactive: debug(
    (e) => `ignore sending snapshot to ${hex(e.to)} since it is not recently active`,
  ),
  snapshotUnavailable: debug(
    (e, id) =>
      `${id} failed to send snapshot to ${hex(e.to)} because snapshot is temporarily unavailable`,
  ),
  snapshotSent: debug(
    (e, id) =>
      `${id} [firstindex: ${e.firstIndex}, commit: ${e.commit}] sent ` +
      `snapshot[index: ${e.index}, term: ${e.term}] to ${hex(e.to)} [${describeProgress(e.progress)}]`,
  ),
  replicationPaused: debug(
    (e, id) =>
      `${id} paused sending replication messages to ${hex(e.to)} [${describeProgress(e.progress)}]`,
  ),
  snapshotNoLongerNeeded: debug(
    (e, id) =>
      `${id} recovered from needing snapshot, resumed sending replication messages to ` +
      `${hex(e.from)} [${describeProgress(e.progress)}]`,
  ),
  snapshotSucceeded: debug(
    (e, id) =>
      `${id} snapshot succeeded, resumed sending replication messages to ` +
      `${hex(e.from)} [${describeProgress(e.progress)}]`,
  ),
  snapshotFailed: debug(
    (e, id) =>
      `${id} snapshot failed, resumed sending replication messages to ` +
      `${hex(e.from)} [${describeProgress(e.progress)}]`,
  ),
  snapshotRestored: info((e, id) => `${id} [commit: ${e.commit}] restored ${snapshotId(e)}`),
  snapshotIgnored: info((e, id) => `${id} [commit: ${e.commit}] ignored ${snapshotId(e)}`),
  snapshotForNonFollower: warn(
    (_, id) => `${id} attempted to restore snapshot as leader; should never happen`,
  ),
  snapshotWithoutThisNode: warn(
    (_, id) => `${id} attempted to restore snapshot but it is not in the ConfState`,
  ),
  snapshotFastForwarded: info(
    (e, id) => `${id} ${restoredLog(e)} fast-forwarded commit to ${snapshotId(e)}`,
  ),
  snapshotInstalled: info((e, id) => `${id} ${restoredLog(e)} restored ${snapshotId(e)}`),

  transferIgnoredToLearner: debug((_, id) => `${id} is learner. Ignored transferring leadership`),
  transferAlreadyInProgress: info(
    (e, id) =>
      `${id} [term ${e.term}] transfer leadership to ${hex(e.transferee)} is in progress, ` +
      `ignores request to same node ${hex(e.transferee)}`,
  ),
  transferAborted: info(
    (e, id) =>
      `${id} [term ${e.term}] abort previous transferring leadership to ${hex(e.transferee)}`,
  ),
  transferIgnoredToSelf: debug(
    (_, id) => `${id} is already leader. Ignored transferring leadership to self`,
  ),
  transferStarted: info(
    (e, id) => `${id} [term ${e.term}] starts to transfer leadership to ${hex(e.transferee)}`,
  ),
  transferTimeoutNowAtOnce: info(
    (e, id) =>
      `${id} sends MsgTimeoutNow to ${hex(e.transferee)} immediately as ${hex(e.transferee)} ` +
      'already has up-to-date log',
  ),
  transferTimeoutNowCaughtUp: info(
    (e, id) => `${id} sent MsgTimeoutNow to ${hex(e.transferee)} after received MsgAppResp`,
  ),
  droppedTransferWithoutLeader: info(
    (e, id) => `${id} no leader at term ${e.term}; dropping leader transfer msg`,
  ),

  droppedReadWithoutLeader: info(
    (e, id) => `${id} no leader at term ${e.term}; dropping index reading msg`,
  ),
  malformedReadResponse: error(
    (e, id) =>
      `${id} invalid format of MsgReadIndexResp from ${hex(e.from)}, entries count: ${e.entryCount}`,
  ),
  pendingReadsTooEarly: error(
    () => 'pending MsgReadIndex should be released only after first commit in current term',
  ),

  conflictFound: info(
    (e) =>
      `found conflict at index ${e.index} ` +
      `[existing term: ${e.existingTerm}, conflicting term: ${e.conflictingTerm}]`,
  ),
  logRestoreStarted: info(
    (e) =>
      `log [committed=${e.commit}, applied=${e.applied}, applying=${e.applying}, ` +
      `unstable.offset=${e.unstableOffset}, unstable.offsetInProgress=${e.unstableOffsetInProgress}, ` +
      `len(unstable.Entries)=${e.unstableEntries}] starts to restore ${snapshotId(e)}`,
  ),
  stableEntryMissing: info((e) => `entry at index ${e.index} missing from unstable log; ignoring`),
  stableEntryIsSnapshot: info(
    (e) => `entry at index ${e.index} matched unstable snapshot; ignoring`,
  ),
  stableEntryMismatch: info(
    (e) =>
      `entry at (index,term)=(${e.index},${e.term}) mismatched with entry at ` +
      `(${e.index},${e.unstableTerm}) in unstable log; ignoring`,
  ),
  unstableReplaced: info((e) => `replace the unstable entries from index ${e.index}`),
  unstableTruncated: info((e) => `truncate the unstable entries before index ${e.index}`),
};

type Vote = EventOf<'voteCast' | 'voteRejected' | 'voteIgnoredInLease'>;

function voter(e: Vote, id: string): string {
  return `${id} [logterm: ${e.lastTerm}, index: ${e.lastIndex}, vote: ${hex(e.vote)}]`;
}

function candidate(e: Vote): string {
  return `${hex(e.from)} [logterm: ${e.candidateTerm}, index: ${e.candidateIndex}] at term ${e.term}`;
}

function snapshotId(e: { readonly index: number; readonly term: number }): string {
  return `snapshot [index: ${e.index}, term: ${e.term}]`;
}

function restoredLog(e: EventOf<'snapshotInstalled' | 'snapshotFastForwarded'>): string {
  return `[commit: ${e.commit}, lastindex: ${e.lastIndex}, lastterm: ${e.lastTerm}]`;
}

function describeChange(change: ConfChange): string {
  const { transition, changes, context } = asV2(change);
  let text = `transition:${TRANSITION_NAMES[transition]}`;
  for (const { type, nodeId } of changes) {
    text += ` changes:{type:${CHANGE_NAMES[type]} node_id:${nodeId}}`;
  }
  return context !== undefined && context.length > 0 ? `${text} context:${quote(context)}` : text;
}

function objection(why: ConfChangeObjection): string {
  if (why.kind === 'mustLeaveJointFirst') return 'must transition out of joint config first';
  if (why.kind === 'notJoint') return 'not in joint state; refusing empty conf change';
  return `possible unapplied conf change at index ${why.pendingIndex} (applied to ${why.appliedIndex})`;
}
