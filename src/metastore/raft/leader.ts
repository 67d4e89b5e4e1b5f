import { type RaftCore, type StepRefusal, draftMessage, send } from './core.ts';
import { type Message, NO_NODE } from './messages.ts';
import type { Progress } from './progress.ts';
import { leaderPropose } from './proposals.ts';
import { leaderReadIndex, releaseEarlyReads, takeReadAck } from './reads.ts';
import {
  broadcastAppend,
  broadcastHeartbeat,
  maybeCommit,
  maybeSendAppend,
  sendAppend,
} from './replication.ts';
import { becomeFollower } from './roles.ts';

export function stepLeader(core: RaftCore, message: Message): StepRefusal | undefined {
  switch (message.type) {
    case 'MsgProp':
      return leaderPropose(core, message.entries);
    case 'MsgBeat':
      broadcastHeartbeat(core);
      break;
    case 'MsgCheckQuorum':
      checkQuorum(core);
      break;
    case 'MsgReadIndex':
      leaderReadIndex(core, message);
      break;
    case 'MsgForgetLeader':
      break;
    default:
      stepAboutPeer(core, message);
  }
  return undefined;
}

/** Without a sign of life from a quorum since the last check, somebody else may lead by now. */
function checkQuorum(core: RaftCore): void {
  if (!core.tracker.isQuorumActive()) {
    core.trace?.({ kind: 'steppedDownWithoutQuorum' });
    becomeFollower(core, core.term, NO_NODE);
  }
  for (const [id, progress] of core.tracker.progress) {
    if (id !== core.id) progress.isRecentlyActive = false;
  }
}

function stepAboutPeer(core: RaftCore, message: Message): void {
  const { from } = message;
  const progress = core.tracker.progress.get(from);
  if (progress === undefined) return core.trace?.({ kind: 'noProgress', from });
  switch (message.type) {
    case 'MsgAppResp':
      progress.isRecentlyActive = true;
      if (message.reject) takeRejection(core, message, progress);
      else takeAcknowledgement(core, message, progress);
      break;
    case 'MsgHeartbeatResp':
      takeHeartbeatAnswer(core, message, progress);
      break;
    case 'MsgSnapStatus':
      takeSnapshotStatus(core, message, progress);
      break;
    case 'MsgUnreachable':
      if (progress.state === 'replicate') progress.becomeProbe();
      core.trace?.({ kind: 'unreachable', from, progress: progress.view() });
      break;
    case 'MsgTransferLeader':
      transferTo(core, from, progress);
      break;
    default: // Votes of the election that was won, and what other roles take.
  }
}

function takeRejection(core: RaftCore, message: Message, progress: Progress): void {
  const { from, index, rejectHint, logTerm } = message;
  core.trace?.({
    kind: 'appendRejectionReceived',
    from,
    index,
    hintIndex: rejectHint,
    hintTerm: logTerm,
  });
  const hint = logTerm > 0 ? core.log.conflictByTerm(rejectHint, logTerm).index : rejectHint;
  if (!progress.maybeDecrease(index, hint)) return;
  core.trace?.({ kind: 'progressDecreased', from, progress: progress.view() });
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(core, from);
}

function takeAcknowledgement(core: RaftCore, message: Message, progress: Progress): void {
  const { from, index } = message;
  const isNews = progress.maybeUpdate(index);
  // A probe that found its place at once tells nothing new, but ends the probing (bug 19).
  if (!isNews && (progress.match !== index || progress.state !== 'probe')) return;
  advanceState(core, message, progress);
  const isPeer = from !== core.id;
  if (maybeCommit(core)) {
    releaseEarlyReads(core);
    broadcastAppend(core);
  } else if (isPeer && progress.canBumpCommit(core.log.commit)) sendAppend(core, from);
  if (!isPeer) return finishTransfer(core, from, progress);
  // The window has room again: fill it.
  while (maybeSendAppend(core, from, false));
  finishTransfer(core, from, progress);
}

function advanceState(core: RaftCore, { from, index }: Message, progress: Progress): void {
  if (progress.state === 'probe') progress.becomeReplicate();
  else if (progress.state === 'replicate') progress.inflights.freeUpTo(index);
  else if (progress.match + 1 >= core.log.firstIndex()) {
    // Whatever snapshot was sent: what follows `match` is still in the log (bug 21).
    core.trace?.({ kind: 'snapshotNoLongerNeeded', from, progress: progress.view() });
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}

function finishTransfer(core: RaftCore, from: number, progress: Progress): void {
  if (from !== core.transferee || progress.match !== core.log.lastIndex()) return;
  core.trace?.({ kind: 'transferTimeoutNowCaughtUp', transferee: from });
  sendTimeoutNow(core, from);
}

function takeHeartbeatAnswer(core: RaftCore, message: Message, progress: Progress): void {
  progress.isRecentlyActive = true;
  progress.isFlowPaused = false;
  if (progress.match < core.log.lastIndex() || progress.state === 'probe') {
    sendAppend(core, message.from);
  }
  takeReadAck(core, message);
}

/** After success the next append waits for the follower's own acknowledgement or heartbeat. */
function takeSnapshotStatus(core: RaftCore, { from, reject }: Message, progress: Progress): void {
  if (progress.state !== 'snapshot') return;
  if (reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  const kind = reject ? 'snapshotFailed' : 'snapshotSucceeded';
  core.trace?.({ kind, from, progress: progress.view() });
  progress.isFlowPaused = true;
}

function transferTo(core: RaftCore, transferee: number, progress: Progress): void {
  const { term, trace } = core;
  if (progress.isLearner) return trace?.({ kind: 'transferIgnoredToLearner' });
  const before = core.transferee;
  if (before === transferee)
    return trace?.({ kind: 'transferAlreadyInProgress', term, transferee });
  if (before !== NO_NODE) {
    core.transferee = NO_NODE;
    trace?.({ kind: 'transferAborted', term, transferee: before });
  }
  if (transferee === core.id) return trace?.({ kind: 'transferIgnoredToSelf' });
  trace?.({ kind: 'transferStarted', term, transferee });
  // It must be done within one election timeout, or it is given up.
  core.electionElapsed = 0;
  core.transferee = transferee;
  if (progress.match !== core.log.lastIndex()) return sendAppend(core, transferee);
  sendTimeoutNow(core, transferee);
  trace?.({ kind: 'transferTimeoutNowAtOnce', transferee });
}

function sendTimeoutNow(core: RaftCore, to: number): void {
  send(core, draftMessage('MsgTimeoutNow', to));
}
