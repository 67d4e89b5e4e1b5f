// The door for every message: terms first, then what all roles answer alike, then the role.
import { entriesApplied, snapshotApplied } from './applied.ts';
import { stepCandidate } from './candidate.ts';
import { type RaftCore, type StepRefusal, draftMessage, send } from './core.ts';
import {
  answerVoteRequest,
  isHeldOffByLease,
  rejectVoteRequest,
  startCampaign,
  usualCampaign,
} from './election.ts';
import { stepFollower } from './follower.ts';
import { stepLeader } from './leader.ts';
import { type Message, NO_NODE } from './messages.ts';
import { becomeFollower } from './roles.ts';

export function step(core: RaftCore, message: Message): StepRefusal | undefined {
  if (message.term !== 0 && message.term !== core.term) {
    if (message.term < core.term) {
      takeLowerTerm(core, message);
      return undefined;
    }
    if (!takeHigherTerm(core, message)) return undefined;
  }
  switch (message.type) {
    case 'MsgHup':
      startCampaign(core, usualCampaign(core));
      return undefined;
    case 'MsgStorageAppendResp':
      takeStorageAnswer(core, message);
      return undefined;
    case 'MsgStorageApplyResp':
      entriesApplied(core, message.entries);
      return undefined;
    case 'MsgVote':
    case 'MsgPreVote':
      answerVoteRequest(core, message);
      return undefined;
    default:
      return stepRole(core, message);
  }
}

function stepRole(core: RaftCore, message: Message): StepRefusal | undefined {
  if (core.role === 'leader') return stepLeader(core, message);
  return core.role === 'follower' ? stepFollower(core, message) : stepCandidate(core, message);
}

/** False when the message is not to be looked at further. */
function takeHigherTerm(core: RaftCore, message: Message): boolean {
  const { type, from } = message;
  const isVoteRequest = type === 'MsgVote' || type === 'MsgPreVote';
  if (isVoteRequest && isHeldOffByLease(core, message)) return false;
  // A pre-vote moves no term, neither asked for nor granted; the real election will.
  if (type === 'MsgPreVote' || (type === 'MsgPreVoteResp' && !message.reject)) return true;
  const messageTerm = message.term;
  core.trace?.({ kind: 'higherTermReceived', message: type, from, term: core.term, messageTerm });
  const isLeaders = type === 'MsgApp' || type === 'MsgHeartbeat' || type === 'MsgSnap';
  becomeFollower(core, messageTerm, isLeaders ? from : NO_NODE);
  return true;
}

function takeLowerTerm(core: RaftCore, message: Message): void {
  const { type, from } = message;
  const { checkQuorum, preVote } = core.settings;
  if ((checkQuorum || preVote) && (type === 'MsgHeartbeat' || type === 'MsgApp')) {
    // Tells an old leader of the newer term; else a node that was cut off could never come back (bug 8).
    send(core, draftMessage('MsgAppResp', from));
  } else if (type === 'MsgPreVote') rejectVoteRequest(core, message);
  else if (type === 'MsgStorageAppendResp') takeOldStorageAnswer(core, message);
  else {
    const messageTerm = message.term;
    core.trace?.({ kind: 'ignoredLowerTerm', message: type, from, term: core.term, messageTerm });
  }
}

function takeStorageAnswer(core: RaftCore, message: Message): void {
  if (message.index !== 0) core.log.unstable.stableTo(message.index, message.logTerm);
  if (message.snapshot !== undefined) snapshotApplied(core, message.snapshot);
}

/** Entries written in an older term may have been replaced since (bug 13); a snapshot is committed. */
function takeOldStorageAnswer(core: RaftCore, message: Message): void {
  if (message.index !== 0) {
    const { type, term: messageTerm } = message;
    const { term } = core;
    core.trace?.({ kind: 'ignoredLowerTermAppend', message: type, term, messageTerm });
  }
  if (message.snapshot !== undefined) snapshotApplied(core, message.snapshot);
}
